internal import Base
internal import Store
internal import Wire

// Frames on their way out: built in ``scratch`` or ``message``, then wrapped in the session's form.
extension Hub {
    // MARK: Messages

    /// Writes a message of the commit that is being delivered with a recipient's own `seq`.
    func emitMessage(_ record: RecordView, at offset: UInt32, seq: UInt64, to session: Session) {
        let place = encoded.place(of: record, at: offset, inflated: &inflated)
        counters.framesSent &+= 1
        session.outlet.prepareToWrite()
        let json = UnsafeRawBufferPointer(rebasing: encoded.unsafeBytes[place])
        session.outlet.buffer.appendMessageFrame(json, seq: seq)
    }

    // MARK: Answers

    func writeAck(_ record: RecordView, _ reply: ReplyAddress, to session: Session) {
        if reply.form == ReplyForm.binary.rawValue { return emitAck(record, to: session) }
        scratch.setAck(record, reference: reply.reference.span.bytes)
        emitJSON(to: session)
    }

    /// The ack as the bytes that would be written; for one that has to wait for its turn.
    func encodedAck(_ record: RecordView, _ reply: ReplyAddress, for session: Session) -> [UInt8] {
        let start = session.outlet.pendingBytes
        writeAck(record, reply, to: session)
        let frame = Array(session.outlet.buffer.unsafeBytes.dropFirst(start))
        session.outlet.buffer.truncate(to: start)
        return frame
    }

