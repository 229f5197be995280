internal import Base
internal import Store
internal import Wire

extension Hub {
    /// Takes a JSON frame: the payload of a text message, or the body of a binary COMMAND.
    ///
    /// Whatever is wrong with it is answered with an error frame.
    ///
    /// - Returns: whether the session goes on: false if its user has sent far more than is allowed.
    @discardableResult
    package func receive(json bytes: RawSpan, from session: Session) -> Bool {
        if !pays(session.user, bytes: bytes.byteCount) {
            switch settle(session.user, bytes: bytes.byteCount) {
            case .taken: break
            case .refused(let retry):
                try? envelope.scan(bytes)
                refuseFrame(.hasty, bytes, session, retry: retry)
                return true
            case .ended: return false
            }
        }
        take(json: bytes, from: session)
        return true
    }

    /// Takes a JSON frame that counts already.
    func take(json bytes: RawSpan, from session: Session) {
        guard session.state != .closed, !holdBack(json: bytes, from: session) else { return }
        counters.jsonFramesReceived &+= 1
        do throws(EnvelopeError) {
            try envelope.scan(bytes)
            try dispatch(bytes, session)
        } catch {
            refuseFrame(error, bytes, session)
        }
    }

    func refuseFrame(_ refusal: EnvelopeError, _ bytes: RawSpan, _ session: Session, retry: UInt64? = nil) {
        let known = (try? envelope.withCid(in: bytes) { cid throws(EnvelopeError) in Array(cid) }) ?? nil
        let cid = known ?? []
        let reference = reference(in: bytes)
        writeError(refusal, cid: cid.span.bytes, reference: reference.span.bytes, to: session, retry: retry)
    }

    private func dispatch(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        switch envelope.command {
        case .privateMessage: try receiveMessage(bytes, command: 10, session)
        case .groupMessage: try receiveMessage(bytes, command: 11, session)
        case .heartbeat: writeHeartbeat(reference: reference(in: bytes).span.bytes, to: session)
        case .typing: try receiveTyping(bytes, session)
        case .confirm: try receiveConfirm(bytes, session)
        case .fetch: try receiveFetch(bytes, session)
        case .history: try receiveHistory(bytes, session)
        case .read: try receiveRead(bytes, session)
        case .status: status(of: try namedUsers(bytes), session, reference: reference(in: bytes))
        case .watch: try watch(try namedUsers(bytes), session, reference: reference(in: bytes))
        case .unwatch: try receiveUnwatch(bytes, session)
        case .edit: try receiveEdit(bytes, session)
        case .recall: try receiveRecall(bytes, session)
        case .forward: try receiveForward(bytes, session)
        case .connect: throw EnvelopeError(.badRequest, "this connection is signed in already")
        case .subscribe: try receiveSubscribe(bytes, session)
        case .unsubscribe: try receiveUnsubscribe(bytes, session)
        case .publish: try receivePublish(bytes, session)
        case .subscribers: try receiveSubscribers(bytes, session)
        case .unknown:
            throw EnvelopeError(.unsupported, "this server doesn't know this cmd")
        }
    }

    /// The `ref` of the frame as it was written; empty for none.
    func reference(in bytes: RawSpan) -> [UInt8] {
        guard let range = envelope.ref else { return [] }
        return Array(bytes.extracting(range))
    }

    private func receiveMessage(_ bytes: RawSpan, command: UInt8, _ session: Session) throws(EnvelopeError) {
        guard let destination = try envelope.identifier(.dstid, in: bytes) else {
            throw EnvelopeError(.badRequest, "dstid is missing")
        }
        let isAccepted = try wantsAccepted(bytes)
        let head = MessageHead(
            command: command, content: BinaryFlags(.members, isCompressed: false).rawValue, sender: session.user.id,
            destination: destination)
        let reply = ReplyAddress(
            mailbox: node, token: session.handle, form: ReplyForm.json.rawValue, reference: reference(in: bytes))
        scratch.removeAll()
        envelope.appendMembers(of: bytes, to: &scratch)
        try envelope.checkSize(membersByteCount: scratch.count, in: bytes)
        let body = RawSpan(_unsafeBytes: scratch.unsafeBytes)
        let hasCid = try envelope.withCid(in: bytes) { cid throws(EnvelopeError) in
            send(head, cid: cid, body: body, isAccepted: isAccepted, reply: reply)
            return true
        }
        if hasCid == nil { send(head, cid: RawSpan(), body: body, isAccepted: isAccepted, reply: reply) }
    }

