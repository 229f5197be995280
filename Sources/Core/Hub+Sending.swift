package import Base
package import Store
package import Wire

extension Hub {
    /// Lays a message into the tick's batch, once its destination admits it. The answer goes to `reply`.
    ///
    /// - Parameters:
    ///   - cid: the sender's own id, empty for none.
    ///   - isAccepted: the sender wants to hear of it before the commit too.
    func send(_ head: MessageHead, cid: RawSpan, body: RawSpan, isAccepted: Bool, reply: ReplyAddress) {
        guard head.command == RecordView.groupCommand else {
            return sendPrivately(head, cid: cid, body: body, isAccepted: isAccepted, reply: reply)
        }
        if let group = groups.ready(head.destination) {
            return send(head, to: group, cid: cid, body: body, isAccepted: isAccepted, reply: reply)
        }
        guard mayWait(body, reply, cid: cid) else { return }
        let cid = Array(cid), body = Array(body)
        let session = reply.form == ReplyForm.external.rawValue ? nil : sessions[reply.token]
        if let session { hold(session) }
        withGroup(head.destination) { [unowned self] result in
            heldBytes -= body.count
            switch result {
            case .success(let group):
                send(head, to: group, cid: cid.span.bytes, body: body.span.bytes, isAccepted: isAccepted, reply: reply)
            case .failure(let refusal): refuse(reply, refusal, cid: cid.span.bytes)
            }
            if let session { release(session) }
        }
    }

    private func sendPrivately(
        _ head: MessageHead, cid: RawSpan, body: RawSpan, isAccepted: Bool, reply: ReplyAddress
    ) {
        if isOpen { return append(head, .delivered, cid: cid, body: body, isAccepted: isAccepted, reply: reply) }
        let session = reply.form == ReplyForm.external.rawValue ? nil : sessions[reply.token]
        if let admission = admissionInMemory(of: head.sender, session?.user, to: head.destination) {
            return append(head, admission, cid: cid, body: body, isAccepted: isAccepted, reply: reply)
        }
        guard mayWait(body, reply, cid: cid) else { return }
        let cid = Array(cid), body = Array(body)
        if let session { hold(session) }
        withAdmission(of: head.sender, to: head.destination) { [unowned self] admission in
            heldBytes -= body.count
            append(head, admission, cid: cid.span.bytes, body: body.span.bytes, isAccepted: isAccepted, reply: reply)
            if let session { release(session) }
        }
    }

    /// Counts a message that has to wait for something that is being loaded; refuses it if too much waits already.
    private func mayWait(_ body: RawSpan, _ reply: ReplyAddress, cid: RawSpan) -> Bool {
        guard heldBytes + body.byteCount <= Limits.heldFrameBytesMax else {
            refuse(reply, .tooMuchWaits, cid: cid)
            return false
        }
        heldBytes += body.byteCount
        return true
    }

    private func append(
        _ head: MessageHead, _ admission: Admission, cid: RawSpan, body: RawSpan, isAccepted: Bool, reply: ReplyAddress
    ) {
        if case .refused(let refusal) = admission { return refuse(reply, refusal, cid: cid) }
        counters.privateMessages &+= 1
        let reply = isAccepted ? accept(head, cid: cid, reply: reply) : reply
        if case .held = admission {
            relations.addHeld(head.sender, head.destination, bytes: body.byteCount)
            currentBatch.appendHeldMessage(head, cid: cid, body: body, reply: reply)
        } else {
            currentBatch.appendPrivateMessage(head, cid: cid, body: body, reply: reply)
        }
    }

    private func send(
        _ head: MessageHead, to group: Group, cid: RawSpan, body: RawSpan, isAccepted: Bool, reply: ReplyAddress
    ) {
        guard let role = group.members[head.sender] else {
            return refuse(reply, EnvelopeError(.notMember, "only members of a group may send to it"), cid: cid)
        }
        guard role != .silent else {
            return refuse(reply, EnvelopeError(.silenced, "this member may read but not send"), cid: cid)
        }
        counters.groupMessages &+= 1
        let reply = isAccepted ? accept(head, cid: cid, reply: reply) : reply
        currentBatch.appendMessage(head, to: group, cid: cid, body: body, reply: reply)
    }

