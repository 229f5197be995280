package import Base
package import Store
package import Wire

/// A message by its place.
package struct MessagePlace {
    package var conversation: ConversationKey
    package var cseq: UInt64

    package init(_ conversation: ConversationKey, cseq: UInt64) {
        self.conversation = conversation
        self.cseq = cseq
    }
}

/// A user who wants to change or forward a message, and where the answer goes.
private struct Asker {
    var user: Identifier
    /// Nil for an HTTP request.
    var session: Session?
    var reply: ReplyAddress
}

/// A message as it was read, and the group it is in; valid for the call that gets it.
private struct FoundMessage {
    var place: MessagePlace
    var record: RecordView
    var group: Group?

    var isRecalled: Bool { MessageMembers.isRecalled(record.content, record.unsafeBody) }
}

// Edits, recalls and forwards. The message is read first, since only what one may read can be changed, and by whom
// depends on who sent it. Of changes that overtake each other the store's journal decides which count.
extension Hub {
    // MARK: Frames

    func receiveEdit(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let place = try messagePlace(bytes)
        scratch.removeAll()
        envelope.appendMembers(of: bytes, to: &scratch)
        try envelope.checkSize(membersByteCount: scratch.count, in: bytes)
        let members = Array(scratch.unsafeBytes)
        try MessageMembers.checkEdit(members.span.bytes)
        edit(place, members, asker(bytes, session))
    }

    func receiveRecall(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        recall(try messagePlace(bytes), asker(bytes, session))
    }

    func receiveForward(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let place = try messagePlace(bytes)
        guard let destination = try envelope.identifier(.dstid, in: bytes) else {
            throw EnvelopeError(.badRequest, "dstid is missing")
        }
        let isGroup = try envelope.bool(.group, in: bytes) ?? false
        let isAccepted = try wantsAccepted(bytes)
        let cid = try envelope.withCid(in: bytes) { cid throws(EnvelopeError) in Array(cid) }
        let head = forwardHead(by: session.user.id, to: destination, isGroup: isGroup)
        forward(place, head, cid: cid ?? [], isAccepted: isAccepted, asker(bytes, session))
    }

    private func messagePlace(_ bytes: RawSpan) throws(EnvelopeError) -> MessagePlace {
        let (conversation, _) = try conversation(in: bytes)
        guard let cseq = try envelope.unsigned(.cseq, in: bytes) else {
            throw EnvelopeError(.badRequest, "cseq is missing")
        }
        return MessagePlace(conversation, cseq: cseq)
    }

    private func asker(_ bytes: RawSpan, _ session: Session) -> Asker {
        Asker(
            user: session.user.id, session: session,
            reply: ReplyAddress(
                mailbox: node, token: session.handle, form: ReplyForm.json.rawValue, reference: reference(in: bytes)))
    }

    private func forwardHead(by user: Identifier, to destination: Identifier, isGroup: Bool) -> MessageHead {
        MessageHead(
            command: isGroup ? RecordView.groupCommand : 10, content: BodyForm.members.rawValue, sender: user,
            destination: destination)
    }

    // MARK: For HTTP

    /// Edits on behalf of an HTTP request; `completion` runs on this loop when that is durable or refused. The record,
    /// the edit's own, is valid during that call.
    ///
    /// - Parameter members: new fields as an object without what only the server sets.
    package func edit(
        _ place: MessagePlace, members: [UInt8], by user: Identifier,
        completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        let asker = Asker(user: user, reply: external(completion))
        do throws(EnvelopeError) {
            try MessageMembers.checkEdit(members.span.bytes)
            edit(place, members, asker)
        } catch {
            refuse(error, asker)
        }
    }

    /// Recalls on behalf of an HTTP request.
    package func recall(
        _ place: MessagePlace, by user: Identifier, completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        recall(place, Asker(user: user, reply: external(completion)))
    }

    /// Forwards on behalf of an HTTP request; the record is that of the copy.
    package func forward(
        _ place: MessagePlace, by user: Identifier, to destination: Identifier, isGroup: Bool, cid: [UInt8],
        completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        let head = forwardHead(by: user, to: destination, isGroup: isGroup)
        forward(place, head, cid: cid, isAccepted: false, Asker(user: user, reply: external(completion)))
    }

