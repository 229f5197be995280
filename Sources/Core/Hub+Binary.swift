internal import Base
internal import Store
package import Wire

// Section 4 of the contract: requests of clients that speak binary, and frames for them.
extension Hub {
    /// Takes a parsed frame of a signed-in client; HELLO and PING are the connection's own business.
    ///
    /// - Parameter payload: what follows the header; valid for the call.
    /// - Returns: whether the session goes on: false if its user has sent far more than is allowed.
    @discardableResult
    package func receive(
        _ request: BinaryRequest, flags: BinaryFlags, payload: RawSpan, from session: Session
    ) -> Bool {
        if !pays(session.user, bytes: payload.byteCount) {
            switch settle(session.user, bytes: payload.byteCount) {
            case .taken: break
            case .refused(let retry):
                refuseFrame(.hasty, request, payload, session, retry: retry)
                return true
            case .ended: return false
            }
        }
        take(request, flags: flags, payload: payload, from: session)
        return true
    }

    func refuseFrame(
        _ refusal: EnvelopeError, _ request: BinaryRequest, _ payload: RawSpan, _ session: Session,
        retry: UInt64? = nil
    ) {
        switch request {
        case .send(let send, _): emitError(refusal, cid: send.cid, to: session, retry: retry)
        case .command:
            // What it wants repeated, if it can be read.
            try? envelope.scan(payload)
            refuseFrame(refusal, payload, session, retry: retry)
        case .confirm, .fetch, .hello, .ping, .pong: emitError(refusal, cid: 0, to: session, retry: retry)
        }
    }

    /// Takes a frame that counts already.
    func take(_ request: BinaryRequest, flags: BinaryFlags, payload: RawSpan, from session: Session) {
        guard session.state != .closed,
            !holdBack(request, flags: flags, payload: payload, from: session)
        else { return }
        counters.binaryFramesReceived &+= 1
        switch request {
        case .send(let send, let body):
            do throws(EnvelopeError) {
                try receiveSend(send, flags: flags, body: payload.extracting(body), session)
            } catch {
                emitError(error, cid: send.cid, to: session)
            }
        case .confirm(let confirm): self.confirm(confirm.seq, session, reference: [])
        case .fetch(let fetch):
            let limit = Int(min(max(fetch.limit, 1), UInt32(Limits.pageEntriesMax)))
            self.fetch(after: fetch.after, limit: limit, session, form: .binary, reference: [])
        case .command:
            guard UTF8Validator.isValid(payload) else {
                let refusal = EnvelopeError(.badRequest, "a command must be UTF-8")
                return writeError(refusal, cid: RawSpan(), reference: RawSpan(), to: session)
            }
            take(json: payload, from: session)
        case .hello, .ping, .pong: break
        }
    }

    private func receiveSend(
        _ send: BinarySend, flags: BinaryFlags, body: RawSpan, _ session: Session
    ) throws(EnvelopeError) {
        guard let form = BodyForm(rawValue: flags.rawValue) else {
            throw EnvelopeError(.badRequest, "unknown flags of a body")
        }
        scratch.removeAll()
        let admission = try MessageBody(form, body).admit(envelope: envelope, scratch: &inflated, cleaned: &scratch)
        let isCleaned = admission == .cleaned
        let head = MessageHead(
            command: send.kind.rawValue, content: isCleaned ? BodyForm.members.rawValue : form.rawValue,
            sender: session.user.id, destination: send.destination)
        let reply = ReplyAddress(mailbox: node, token: session.handle, form: ReplyForm.binary.rawValue)
        var digits = OutputBuffer()
        if send.cid != 0 { digits.append(decimal: send.cid) }
        let cid = RawSpan(_unsafeBytes: digits.unsafeBytes)
        if isCleaned {
            self.send(
                head, cid: cid, body: RawSpan(_unsafeBytes: scratch.unsafeBytes), isAccepted: false, reply: reply)
        } else {
            self.send(head, cid: cid, body: body, isAccepted: false, reply: reply)
        }
    }

    // MARK: Frames out

    /// Begins a binary frame of a known size in the session's outlet.
    private func begin(_ byteCount: Int, _ session: Session) {
        session.outlet.prepareToWrite()
        counters.framesSent &+= 1
        guard session.form != .binaryTCP else { return }
        session.outlet.buffer.appendFrameHeader(.binary, payloadBytes: byteCount)
    }

    func emitWelcome(to session: Session) {
        let welcome = BinaryWelcome(
            seq: session.user.head, confirmed: session.confirmed, time: milliseconds,
            frameBytesMax: UInt32(Limits.frameBytesMax), heartbeatSeconds: UInt16(Limits.heartbeatSeconds),
            features: BinaryFeatures.readsLZ4, user: session.user.id, device: session.device.identifier)
        begin(welcome.frameByteCount, session)
        welcome.append(to: &session.outlet.buffer)
    }

