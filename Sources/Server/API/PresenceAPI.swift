internal import Base
internal import Core
internal import Wire

/// Who is online, over HTTP (contract, section 5).
struct PresenceAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] { [.init(.get, "/api/users/{id}/status", status)] }

    private func status(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        _ = try signedInUser(request, context)
        let state = try await request.node.status(of: try request.identifier(0))
        var output = OutputBuffer()
        output.appendStatus(state)
        return .json(output)
    }
}