    /// Reads what a message was before its edits, for its author or an admin of its group.
    package func edits(
        of place: MessagePlace, by user: Identifier, after: UInt64, limit: Int,
        completion: @escaping (Result<Page, EnvelopeError>) -> Void
    ) {
        let reply = external { result in if case .failure(let refusal) = result { completion(.failure(refusal)) } }
        let asker = Asker(user: user, reply: reply)
        withMessage(place, asker) { [unowned self] message in
            let isAdmin = message.group?.members[user] == .admin
            guard message.record.sender == user || isAdmin else {
                return refuse(EnvelopeError(.forbidden, "only the author and admins may see earlier versions"), asker)
            }
            _ = pending.take(reply.token)
            read(.edits(message: message.record.id, after: after, limit: limit)) { result in
                completion(result.mapError(EnvelopeError.init(store:)))
            }
        }
    }

    /// Appends a version that ``edits(of:by:after:limit:completion:)`` gave.
    package func appendVersion(_ record: RecordView, to output: inout OutputBuffer) {
        output.appendVersion(record, inflated: &inflated)
    }

    // MARK: Rules

    private func edit(_ place: MessagePlace, _ members: [UInt8], _ asker: Asker) {
        withMessage(place, asker) { [unowned self] message in
            guard mayChange(message, asker) else { return }
            // A silent member would send by it.
            guard message.group?.members[asker.user] != .silent else {
                return refuse(EnvelopeError(.silenced, "this member may read but not send"), asker)
            }
            guard !message.isRecalled else { return refuse(.recalled, asker) }
            guard let form = BodyForm(rawValue: message.record.content) else { return refuse(.noSuchMessage, asker) }
            let old = MessageBody(form, RawSpan(_unsafeBytes: message.record.unsafeBody))
            guard MessageMembers.edited(old, by: members.span.bytes, at: milliseconds) != nil else {
                return refuse(EnvelopeError(.tooLarge, "the edited message would be too large"), asker)
            }
            append(.edit, message, body: members, asker)
        }
    }

    private func recall(_ place: MessagePlace, _ asker: Asker) {
        withMessage(place, asker) { [unowned self] message in
            if mayChange(message, asker) { append(.recall, message, body: [], asker) }
        }
    }

    /// Whether the author asks, or an admin or a moderator of the group; refuses the others.
    private func mayChange(_ message: FoundMessage, _ asker: Asker) -> Bool {
        if message.record.sender == asker.user { return true }
        let role = message.group?.members[asker.user]
        if role == .admin || role == .moderator { return true }
        refuse(EnvelopeError(.forbidden, "only the author, admins and moderators may do this"), asker)
        return false
    }

    private func append(_ kind: RecordKind, _ message: FoundMessage, body: [UInt8], _ asker: Asker) {
        let (command, destination) = message.place.conversation.destination(from: asker.user)
        let head = MessageHead(
            command: command, content: BodyForm.members.rawValue, sender: asker.user, destination: destination)
        let (id, cseq) = (message.record.id, message.place.cseq)
        let append = { [unowned self] (audience: ChangeAudience) in
            currentBatch.appendChange(
                kind, head, of: id, at: cseq, to: audience, body: body.span.bytes, reply: asker.reply)
        }
        if let group = message.group { return append(.members(group)) }
        if (isOpen && !holdsMessages) || destination == asker.user { return append(.both) }
        withRelation(of: asker.user, to: destination) { [unowned self] result in
            switch result {
            case .failure(let refusal): refuse(refusal, asker)
            // What was said before may be taken back, but nothing new comes in its place.
            case .success(let relation) where relation.isBlocked && kind == .edit:
                refuse(EnvelopeError(.blocked, "this user has blocked you"), asker)
            case .success(let relation) where relation.standing == .contact: append(.both)
            case .success where strangers == .reject && kind == .edit:
                refuse(EnvelopeError(.forbidden, "only contacts may write to this user"), asker)
            case .success where !holdsMessages: append(.both)
            case .success: withAudience(message, destination, asker, append)
            }
        }
    }

