internal import Base
internal import Core
internal import Store
internal import Wire

/// Search in one's own conversations.
struct SearchAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] { [.init(.get, "/api/search", search)] }

    private static let limitMax = 100
    /// How often a question is asked again while the index is behind, and how long apart: about a second together.
    private static let attempts = 20
    private static let attemptNanoseconds: UInt64 = 50_000_000

    private func search(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        guard context.configuration.search else {
            throw APIError(.unsupported, "search is off: the operator turns it on with --search on")
        }
        var query = SearchQuery(
            user: user, text: try TextField.messageSearch.validated(request.http.query("q") ?? ""), conversation: nil,
            before: nil, limit: try request.pageLimit("limit", max: SearchAPI.limitMax), waits: true)
        guard query.hasWords else { throw APIError(.badRequest, "q must have a word to look for") }
        let before = try request.number("before", default: 0)
        if before > 0 { query.before = before }
        if let name = request.http.query("conv"), !name.isEmpty {
            guard let conversation = ConversationKey(name: Array(name.utf8).span.bytes) else {
                throw APIError(.badRequest, "conv must be a conversation id")
            }
            try await request.node.admit(user, to: conversation)
            query.conversation = conversation
        }
        return answer(try await page(query, request.node), request.node)
    }

    /// Waits for the index, but not for long.
    private func page(_ query: SearchQuery, _ node: NodeHandle) async throws(APIError) -> SearchPage {
        var query = query
        for attempt in 0...SearchAPI.attempts {
            query.waits = attempt < SearchAPI.attempts
            guard case .search(let page) = try await node.ask(.search(query)) else {
                preconditionFailure("a search is answered by a search")
            }
            if let page { return page }
            try? await Task.sleep(nanoseconds: SearchAPI.attemptNanoseconds)
        }
        preconditionFailure("a question that doesn't wait has an answer")
    }

    private func answer(_ page: SearchPage, _ node: NodeHandle) -> HTTPResponse {
        let hub = node.onLoop.hub
        var output = OutputBuffer()
        output.append(#"{"messages":["#)
        for (index, entry) in page.arena.entries.enumerated() {
            if index > 0 { output.append(",") }
            hub.appendMessage(page.arena.record(at: entry.offset), withSeq: false, to: &output)
        }
        output.append(page.more ? #"],"more":true,"before":"# : #"],"more":false,"before":"#)
        output.append(decimal: page.before)
        output.append(page.isComplete ? #","complete":true}"# : #","complete":false}"#)
        return .json(output)
    }
}
