package import Base
package import Store
package import Wire

// Who may look into a conversation, and up to where its users have read it.
extension Hub {
    /// Calls `body` once it is known whether a user may see a conversation; with the group, if it is one.
    package func withConversation(
        _ conversation: ConversationKey, of user: Identifier, _ body: @escaping (Result<Group?, EnvelopeError>) -> Void
    ) {
        switch conversation {
        case .privately:
            guard conversation.includes(user) else {
                return body(.failure(EnvelopeError(.forbidden, "this conversation is between others")))
            }
            body(.success(nil))
        case .group(let id):
            withGroup(id) { result in
                switch result {
                case .failure(let refusal): body(.failure(refusal))
                case .success(let group) where group.members[user] == nil:
                    body(.failure(EnvelopeError(.notMember, "only members of a group may read it")))
                case .success(let group): body(.success(group))
                }
            }
        }
    }

    // MARK: Reading

    /// Moves the cursor of the session's user; answered, if it has a reference, once that is durable.
    func markRead(_ conversation: ConversationKey, through cseq: UInt64, _ session: Session, reference: [UInt8]) {
        let reply = ReplyAddress(
            mailbox: node, token: session.handle, form: ReplyForm.json.rawValue, reference: reference)
        markRead(conversation, by: session.user.id, through: cseq, reply: reply)
    }

    /// The same on behalf of an HTTP request, at the reader's home; `completion` runs on this loop.
    package func markRead(
        _ conversation: ConversationKey, by user: Identifier, through cseq: UInt64,
        completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        markRead(conversation, by: user, through: cseq, reply: external(completion))
    }

    private func markRead(
        _ conversation: ConversationKey, by user: Identifier, through cseq: UInt64, reply: ReplyAddress
    ) {
        withConversation(conversation, of: user) { [unowned self] result in
            if case .failure(let refusal) = result { return refuse(reply, refusal, cid: RawSpan()) }
            let (command, destination) = conversation.destination(from: user)
            guard command != RecordView.groupCommand, holdsMessages, destination != user else {
                return currentBatch.appendRead(
                    user: user, command: command, destination: destination, cseq: cseq, reply: reply)
            }
            withReadable(conversation, of: user, with: destination, through: cseq) { [unowned self] result in
                switch result {
                case .failure(let refusal): refuse(reply, refusal, cid: RawSpan())
                case .success(let cseq):
                    currentBatch.appendRead(
                        user: user, command: command, destination: destination, cseq: cseq, reply: reply)
                }
            }
        }
    }

    /// Calls `body` with up to where a user can read, at most `cseq`: what is held of the other one doesn't count.
    private func withReadable(
        _ conversation: ConversationKey, of user: Identifier, with other: Identifier, through cseq: UInt64,
        _ body: @escaping (Result<UInt64, EnvelopeError>) -> Void
    ) {
        withRelation(of: other, to: user) { [unowned self] result in
            switch result {
            case .failure(let refusal): body(.failure(refusal))
            case .success(let relation) where relation.standing == .contact: body(.success(cseq))
            case .success: withLastSeen(in: conversation, through: cseq, by: user, body)
            }
        }
    }

    /// Calls `body` with the place of the last message up to `cseq` that isn't held back from a user; 0 for none.
    func withLastSeen(
        in conversation: ConversationKey, through cseq: UInt64, by user: Identifier,
        _ body: @escaping (Result<UInt64, EnvelopeError>) -> Void
    ) {
        let end = min(cseq, UInt64(Int64.max) - 1) + 1
        read(.history(conversation, .before(end), limit: 1, viewer: user)) { result in
            body(
                result.mapError(EnvelopeError.init(store:)).map { page in
                    page.arena.entries.first.map { page.arena.record(at: $0.offset).cseq } ?? 0
                })
        }
    }

