internal import Base
internal import Logging
internal import Reactor
internal import Wire

/// For whoever runs the router. `/healthz`: the process answers. `/readyz`: it takes traffic. `/metrics`, and what is
/// worth a line of the log.
struct OperationsAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        [
            .init(.get, "/healthz") { _ throws(APIError) in OperationsAPI.status("ok") },
            .init(.get, "/readyz", ready),
            .init(.get, "/metrics", metrics),
            .init(.get, "/api/log-level", logLevel),
            .init(.put, "/api/log-level", setLogLevel),
        ]
    }

    private func ready(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        guard !context.isDraining else { throw APIError(.overloaded, "the server is going down") }
        if let trouble = context.sources.trouble() {
            // What is wrong in full, with names of files, isn't for everyone.
            let isOperator = context.authenticator.allowsService(bearer: request.http.bearerToken)
            throw APIError(.overloaded, isOperator ? trouble : "the store is unavailable; its log says why")
        }
        return OperationsAPI.status("ready")
    }

    private static func status(_ text: StaticString) -> HTTPResponse {
        var body = OutputBuffer()
        body.append(#"{"status":""#)
        body.append(text)
        body.append(#""}"#)
        return .json(body)
    }

    // MARK: Metrics

    private func metrics(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        guard mayScrape(request) else {
            throw APIError(.unauthorized, "send the API key as: Authorization: Bearer KEY; or see --metrics")
        }
        let accepted = request.http.headers.list("Accept").joined(separator: ",")
        let form = accepted.contains("application/openmetrics-text") ? MetricsText.Form.openMetrics : .prometheus
        let page = await Metrics.page(form, context, routes: request.node.onLoop.api.routes)
        var response = HTTPResponse(.ok, body: page)
        try? response.headers.add("Content-Type", form.contentType)
        try? response.headers.add("Cache-Control", "no-store")
        return response
    }

    private func mayScrape(_ request: APIRequest) -> Bool {
        if context.authenticator.allowsService(bearer: request.http.bearerToken) { return true }
        switch context.configuration.metrics {
        case .key: return false
        case .open: return true
        case .local:
            // A proxy on this machine asks for others.
            let proxied = ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"]
            return SocketAddress(host: request.peer, port: 0).isLoopback
                && proxied.allSatisfy { request.http.headers.first($0) == nil }
        }
    }

    // MARK: The log

    private func logLevel(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        try requireKey(request)
        return levels
    }

    private struct LevelBody: Decodable {
        var level: String
    }

    private func setLogLevel(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        try requireKey(request)
        let body = try request.body(LevelBody.self)
        let specification: LogSpecification
        do throws(ConfigurationError) {
            specification = try LogSpecification(parsing: body.level)
        } catch {
            throw APIError(.badRequest, error.description)
        }
        context.log.levels.set(specification)
        context.log.router.notice("log levels are changed", metadata: ["level": "\(specification)"])
        return levels
    }

    private var levels: HTTPResponse {
        var body = OutputBuffer()
        body.append(#"{"level":"#)
        body.appendJSONString(context.log.levels.specification.description)
        body.append("}")
        return .json(body)
    }

    private func requireKey(_ request: APIRequest) throws(APIError) {
        guard context.authenticator.allowsService(bearer: request.http.bearerToken) else {
            throw APIError(.unauthorized, "send the API key as: Authorization: Bearer KEY")
        }
    }
}
