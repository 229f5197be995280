internal import Base
internal import Core
internal import Store
internal import Wire

/// What happened, for the operator's own systems that ask instead of being told.
struct EventAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] { [.init(.get, "/api/events", events)] }

    private func events(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        guard context.authenticator.allowsService(bearer: request.http.bearerToken) else {
            throw APIError(.unauthorized, "send the API key as: Authorization: Bearer KEY")
        }
        guard context.configuration.recordsEvents else {
            throw APIError(.unsupported, "events are off: the operator turns them on with --events on")
        }
        let query = EventQuery(after: try request.number("after", default: 0), limit: try request.pageLimit("limit"))
        guard case .events(let page) = try await request.node.ask(.events(query)) else {
            preconditionFailure("events are answered by events")
        }
        var output = OutputBuffer()
        var inflated = OutputBuffer()
        output.appendEvents(page, epoch: request.node.onLoop.epoch, inflated: &inflated)
        return .json(output)
    }
}