    func wantsAccepted(_ bytes: RawSpan) throws(EnvelopeError) -> Bool {
        try envelope.withText(.level, in: bytes) { level throws(EnvelopeError) in
            switch level.withUnsafeBytes({ String(decoding: $0, as: UTF8.self) }) {
            case "accepted": return true
            case "durable": return false
            default: throw EnvelopeError(.badRequest, "level must be durable or accepted")
            }
        } ?? false
    }

    private func receiveConfirm(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        guard let seq = try envelope.unsigned(.seq, in: bytes) else {
            throw EnvelopeError(.badRequest, "seq is missing")
        }
        confirm(seq, session, reference: reference(in: bytes))
    }

    /// Notes a confirm; with a reference it is answered once it is durable.
    func confirm(_ seq: UInt64, _ session: Session, reference: [UInt8]) {
        let effective = min(seq, session.user.head)
        session.user.sessions.forEach { other in
            if other.device == session.device { other.confirmed = max(other.confirmed, effective) }
        }
        guard !reference.isEmpty else { return noteConfirm(session, seq: seq) }
        let reply = ReplyAddress(
            mailbox: node, token: session.handle, form: ReplyForm.json.rawValue, reference: reference)
        currentBatch.appendConfirm(user: session.user.id, device: session.device.identifier, seq: seq, reply: reply)
    }

    private func receiveFetch(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let after = try envelope.unsigned(.after, in: bytes) ?? session.confirmed
        let limit = try pageLimit(bytes)
        fetch(after: after, limit: limit, session, form: .json, reference: reference(in: bytes))
    }

    private func pageLimit(_ bytes: RawSpan) throws(EnvelopeError) -> Int {
        let limit = try envelope.unsigned(.limit, in: bytes) ?? UInt64(Limits.pageEntriesDefault)
        guard limit > 0 else { throw EnvelopeError(.badRequest, "limit must be at least 1") }
        return Int(min(limit, UInt64(Limits.pageEntriesMax)))
    }

    /// The conversation that a frame names, and how it does.
    func conversation(in bytes: RawSpan) throws(EnvelopeError) -> (ConversationKey, name: [UInt8]) {
        let name = try envelope.withName(.conv, in: bytes) { name throws(EnvelopeError) in Array(name) }
        guard let name else { throw EnvelopeError(.badRequest, "conv is missing") }
        guard let conversation = ConversationKey(name: name.span.bytes) else {
            throw EnvelopeError(.badRequest, "conv is no conversation id")
        }
        return (conversation, name)
    }

    private func receiveRead(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let (conversation, _) = try conversation(in: bytes)
        guard let cseq = try envelope.unsigned(.cseq, in: bytes) else {
            throw EnvelopeError(.badRequest, "cseq is missing")
        }
        markRead(conversation, through: cseq, session, reference: reference(in: bytes))
    }

    private func receiveHistory(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let (conversation, name) = try conversation(in: bytes)
        let before = try envelope.unsigned(.before, in: bytes)
        let after = try envelope.unsigned(.after, in: bytes)
        guard before == nil || after == nil else {
            throw EnvelopeError(.badRequest, "give before or after, not both")
        }
        let range: HistoryRange = before.map { .before($0) } ?? after.map { .after($0) } ?? .newest
        let limit = try pageLimit(bytes)
        history(conversation, name: name, range, limit: limit, session, reference: reference(in: bytes))
    }

    /// The users that a frame must name.
    private func namedUsers(_ bytes: RawSpan) throws(EnvelopeError) -> [Identifier] {
        var named: [Identifier] = []
        guard try envelope.forEachUser(in: bytes, { named.append($0) }) else {
            throw EnvelopeError(.badRequest, "users is missing")
        }
        guard named.count <= Limits.pageEntriesMax else {
            throw EnvelopeError(.tooLarge, "a frame may name at most 1,000 users")
        }
        return named
    }

    private func receiveUnwatch(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let users: [Identifier]? = envelope.token(.users) == nil ? nil : try namedUsers(bytes)
        unwatch(users, session, reference: reference(in: bytes))
    }

    private func receiveTyping(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        guard let destination = try envelope.identifier(.dstid, in: bytes) else {
            throw EnvelopeError(.badRequest, "dstid is missing")
        }
        let isGroup = try envelope.bool(.group, in: bytes) ?? false
        let sender = session.user.id
        message.setTyping(from: sender, to: destination, isGroup: isGroup, envelope, bytes)
        typing(from: sender, to: destination, isGroup: isGroup, session, reference: reference(in: bytes))
    }
}
