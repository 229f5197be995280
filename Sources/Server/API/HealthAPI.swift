internal import Base
internal import Wire

/// `/healthz`: the process answers. `/readyz`: it takes traffic.
struct HealthAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        [
            .init(.get, "/healthz") { _ throws(APIError) in HealthAPI.status("ok") },
            .init(.get, "/readyz") { [context] _ throws(APIError) in
                guard !context.isDraining else { throw APIError(.overloaded, "the server is going down") }
                return HealthAPI.status("ready")
            },
        ]
    }

    private static func status(_ text: StaticString) -> HTTPResponse {
        var body = OutputBuffer()
        body.append(#"{"status":""#)
        body.append(text)
        body.append(#""}"#)
        return .json(body)
    }
}