    /// The early ack of a sender that asked for it: admitted, numbers follow with the durable one.
    func writeAccepted(_ head: MessageHead, cid: RawSpan, reply: ReplyAddress) {
        guard reply.form == ReplyForm.json.rawValue, let session = sessions[reply.token] else { return }
        // The body that is being sent may lie in `scratch`.
        message.removeAll()
        message.append(#"{"cmd":"ack","level":"accepted""#)
        if cid.byteCount > 0 {
            message.append(#","cid":"#)
            message.appendJSONString(cid)
        }
        message.append(#","conv":"#)
        message.appendConversation(command: head.command, sender: head.sender, destination: head.destination)
        message.append(#","time":"#)
        message.append(decimal: milliseconds)
        message.appendReference(reply.reference.span.bytes)
        message.append(UInt8(ascii: "}"))
        emitJSON(RawSpan(_unsafeBytes: message.unsafeBytes), to: session)
    }

    func writeOK(reference: RawSpan, to session: Session) {
        guard reference.byteCount > 0 else { return }
        scratch.removeAll()
        scratch.append(#"{"cmd":"ok""#)
        scratch.appendReference(reference)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    func writeHeartbeat(reference: RawSpan, to session: Session) {
        scratch.removeAll()
        scratch.append(#"{"cmd":0"#)
        scratch.appendReference(reference)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    func writeBehind(to session: Session) {
        scratch.removeAll()
        scratch.append(#"{"cmd":"behind","seq":"#)
        scratch.append(decimal: session.sentThrough)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    /// - Parameter retry: milliseconds after which the same may succeed.
    func writeError(
        _ refusal: EnvelopeError, cid: RawSpan, reference: RawSpan, to session: Session, retry: UInt64? = nil
    ) {
        guard session.state != .closed else { return }
        counters.countError(refusal.code)
        scratch.removeAll()
        scratch.append(#"{"cmd":"error","code":""#)
        scratch.append(utf8: refusal.code.rawValue)
        scratch.append(#"","message":""#)
        scratch.append(refusal.reason)
        scratch.append(UInt8(ascii: "\""))
        if cid.byteCount > 0 {
            scratch.append(#","cid":"#)
            scratch.appendJSONString(cid)
        }
        if let retry {
            scratch.append(#","retry":"#)
            scratch.append(decimal: retry)
        }
        scratch.appendReference(reference)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    // MARK: Wrapping

    /// Writes the JSON frame that lies in ``scratch``.
    func emitJSON(to session: Session) { emitJSON(RawSpan(_unsafeBytes: scratch.unsafeBytes), to: session) }

    /// Writes a JSON frame: as text, or as the body of an EVENT to a session that speaks binary.
    func emitJSON(_ json: RawSpan, to session: Session) {
        guard session.form == .json else { return emitEvent(json, to: session) }
        counters.framesSent &+= 1
        session.outlet.prepareToWrite()
        session.outlet.buffer.appendFrame(.text, json)
    }
}

// Whole frames. They are written within one access to the buffer: each costs a check while the program runs.
extension OutputBuffer {
    /// Becomes the JSON of a message up to its `seq`.
    mutating func setMessage(_ record: RecordView, inflated: inout OutputBuffer) {
        removeAll()
        appendMessage(record, inflated: &inflated)
    }

    /// Appends the JSON of a message or a notice up to its `seq`: `{"cmd":10,…,"time":1`.
    mutating func appendMessage(_ record: RecordView, inflated: inout OutputBuffer) {
        if record.kind?.isMessage == false { return appendNotice(record, inflated: &inflated) }
        append(record.command == 11 ? #"{"cmd":11,"userid":"# : #"{"cmd":10,"userid":"#)
        appendJSONString(RawSpan(_unsafeBytes: record.unsafeSender))
        append(#","dstid":"#)
        appendJSONString(RawSpan(_unsafeBytes: record.unsafeDestination))
        if !record.unsafeCid.isEmpty {
            append(#","cid":"#)
            appendJSONString(RawSpan(_unsafeBytes: record.unsafeCid))
        }
        if let form = BodyForm(rawValue: record.content) {
            let body = MessageBody(form, RawSpan(_unsafeBytes: record.unsafeBody))
            // A body that was admitted decompresses; one that doesn't shows as a message without content.
            try? body.appendJSONMembers(to: &self, scratch: &inflated)
        }
        appendPlace(of: record)
        append(#","time":"#)
        append(decimal: record.time)
    }

    private mutating func appendNotice(_ record: RecordView, inflated: inout OutputBuffer) {
        append(#"{"cmd":"notify","userid":"#)
        appendJSONString(RawSpan(_unsafeBytes: record.unsafeSender))
        if record.kind?.isChange == true {
            appendChange(record, inflated: &inflated)
        } else {
            append(UInt8(ascii: ","))
            append(record.unsafeBody)
        }
        append(#","id":"#)
        append(decimal: record.id)
        append(#","time":"#)
        append(decimal: record.time)
    }

    private mutating func appendChange(_ record: RecordView, inflated: inout OutputBuffer) {
        append(record.kind == .edit ? #","name":"message.edited","conv":"# : #","name":"message.recalled","conv":"#)
        appendConversation(command: record.command, sender: record.sender, destination: record.destination)
        append(#","cseq":"#)
        append(decimal: record.cseq)
        guard record.kind == .edit else { return }
        try? MessageBody(.members, RawSpan(_unsafeBytes: record.unsafeBody))
            .appendJSONMembers(to: &self, scratch: &inflated)
    }

    /// Appends a text frame of a message's JSON, closed with a recipient's own `seq`.
    mutating func appendMessageFrame(_ message: UnsafeRawBufferPointer, seq: UInt64) {
        let tail = 8 + decimalDigits(seq)
        appendFrameHeader(.text, payloadBytes: message.count + tail)
        append(message)
        append(#","seq":"#)
        append(decimal: seq)
        append(UInt8(ascii: "}"))
    }

    /// Appends a text frame of a message's JSON, closed without a `seq`.
    mutating func appendPushFrame(_ message: UnsafeRawBufferPointer) {
        appendFrameHeader(.text, payloadBytes: message.count + 1)
        append(message)
        append(UInt8(ascii: "}"))
    }

    @inline(__always)
    private mutating func appendPlace(of record: RecordView) {
        append(#","id":"#)
        append(decimal: record.id)
        append(#","conv":"#)
        appendConversation(command: record.command, sender: record.sender, destination: record.destination)
        append(#","cseq":"#)
        append(decimal: record.cseq)
    }

    /// Becomes the ack of a message.
    mutating func setAck(_ record: RecordView, reference: RawSpan) {
        removeAll()
        append(#"{"cmd":"ack""#)
        if !record.unsafeCid.isEmpty {
            append(#","cid":"#)
            appendJSONString(RawSpan(_unsafeBytes: record.unsafeCid))
        }
        appendPlace(of: record)
        append(#","seq":"#)
        append(decimal: record.senderSeq)
        append(#","time":"#)
        append(decimal: record.time)
        if record.status == .duplicate { append(#","dup":true"#) }
        appendReference(reference)
        append(UInt8(ascii: "}"))
    }

    /// Becomes a typing event with the members that the client gave in `frame`.
    mutating func setTyping(
        from sender: Identifier, to destination: Identifier, isGroup: Bool, _ envelope: Envelope,
        _ frame: RawSpan
    ) {
        removeAll()
        append(#"{"cmd":"typing","userid":"#)
        appendJSONString(sender)
        append(#","conv":"#)
        appendConversation(command: isGroup ? 11 : 10, sender: sender, destination: destination)
        envelope.appendFurtherMembers(of: frame, to: &self)
        append(UInt8(ascii: "}"))
    }
}

extension OutputBuffer {
    /// Appends `,"ref":…` as the client wrote it; nothing if it gave none.
    mutating func appendReference(_ reference: RawSpan) {
        guard reference.byteCount > 0 else { return }
        append(#","ref":"#)
        append(reference)
    }

    /// Appends a conversation id as a JSON string.
    mutating func appendConversation(command: UInt8, sender: Identifier, destination: Identifier) {
        append(UInt8(ascii: "\""))
        if command != RecordView.groupCommand {
            let isSenderFirst = sender < destination
            appendJSONEscaped(isSenderFirst ? sender : destination)
            append(UInt8(ascii: ":"))
            appendJSONEscaped(isSenderFirst ? destination : sender)
        } else {
            appendJSONEscaped(destination)
        }
        append(UInt8(ascii: "\""))
    }
}