    func emitAck(_ record: RecordView, to session: Session) {
        let ack = BinaryAck(
            cid: decimalValue(of: RawSpan(_unsafeBytes: record.unsafeCid)), id: record.id, cseq: record.cseq,
            seq: record.senderSeq, time: record.time, isDuplicate: record.status == .duplicate)
        begin(BinaryAck.frameByteCount, session)
        ack.append(to: &session.outlet.buffer)
    }

    func emitDeliver(_ record: RecordView, seq: UInt64, to session: Session) {
        if record.kind?.isMessage == false { return emitNotice(record, seq: seq, to: session) }
        guard let kind = MessageKind(rawValue: record.command), let form = BodyForm(rawValue: record.content) else {
            return
        }
        let delivery = BinaryDelivery(
            seq: seq, id: record.id, cseq: record.cseq, time: record.time, kind: kind, sender: record.sender,
            destination: record.destination)
        let body = RawSpan(_unsafeBytes: record.unsafeBody)
        guard form.isCompressed, !session.readsLZ4 else {
            return emit(delivery, form, body, to: session)
        }
        inflated.removeAll()
        // A body that was admitted decompresses; one that doesn't goes out as nothing rather than not at all.
        try? LZ4Body.decompress(body, to: &inflated)
        emit(delivery, BodyForm(form.contentType), RawSpan(_unsafeBytes: inflated.unsafeBytes), to: session)
    }

    private func emitNotice(_ record: RecordView, seq: UInt64, to session: Session) {
        message.setMessage(record, inflated: &inflated)
        if seq > 0 {
            message.append(#","seq":"#)
            message.append(decimal: seq)
        }
        message.append(UInt8(ascii: "}"))
        emitEvent(RawSpan(_unsafeBytes: message.unsafeBytes), to: session)
    }

    private func emit(_ delivery: BinaryDelivery, _ form: BodyForm, _ body: RawSpan, to session: Session) {
        begin(delivery.frameByteCount(bodyByteCount: body.byteCount), session)
        delivery.append(flags: form.flags, bodyByteCount: body.byteCount, to: &session.outlet.buffer)
        session.outlet.buffer.append(body)
    }

    func emitFetched(lastSeq: UInt64, more: Bool, to session: Session) {
        begin(BinaryFetched.frameByteCount, session)
        BinaryFetched(lastSeq: lastSeq, hasMore: more).append(to: &session.outlet.buffer)
    }

    /// Writes an ERROR frame to a session that speaks binary, or asked in binary.
    package func emitError(_ refusal: EnvelopeError, cid: UInt64, to session: Session, retry: UInt64? = nil) {
        guard session.state != .closed else { return }
        counters.countError(refusal.code)
        counters.framesSent &+= 1
        session.outlet.prepareToWrite()
        session.outlet.buffer.appendBinaryError(
            refusal, cid: cid, isWebSocket: session.form != .binaryTCP, retry: retry)
    }

    /// Writes a JSON frame as the body of an EVENT.
    func emitEvent(_ json: RawSpan, to session: Session) {
        counters.framesSent &+= 1
        session.outlet.prepareToWrite()
        session.outlet.buffer.appendEvent(json, isWebSocket: session.form != .binaryTCP)
    }
}

extension OutputBuffer {
    /// Appends a JSON frame as the body of an EVENT; inside a WebSocket message if `isWebSocket`.
    mutating func appendEvent(_ json: RawSpan, isWebSocket: Bool) {
        if isWebSocket { appendFrameHeader(.binary, payloadBytes: BinaryHeader.byteCount + json.byteCount) }
        BinaryHeader(.event, length: json.byteCount).append(to: &self)
        append(json)
    }

    /// Appends an ERROR frame of the binary protocol; inside a WebSocket message if `isWebSocket`.
    ///
    /// - Parameter retry: milliseconds after which the same may succeed; they stand at the end of the message.
    package mutating func appendBinaryError(
        _ refusal: EnvelopeError, cid: UInt64, isWebSocket: Bool, retry: UInt64? = nil
    ) {
        let error = BinaryErrorReply(cid: cid, code: refusal.code)
        var text = OutputBuffer()
        text.append(refusal.reason)
        if let retry {
            text.append(": retry in ")
            text.append(decimal: retry)
            text.append(" ms")
        }
        let message = RawSpan(_unsafeBytes: text.unsafeBytes)
        if isWebSocket { appendFrameHeader(.binary, payloadBytes: error.frameByteCount(message: message)) }
        error.append(message: message, to: &self)
    }
}
