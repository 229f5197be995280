import Base
import Wire

@c(LLVMFuzzerTestOneInput)
public func fuzzEnvelope(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: data, count: count))
    let envelope = Envelope()
    do {
        try envelope.scan(bytes.span.bytes)
        checkAccessors(envelope, bytes)
        checkMembers(envelope, bytes)
    } catch {
        if let ref = envelope.ref { require(ref.upperBound <= bytes.count, "ref lies outside") }
    }
    checkWriter(bytes)
    checkBody(bytes)
    return 0
}

/// No accessor traps, whatever the values are.
private func checkAccessors(_ envelope: Envelope, _ bytes: [UInt8]) {
    let span = bytes.span.bytes
    for field in EnvelopeField.allCases {
        _ = try? envelope.identifier(field, in: span)
        _ = try? envelope.unsigned(field, in: span)
        _ = try? envelope.bool(field, in: span)
        _ = try? envelope.string(field, in: span)
        _ = try? envelope.withName(field, in: span) { $0.byteCount }
    }
    _ = try? envelope.withCid(in: span) { cid in require((1...64).contains(cid.byteCount), "cid") }
    _ = try? envelope.forEachUser(in: span) { user in require(user.count > 0, "user") }
}

/// A message's own members are an object that has nothing to drop, and whose members are itself.
private func checkMembers(_ envelope: Envelope, _ bytes: [UInt8]) {
    var members = OutputBuffer()
    envelope.appendMembers(of: bytes.span.bytes, to: &members)
    require(members.count == envelope.membersByteCount, "size of the members")
    let second = Envelope()
    do {
        try second.scanMembers(RawSpan(_unsafeBytes: members.unsafeBytes))
    } catch {
        fatalError("members don't scan: \(error)")
    }
    require(!second.dropsMembers, "members that should have been dropped")
    for field in [EnvelopeField.content, .data, .users] {
        require((second.token(field) == nil) == (envelope.token(field) == nil), "\(field) got lost")
    }
}

/// Any bytes that are UTF-8 can be written as a JSON string, and are read back as they were.
private func checkWriter(_ bytes: [UInt8]) {
    guard UTF8Validator.isValid(bytes.span.bytes) else { return }
    var frame = OutputBuffer()
    frame.append("{\"content\":")
    frame.appendJSONString(bytes.span.bytes)
    frame.append("}")
    let envelope = Envelope()
    let span = RawSpan(_unsafeBytes: frame.unsafeBytes)
    do {
        try envelope.scanMembers(span)
        let isSame = try envelope.withText(.content, in: span) { text in
            text.withUnsafeBytes { $0.elementsEqual(bytes) }
        }
        require(isSame == true, "another string came back")
    } catch {
        fatalError("a written string doesn't scan: \(error)")
    }
}

/// What a body's admission accepts can be put into a JSON frame.
private func checkBody(_ bytes: [UInt8]) {
    let envelope = Envelope()
    var scratch = OutputBuffer()
    for contentType in ContentType.allCases {
        for isCompressed in [false, true] {
            let body = MessageBody(BodyForm(contentType, isCompressed: isCompressed), bytes.span.bytes)
            var cleaned = OutputBuffer()
            guard let admission = try? body.admit(envelope: envelope, scratch: &scratch, cleaned: &cleaned) else {
                continue
            }
            var frame = OutputBuffer()
            frame.append("{\"cmd\":10,\"seq\":1")
            do {
                switch admission {
                case .unchanged: try body.appendJSONMembers(to: &frame, scratch: &scratch)
                case .cleaned:
                    try MessageBody(.members, RawSpan(_unsafeBytes: cleaned.unsafeBytes))
                        .appendJSONMembers(to: &frame, scratch: &scratch)
                }
                frame.append(",\"id\":1}")
                try envelope.scan(RawSpan(_unsafeBytes: frame.unsafeBytes))
            } catch {
                fatalError("an admitted body gives a broken frame: \(error)")
            }
        }
    }
}