    /// Calls `body` with who hears of the change of a message that may be held: not the other one if it is.
    private func withAudience(
        _ message: FoundMessage, _ other: Identifier, _ asker: Asker, _ body: @escaping (ChangeAudience) -> Void
    ) {
        let place = message.place
        withLastSeen(in: place.conversation, through: place.cseq, by: other) { [unowned self] result in
            switch result {
            case .failure(let refusal): refuse(refusal, asker)
            case .success(let cseq): body(cseq == place.cseq ? .both : .actor)
            }
        }
    }

    private func forward(
        _ place: MessagePlace, _ head: MessageHead, cid: [UInt8], isAccepted: Bool, _ asker: Asker
    ) {
        withMessage(place, asker, cid: cid) { [unowned self] message in
            guard !message.isRecalled else { return refuse(.recalled, asker, cid: cid) }
            guard let form = BodyForm(rawValue: message.record.content) else {
                return refuse(.noSuchMessage, asker, cid: cid)
            }
            let origin = origin(of: message)
            let old = MessageBody(form, RawSpan(_unsafeBytes: message.record.unsafeBody))
            guard let copy = MessageMembers.forwarded(old, origin: origin.span.bytes) else {
                return refuse(EnvelopeError(.tooLarge, "the copy would be too large"), asker, cid: cid)
            }
            send(head, cid: cid.span.bytes, body: copy.span.bytes, isAccepted: isAccepted, reply: asker.reply)
        }
    }

    /// Where a copy comes from, as the value of `forward`.
    private func origin(of message: FoundMessage) -> [UInt8] {
        var output = OutputBuffer()
        output.append(#"{"conv":"#)
        output.appendConversation(
            command: message.record.command, sender: message.record.sender, destination: message.record.destination)
        output.append(#","cseq":"#)
        output.append(decimal: message.place.cseq)
        output.append(#","userid":"#)
        output.appendJSONString(message.record.sender)
        output.append(UInt8(ascii: "}"))
        return Array(output.unsafeBytes)
    }

    // MARK: Finding the message

    /// Calls `body` with the message if it is there and the asker may read it; refuses otherwise.
    private func withMessage(
        _ place: MessagePlace, _ asker: Asker, cid: [UInt8] = [], _ body: @escaping (FoundMessage) -> Void
    ) {
        withConversation(place.conversation, of: asker.user) { [unowned self] result in
            switch result {
            case .failure(let refusal): refuse(refusal, asker, cid: cid)
            case .success(let group): readMessage(place, group, asker, cid: cid, body)
            }
        }
    }

    private func readMessage(
        _ place: MessagePlace, _ group: Group?, _ asker: Asker, cid: [UInt8], _ body: @escaping (FoundMessage) -> Void
    ) {
        guard place.cseq > 0 else { return refuse(.noSuchMessage, asker, cid: cid) }
        let query = ReadQuery.history(place.conversation, .after(place.cseq - 1), limit: 1, viewer: asker.user)
        let completion: (Result<Page, StoreError>) -> Void = { [unowned self] result in
            switch result {
            case .failure(let error): refuse(EnvelopeError(store: error), asker, cid: cid)
            case .success(let page):
                guard let entry = page.arena.entries.first, page.arena.record(at: entry.offset).cseq == place.cseq
                else { return refuse(.noSuchMessage, asker, cid: cid) }
                withExtendedLifetime(page) {
                    body(FoundMessage(place: place, record: page.arena.record(at: entry.offset), group: group))
                }
            }
        }
        guard let session = asker.session else { return read(query, completion: completion) }
        // In turn, so that what a session asks for happens in its order.
        readInTurn(query, session, refused: { refuse($0, asker, cid: cid) }, completion: completion)
    }

    private func refuse(_ refusal: EnvelopeError, _ asker: Asker, cid: [UInt8] = []) {
        refuse(asker.reply, refusal, cid: cid.span.bytes)
    }
}

extension EnvelopeError {
    static let noSuchMessage = EnvelopeError(.notFound, "there is no such message")
    static let recalled = EnvelopeError(.conflict, "this message was recalled")
}
