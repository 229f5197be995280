internal import Base
internal import Core
internal import Store
internal import Wire

/// The timeline service (contract, section 5): server to server, sync and history timelines of opaque messages.
struct TimelineAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        [
            route(.post, "/timeline/send", send),
            route(.post, "/timeline/sendGroup", sendGroup),
            route(.get, "/timeline/sync", sync),
            route(.get, "/timeline/history/single/{from}/{to}", historySingle),
            route(.get, "/timeline/history/group/{group}", historyGroup),
            route(.post, "/timeline/confirm", confirm),
        ]
    }

    /// A route that wants the API key.
    private func route(
        _ method: HTTPMethod, _ path: String, _ handler: @escaping APIRouter.Handler
    ) -> APIRouter.Route {
        .init(method, path) { [context] request throws(APIError) in
            guard context.authenticator.allowsService(bearer: request.http.bearerToken) else {
                throw APIError(.unauthorized, "send the API key as: Authorization: Bearer KEY")
            }
            return try await handler(request)
        }
    }

    // MARK: Sending

    private struct SendBody: Decodable {
        var from: LooseID
        var to: LooseID
        var message: String
    }

    private func send(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let body = try request.body(SendBody.self)
        let head = MessageHead(
            command: 10, content: BodyForm(.text).rawValue, sender: try body.from.validated("from"),
            destination: try body.to.validated("to"))
        let stored = try await request.node.sendAsOperator(head, body: Array(body.message.utf8))
        var output = OutputBuffer()
        output.append(#"{"sequence":""#)
        output.append(decimal: stored.seqs.last ?? 0)
        output.append(#""}"#)
        return .json(output)
    }

    private struct SendGroupBody: Decodable {
        var groupName: LooseID
        var groupMembers: [LooseID]
        var message: String
        var from: LooseID?

        enum CodingKeys: String, CodingKey {
            case groupName = "group_name"
            case groupMembers = "group_members"
            case message, from
        }
    }

    private func sendGroup(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let body = try request.body(SendGroupBody.self)
        guard body.groupMembers.count <= Limits.groupMembersMax else {
            throw APIError(.tooLarge, "at most \(Limits.groupMembersMax) members a message")
        }
        let group = try body.groupName.validated("group_name")
        // Without `from` the group itself is named as the sender.
        let sender = try body.from?.validated("from") ?? group
        var failed: [String] = []
        var seen: Set<Identifier> = []
        var members: [Identifier] = []
        for loose in body.groupMembers {
            guard let member = Identifier(loose.text) else {
                failed.append(loose.text)
                continue
            }
            if seen.insert(member).inserted { members.append(member) }
        }
        if !members.isEmpty {
            let head = MessageHead(
                command: 11, content: BodyForm(.text).rawValue, sender: sender, destination: group)
            _ = try await request.node.send(head, to: members, body: Array(body.message.utf8))
        }
        var output = OutputBuffer()
        output.append(#"{"failedMembers":["#)
        for (index, member) in failed.enumerated() {
            if index > 0 { output.append(",") }
            output.appendJSONString(member)
        }
        output.append("]}")
        return .json(output)
    }

    // MARK: Reading

    private func sync(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        guard let text = request.http.query("member") else { throw APIError(.badRequest, "member is missing") }
        let member = try Identifier.validated(text, "member")
        let after = try request.number("last_read", default: 0)
        let limit = try request.pageLimit("count")
        try await request.node.mark(member)
        let page = try await request.node.read(.inbox(user: member, after: after, limit: limit))
        return entrySet(page, request.node, isInbox: true)
    }

    private func historySingle(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let from = try request.identifier(0), to = try request.identifier(1)
        return try await history(ConversationKey(command: 10, sender: from, destination: to), request)
    }

    private func historyGroup(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        try await history(.group(try request.identifier(0)), request)
    }

    private func history(
        _ conversation: ConversationKey, _ request: APIRequest
    ) async throws(APIError) -> HTTPResponse {
        let after = try request.number("last_read", default: 0)
        let limit = try request.pageLimit("count")
        let page = try await request.node.read(.history(conversation, .after(after), limit: limit, viewer: nil))
        return entrySet(page, request.node, isInbox: false)
    }

    /// `sequence` is the inbox's in a sync and the conversation's in a history. A text body, which is what the
    /// timeline sends, comes out byte for byte; any other message as the JSON text of its frame.
    private func entrySet(_ page: Page, _ node: NodeHandle, isInbox: Bool) -> HTTPResponse {
        let hub = node.onLoop.hub
        var output = OutputBuffer()
        var frame = OutputBuffer()
        output.append(#"{"entrySet":["#)
        for (index, entry) in page.arena.entries.enumerated() {
            let record = page.arena.record(at: entry.offset)
            if index > 0 { output.append(",") }
            output.append(#"{"sequence":""#)
            output.append(decimal: isInbox ? record.senderSeq : record.cseq)
            output.append(#"","message":"#)
            if record.content == BodyForm(.text).rawValue {
                output.appendJSONString(RawSpan(_unsafeBytes: record.unsafeBody))
            } else {
                frame.removeAll()
                hub.appendMessage(record, withSeq: isInbox, to: &frame)
                output.appendJSONString(RawSpan(_unsafeBytes: frame.unsafeBytes))
            }
            output.append("}")
        }
        output.append("]}")
        return .json(output)
    }

    // MARK: Confirming

    private struct ConfirmBody: Decodable {
        var member: LooseID
        /// A number, or its digits as `sync` gives them.
        var sequence: LooseID
        var device: LooseID?
    }

    private func confirm(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let body = try request.body(ConfirmBody.self)
        let member = try body.member.validated("member")
        let device = try body.device?.validated("device") ?? .defaultDevice
        guard let sequence = UInt64(body.sequence.text) else {
            throw APIError(.badRequest, "sequence must be a number of at least 0")
        }
        try await request.node.confirm(member, device: device, seq: sequence)
        return .emptyObject
    }
}