    /// Answers before the commit; the durable ack that follows doesn't repeat the `ref`, which has its one answer now.
    private func accept(_ head: MessageHead, cid: RawSpan, reply: ReplyAddress) -> ReplyAddress {
        writeAccepted(head, cid: cid, reply: reply)
        var reply = reply
        reply.reference = []
        return reply
    }

    // MARK: For HTTP

    /// Sends on behalf of an HTTP request of a user, whose home this loop is; `completion` runs on this loop when the
    /// message is durable or refused. The record is valid during that call.
    package func send(
        _ head: MessageHead, cid: RawSpan, body: RawSpan,
        completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        send(head, cid: cid, body: body, isAccepted: false, reply: external(completion))
    }

    /// Sends a private message for the operator: blocks, and what strangers may, don't count.
    package func sendAsOperator(
        _ head: MessageHead, body: RawSpan, completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        counters.privateMessages &+= 1
        currentBatch.appendPrivateMessage(head, cid: RawSpan(), body: body, reply: external(completion))
    }

    /// The same to named recipients: the caller answers for who is a member.
    package func send(
        _ head: MessageHead, to recipients: [Identifier], body: RawSpan,
        completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        counters.groupMessages &+= 1
        currentBatch.appendGroupMessage(
            head, cid: RawSpan(), names: RecordArena.recipientNames(recipients), recipientCount: recipients.count,
            body: body, reply: external(completion))
    }

    /// Confirms on behalf of an HTTP request.
    package func confirm(
        _ user: Identifier, device: Identifier, seq: UInt64,
        completion: @escaping (Result<RecordView, EnvelopeError>) -> Void
    ) {
        currentBatch.appendConfirm(user: user, device: device, seq: seq, reply: external(completion))
    }

    func external(_ completion: @escaping (Result<RecordView, EnvelopeError>) -> Void) -> ReplyAddress {
        ReplyAddress(
            mailbox: node, token: pending.add(.init(stored: completion)), form: ReplyForm.external.rawValue)
    }

    // MARK: Refusing

    /// Answers a message that won't be stored.
    func refuse(_ reply: ReplyAddress, _ refusal: EnvelopeError, cid: RawSpan) {
        switch ReplyForm(rawValue: reply.form) {
        case .external: pending.take(reply.token)?.stored?(.failure(refusal))
        case .binary:
            guard let session = sessions[reply.token] else { return }
            emitError(refusal, cid: decimalValue(of: cid), to: session)
        case .json, nil:
            guard let session = sessions[reply.token] else { return }
            writeError(refusal, cid: cid, reference: reply.reference.span.bytes, to: session)
        }
    }

    /// A batch that couldn't be stored: every sender hears of it, nobody else does.
    func refuseAll(of notice: FailureNotice) {
        let refusal = EnvelopeError(store: notice.error)
        for entry in notice.arena.entries where entry.reply != RecordArena.Entry.noReply {
            let reply = notice.arena.replies[Int(entry.reply)]
            guard reply.mailbox == node else { continue }
            repliesGiven += 1
            let record = notice.arena.record(at: entry.offset)
            refuse(reply, refusal, cid: RawSpan(_unsafeBytes: record.unsafeCid))
        }
    }
}

/// Copies a span; for what must outlive the read buffer.
extension Array where Element == UInt8 {
    init(_ span: RawSpan) { self = span.withUnsafeBytes { Array($0) } }
}

/// The number that decimal digits mean: a binary sender's `cid`. 0 if they mean none.
func decimalValue(of digits: RawSpan) -> UInt64 {
    digits.withUnsafeBytes { UInt64(String(decoding: $0, as: UTF8.self)) ?? 0 }
}