    /// Tells the others of a read that is durable: the other user or the members of a group, and the reader's own
    /// sessions but the one that it came from.
    func tellRead(_ record: RecordView, except origin: Session?) {
        // A conversation without messages has nothing to be read.
        guard record.status == .stored else { return }
        let reader = record.sender, destination = record.destination
        message.setRead(record)
        users.find(reader)?.sessions.forEach { if $0 !== origin { emitEvent(message.unsafeBytes, to: $0) } }
        guard record.command == RecordView.groupCommand else {
            return tellRead(of: reader, to: destination)
        }
        let event = Array(message.unsafeBytes)
        withGroup(destination) { [unowned self] result in
            guard case .success(let group) = result, group.members.count <= Limits.readReceiptMembersMax else { return }
            bus.broadcast(BusFrame(audience: .members(group), origin: reader, event: event))
        }
    }

    /// Passes the event that lies in ``message`` on to the other one, unless the reader's messages wouldn't get there
    /// or the reader has blocked the other one.
    private func tellRead(of reader: Identifier, to other: Identifier) {
        guard reader != other else { return }
        if isOpen { return tell(other, of: reader) }
        if let admission = admissionInMemory(of: reader, users.find(reader), to: other),
            let back = relations.ready(other, reader)
        {
            if case .delivered = admission, !back.isBlocked { tell(other, of: reader) }
            return
        }
        let event = Array(message.unsafeBytes)
        withRelation(of: reader, to: other) { [unowned self] result in
            guard case .success(let relation) = result, case .delivered? = admission(by: relation) else { return }
            withRelation(of: other, to: reader) { [unowned self] result in
                guard case .success(let back) = result, !back.isBlocked else { return }
                message.removeAll()
                message.append(event.span.bytes)
                tell(other, of: reader)
            }
        }
    }

    /// Passes the event that lies in ``message`` on to a user.
    private func tell(_ user: Identifier, of origin: Identifier) {
        let hash = user.hash64
        let home = topology.node(hash: hash)
        if home == node {
            users.find(user, hash: hash)?.sessions.forEach { emitEvent(message.unsafeBytes, to: $0) }
        } else {
            let event = Array(message.unsafeBytes)
            bus.send(BusFrame(audience: .user(user), origin: origin, event: event), to: home)
        }
    }
}

extension OutputBuffer {
    /// Becomes the event that tells of a read.
    fileprivate mutating func setRead(_ record: RecordView) {
        removeAll()
        append(#"{"cmd":"read","conv":"#)
        appendConversation(command: record.command, sender: record.sender, destination: record.destination)
        append(#","userid":"#)
        appendJSONString(RawSpan(_unsafeBytes: record.unsafeSender))
        append(#","cseq":"#)
        append(decimal: record.cseq)
        append(UInt8(ascii: "}"))
    }
}

extension ConversationKey {
    /// Parses a conversation id as clients write it: `a:b` or a group id.
    package init?(name: RawSpan) {
        let colon = name.withUnsafeBytes { $0.firstIndex(of: UInt8(ascii: ":")) }
        if let colon {
            guard let first = Identifier(name.extracting(0..<colon)),
                let second = Identifier(name.extracting(colon + 1..<name.byteCount))
            else { return nil }
            self.init(command: 10, sender: first, destination: second)
        } else {
            guard let group = Identifier(name) else { return nil }
            self = .group(group)
        }
    }

    /// The conversation's id as clients see it.
    package var name: String {
        switch self {
        case .privately(let first, let second): "\(first):\(second)"
        case .group(let id): id.description
        }
    }

    /// Whether `user` is one of the two; a group is asked about its members elsewhere.
    package func includes(_ user: Identifier) -> Bool {
        guard case .privately(let first, let second) = self else { return true }
        return first == user || second == user
    }

    /// The command and the destination of what `user` sends there.
    package func destination(from user: Identifier) -> (command: UInt8, destination: Identifier) {
        switch self {
        case .privately(let first, let second): (10, first == user ? second : first)
        case .group(let id): (RecordView.groupCommand, id)
        }
    }
}
