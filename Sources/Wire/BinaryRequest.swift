package import Base

/// A frame from a client, parsed; ranges count from the start of its payload.
package enum BinaryRequest: Sendable {
    case hello(BinaryHello, BinaryHelloTexts)
    /// The content type of the flags is checked, the body isn't.
    case send(BinarySend, body: Range<Int>)
    case confirm(BinaryConfirm)
    case fetch(BinaryFetch)
    /// The body, all of the payload, goes back in a PONG.
    case ping
    /// The answer to a PING of ours: that it came is all it says.
    case pong
    /// All of the payload is a JSON frame.
    case command

    /// Parses the payload of a frame with `header`.
    ///
    /// Throws `unsupported` for a type that isn't a client's and a HELLO of another version, else `bad_request`.
    package init(_ header: BinaryHeader, payload: RawSpan) throws(BinaryError) {
        var reader = BinaryReader(payload)
        switch BinaryFrameType(rawValue: header.type) {
        case .send:
            self = try BinaryRequest.send(&reader, flags: header.flags)
        case .confirm:
            self = .confirm(BinaryConfirm(seq: try reader.integer(UInt64.self)))
            try reader.finish()
        case .fetch:
            self = .fetch(
                BinaryFetch(after: try reader.integer(UInt64.self), limit: try reader.integer(UInt32.self)))
            try reader.finish()
        case .ping: self = .ping
        case .pong: self = .pong
        case .command: self = .command
        case .hello: self = try BinaryRequest.hello(&reader, payload: payload)
        case .welcome, .ack, .deliver, .fetched, .error, .event, nil:
            throw BinaryError("unknown frame type", code: .unsupported)
        }
    }

    private static func send(
        _ reader: inout BinaryReader, flags: BinaryFlags
    ) throws(BinaryError) -> BinaryRequest {
        let cid = try reader.integer(UInt64.self)
        do throws(BinaryError) {
            let send = BinarySend(cid: cid, kind: try reader.kind(), destination: try reader.identifier())
            guard flags.contentType != nil else { throw BinaryError("unknown content type") }
            return .send(send, body: reader.rest)
        } catch {
            throw BinaryError(error.reason, code: error.code, cid: cid)
        }
    }

    private static func hello(_ reader: inout BinaryReader, payload: RawSpan) throws(BinaryError) -> BinaryRequest {
        guard try reader.integer(UInt8.self) == BinaryHello.version else {
            throw BinaryError("unknown protocol version", code: .unsupported)
        }
        guard let authentication = BinaryAuthentication(rawValue: try reader.integer(UInt8.self)) else {
            throw BinaryError("unknown kind of sign-in", code: .unsupported)
        }
        let features = try reader.integer(UInt8.self)
        guard try reader.integer(UInt8.self) == 0 else { throw BinaryError("reserved bytes must be 0") }
        let after = try reader.integer(UInt64.self)
        let texts = BinaryHelloTexts(
            user: try reader.text(UInt8.self), device: try reader.text(UInt8.self),
            credential: try reader.text(UInt16.self))
        try reader.finish()
        guard texts.user.isEmpty ? authentication == .token : texts.user(in: payload) != nil,
            texts.device.isEmpty || texts.device(in: payload) != nil
        else {
            throw BinaryError("an id has 1 to 64 bytes without white space, controls, colon and slash")
        }
        guard texts.credential.count <= Limits.credentialBytesMax else {
            throw BinaryError("the credential is too long")
        }
        let hello = BinaryHello(
            authentication: authentication, features: features, after: after == .max ? nil : after)
        return .hello(hello, texts)
    }
}

/// Where the texts of a HELLO lie in its payload. The ids were validated when it was parsed.
package struct BinaryHelloTexts: Hashable, Sendable {
    let user: Range<Int>
    let device: Range<Int>
    /// A token, or the md5 of a session; at most `Limits.credentialBytesMax` bytes, not validated.
    package let credential: Range<Int>

    /// Nil if it is empty, which only a token allows: then the user is the token's.
    package func user(in payload: RawSpan) -> Identifier? { Identifier(payload.extracting(user)) }

    /// Nil if it is empty: then the device is the default one.
    package func device(in payload: RawSpan) -> Identifier? { Identifier(payload.extracting(device)) }
}
