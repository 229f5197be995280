import Base

/// A frame from the server, parsed, as a client needs it; ranges count from the start of its payload.
package enum BinaryReply: Sendable {
    case welcome(BinaryWelcome)
    case ack(BinaryAck)
    case deliver(BinaryDelivery, body: Range<Int>)
    case fetched(BinaryFetched)
    /// All of the payload is the PING's body.
    case pong
    case error(BinaryErrorReply, message: Range<Int>)
    /// All of the payload is a JSON frame.
    case event

    /// Parses the payload of a frame with `header`; throws for whatever a server of this version doesn't send.
    package init(_ header: BinaryHeader, payload: RawSpan) throws(BinaryError) {
        var reader = BinaryReader(payload)
        switch BinaryFrameType(rawValue: header.type) {
        case .deliver:
            self = try BinaryReply.deliver(&reader, flags: header.flags)
        case .ack:
            self = .ack(
                BinaryAck(
                    cid: try reader.integer(UInt64.self), id: try reader.integer(UInt64.self),
                    cseq: try reader.integer(UInt64.self), seq: try reader.integer(UInt64.self),
                    time: try reader.integer(UInt64.self), isDuplicate: header.flags.isDuplicate))
            try reader.finish()
        case .fetched:
            let lastSeq = try reader.integer(UInt64.self)
            let more = try reader.integer(UInt8.self)
            guard more <= 1 else { throw BinaryError("more must be 0 or 1") }
            self = .fetched(BinaryFetched(lastSeq: lastSeq, hasMore: more == 1))
            try reader.finish()
        case .pong: self = .pong
        case .event: self = .event
        case .welcome:
            self = try BinaryReply.welcome(&reader)
            try reader.finish()
        case .error:
            self = try BinaryReply.error(&reader, payload: payload)
            try reader.finish()
        case .hello, .send, .confirm, .fetch, .ping, .command, nil:
            throw BinaryError("unknown frame type", code: .unsupported)
        }
    }

    private static func deliver(
        _ reader: inout BinaryReader, flags: BinaryFlags
    ) throws(BinaryError) -> BinaryReply {
        let delivery = BinaryDelivery(
            seq: try reader.integer(UInt64.self), id: try reader.integer(UInt64.self),
            cseq: try reader.integer(UInt64.self), time: try reader.integer(UInt64.self), kind: try reader.kind(),
            sender: try reader.identifier(), destination: try reader.identifier())
        guard flags.contentType != nil else { throw BinaryError("unknown content type") }
        return .deliver(delivery, body: reader.rest)
    }

    private static func welcome(_ reader: inout BinaryReader) throws(BinaryError) -> BinaryReply {
        let seq = try reader.integer(UInt64.self)
        let confirmed = try reader.integer(UInt64.self)
        let time = try reader.integer(UInt64.self)
        let frameBytesMax = try reader.integer(UInt32.self)
        let heartbeatSeconds = try reader.integer(UInt16.self)
        let features = try reader.integer(UInt8.self)
        guard try reader.integer(UInt8.self) == 0 else { throw BinaryError("reserved bytes must be 0") }
        return .welcome(
            BinaryWelcome(
                seq: seq, confirmed: confirmed, time: time, frameBytesMax: frameBytesMax,
                heartbeatSeconds: heartbeatSeconds, features: features, user: try reader.identifier(),
                device: try reader.identifier()))
    }

    private static func error(_ reader: inout BinaryReader, payload: RawSpan) throws(BinaryError) -> BinaryReply {
        let cid = try reader.integer(UInt64.self)
        let range = try reader.text(UInt8.self)
        let name = payload.extracting(range).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        guard let code = ErrorCode(rawValue: name) else { throw BinaryError("unknown error code") }
        return .error(BinaryErrorReply(cid: cid, code: code), message: try reader.text(UInt16.self))
    }
}
