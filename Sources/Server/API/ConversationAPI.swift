internal import Base
internal import Core
internal import Store
internal import Wire

/// A user's conversations (contract, section 5): the chat list, messages and read positions.
struct ConversationAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] {
        [
            .init(.get, "/api/conversations", list),
            .init(.get, "/api/conversations/{conv}", show),
            .init(.get, "/api/conversations/{conv}/messages", messages),
            .init(.post, "/api/conversations/{conv}/messages", send),
            .init(.post, "/api/conversations/{conv}/read", markRead),
        ]
    }

    // MARK: The chat list

    private func list(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let limit = try request.pageLimit("limit", max: Limits.chatListMax)
        let query = ChatListQuery(user: user, before: try ConversationAPI.place(request), limit: limit)
        guard case .chatList(let list) = try await request.node.ask(.chatList(query)) else {
            preconditionFailure("a list is answered by a list")
        }
        let hub = request.node.onLoop.hub
        var output = OutputBuffer()
        output.append("[")
        for (index, item) in list.items.enumerated() {
            if index > 0 { output.append(",") }
            append(item, list.arena, for: user, hub, to: &output)
            output.append(#","id":"#)
            output.append(decimal: item.place)
            output.append(#","time":"#)
            output.append(decimal: item.time)
            output.append("}")
        }
        output.append("]")
        return .json(output)
    }

    private func show(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let conversation = try request.conversation(0)
        let group = try await request.node.admit(user, to: conversation)
        // As far as reads are told live.
        let isSmall = (group?.members.count ?? 0) <= Limits.readReceiptMembersMax
        let question = DirectoryQuestion.conversation(conversation, viewer: user, withReaders: isSmall)
        guard case .conversation(let view) = try await request.node.ask(question) else {
            preconditionFailure("a conversation is answered by a conversation")
        }
        var output = OutputBuffer()
        append(view.item, view.arena, for: user, request.node.onLoop.hub, to: &output)
        if let readers = view.readers {
            output.append(#","readers":["#)
            for (index, reader) in readers.enumerated() {
                output.append(index > 0 ? #",{"user":"# : #"{"user":"#)
                output.appendJSONString(reader.user)
                output.append(#","cseq":"#)
                output.append(decimal: reader.cseq)
                output.append("}")
            }
            output.append("]")
        }
        output.append("}")
        return .json(output)
    }

    /// `before`: a millisecond, or the `id` of an item. Ids have been larger than this since 2024 and times will be
    /// smaller until 2286.
    private static func place(_ request: APIRequest) throws(APIError) -> ChatListQuery.Place? {
        guard let text = request.http.query("before"), !text.isEmpty else { return nil }
        let number = try request.number("before", default: 0)
        return number < 10_000_000_000_000 ? .time(number) : .item(number)
    }

    /// Appends the members of an object that isn't closed yet.
    private func append(
        _ item: ChatList.Item, _ arena: RecordArena, for user: Identifier, _ hub: Hub, to output: inout OutputBuffer
    ) {
        let (command, other) = item.conversation.destination(from: user)
        output.append(#"{"conv":"#)
        output.appendJSONString(item.conversation.name)
        output.append(command == RecordView.groupCommand ? #","kind":"group""# : #","kind":"private""#)
        output.append(#","name":"#)
        output.appendJSONString(item.name ?? other.description)
        output.append(#","last":"#)
        if let last = item.last {
            hub.appendMessage(arena.record(at: last), withSeq: false, to: &output)
        } else {
            output.append("null")
        }
        output.append(#","unread":"#)
        output.append(decimal: item.unread)
        output.append(#","cursor":"#)
        output.append(decimal: item.cursor)
        if let peer = item.peerCursor {
            output.append(#","peer_cursor":"#)
            output.append(decimal: peer)
        }
    }

    // MARK: Messages

    private func messages(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let conversation = try request.conversation(0)
        guard request.http.query("before") == nil || request.http.query("after") == nil else {
            throw APIError(.badRequest, "give before or after, not both")
        }
        var range = HistoryRange.newest
        if request.http.query("before") != nil { range = .before(try request.number("before", default: 0)) }
        if request.http.query("after") != nil { range = .after(try request.number("after", default: 0)) }
        let limit = try request.pageLimit("limit")
        try await request.node.admit(user, to: conversation)
        let page = try await request.node.read(.history(conversation, range, limit: limit, viewer: user))
        let hub = request.node.onLoop.hub
        var output = OutputBuffer()
        output.append(#"{"conv":"#)
        output.appendJSONString(conversation.name)
        output.append(#","messages":["#)
        for (index, entry) in page.arena.entries.enumerated() {
            if index > 0 { output.append(",") }
            hub.appendMessage(page.arena.record(at: entry.offset), withSeq: false, to: &output)
        }
        output.append(page.more ? #"],"more":true}"# : #"],"more":false}"#)
        return .json(output)
    }

    private func send(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let conversation = try request.conversation(0)
        let message = try request.message()
        guard conversation.includes(user) else {
            throw APIError(.forbidden, "this conversation is between others")
        }
        let (command, destination) = conversation.destination(from: user)
        let head = MessageHead(
            command: command, content: BodyForm.members.rawValue, sender: user, destination: destination)
        let stored = try await context.home(of: user).sendFromHome(head, cid: message.cid, body: message.members)
        return .ack(stored, cid: message.cid, in: conversation)
    }

    // MARK: Reading

    private struct ReadBody: Decodable {
        var cseq: UInt64
    }

    private func markRead(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let conversation = try request.conversation(0)
        let body = try request.body(ReadBody.self)
        try await context.home(of: user).markRead(conversation, by: user, through: body.cseq)
        return .emptyObject
    }
}

extension APIRequest {
    /// A conversation id that stands in the path, its colon escaped or not.
    func conversation(_ index: Int) throws(APIError) -> ConversationKey {
        guard let conversation = ConversationKey(name: Array(parameters[index].utf8).span.bytes) else {
            throw APIError(.badRequest, "the path has no conversation id")
        }
        return conversation
    }

    /// The body as a message: what a frame would have besides its `cmd` and `dstid`.
    func message() throws(APIError) -> (cid: [UInt8], members: [UInt8]) {
        let bytes = http.body.span.bytes
        guard UTF8Validator.isValid(bytes) else {
            throw APIError(.badRequest, "the body must be a JSON object in UTF-8")
        }
        let envelope = Envelope()
        do throws(EnvelopeError) {
            try envelope.scanMembers(bytes)
            let cid = try envelope.withCid(in: bytes) { cid throws(EnvelopeError) in
                cid.withUnsafeBytes { Array($0) }
            }
            var members = OutputBuffer()
            envelope.appendMembers(of: bytes, to: &members)
            try envelope.checkSize(membersByteCount: members.count, in: bytes)
            return (cid ?? [], Array(members.unsafeBytes))
        } catch {
            throw APIError(error)
        }
    }
}

extension HTTPResponse {
    /// The fields of an ack.
    static func ack(_ stored: NodeHandle.Stored, cid: [UInt8], in conversation: ConversationKey) -> HTTPResponse {
        var output = OutputBuffer()
        output.append("{")
        if !cid.isEmpty {
            output.append(#""cid":"#)
            output.appendJSONString(cid.span.bytes)
            output.append(",")
        }
        output.append(#""id":"#)
        output.append(decimal: stored.id)
        output.append(#","conv":"#)
        output.appendJSONString(conversation.name)
        output.append(#","cseq":"#)
        output.append(decimal: stored.cseq)
        output.append(#","seq":"#)
        output.append(decimal: stored.senderSeq)
        output.append(#","time":"#)
        output.append(decimal: stored.time)
        output.append(stored.isDuplicate ? #","dup":true}"# : "}")
        return .json(output)
    }
}
