/// The two kinds of message; the raw value is the opcode of its first frame (RFC 6455, section 5.2).
package enum WebSocketMessageKind: UInt8, Sendable {
    case text = 1
    case binary = 2

    /// The opcode of a message's first frame.
    package var opcode: WebSocketOpcode { self == .text ? .text : .binary }
}

/// The opcodes of RFC 6455, section 5.2; all others are reserved.
package enum WebSocketOpcode: UInt8, Sendable, CaseIterable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    /// Control frames are at most 125 bytes long, never fragmented, and may come between fragments.
    package var isControl: Bool { rawValue >= 8 }
}

/// Which side decodes or encodes: a client masks what it sends, a server doesn't (RFC 6455, section 5.1).
package enum WebSocketRole: UInt8, Sendable {
    case server
    case client
}

/// Status codes of close frames (RFC 6455, section 7.4, the IANA registry, and the contract's own from 4000 on).
package enum WebSocketCloseCode {
    package static let normal: UInt16 = 1000
    package static let goingAway: UInt16 = 1001
    package static let protocolError: UInt16 = 1002
    package static let unsupportedData: UInt16 = 1003
    package static let invalidPayload: UInt16 = 1007
    package static let policyViolation: UInt16 = 1008
    package static let messageTooBig: UInt16 = 1009
    package static let internalError: UInt16 = 1011
    package static let overloaded: UInt16 = 1013
    package static let unauthorized: UInt16 = 4001
    package static let signInTimeout: UInt16 = 4002
    package static let heartbeatTimeout: UInt16 = 4003
    package static let rateLimited: UInt16 = 4008

    /// Whether a close frame may carry `code`: registered and meant for the wire, or of the ranges left to libraries
    /// and applications. 1004 is reserved; 1005, 1006 and 1015 only ever stand for a missing frame.
    package static func isAllowedOnWire(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

/// Why the decoder gave a connection up.
package enum WebSocketFailure: Error, Sendable, Equatable {
    case reservedBits
    case reservedOpcode
    case unmaskedFrame
    case maskedFrame
    case lengthNotMinimal
    case lengthOutOfRange
    case fragmentedControl
    case controlTooLong
    case unexpectedContinuation
    case unfinishedMessage
    case malformedClose
    case invalidCloseCode
    case invalidUTF8
    case messageTooBig

    /// The code to close the connection with.
    package var closeCode: UInt16 {
        switch self {
        case .invalidUTF8: WebSocketCloseCode.invalidPayload
        case .messageTooBig: WebSocketCloseCode.messageTooBig
        default: WebSocketCloseCode.protocolError
        }
    }

    /// The reason to close with, in words that help the author of a client.
    package var reason: StaticString {
        switch self {
        case .reservedBits: "reserved bits set"
        case .reservedOpcode: "reserved opcode"
        case .unmaskedFrame: "client frames must be masked"
        case .maskedFrame: "server frames must not be masked"
        case .lengthNotMinimal: "length not in its shortest form"
        case .lengthOutOfRange: "length out of range"
        case .fragmentedControl: "fragmented control frame"
        case .controlTooLong: "control frame too long"
        case .unexpectedContinuation: "continuation without a start"
        case .unfinishedMessage: "new message inside a fragmented one"
        case .malformedClose: "close frame with one byte"
        case .invalidCloseCode: "invalid close code"
        case .invalidUTF8: "invalid UTF-8"
        case .messageTooBig: "message too big"
        }
    }
}

/// The header of one frame, checked for everything that it alone can tell.
struct WebSocketFrameHeader: Equatable {
    /// Largest header: 2 bytes, 8 of length, 4 of key.
    static let bytesMax = 14

    let opcode: WebSocketOpcode
    let isFinal: Bool
    /// The masking key, loaded little-endian; 0 of an unmasked frame, which masks nothing.
    let key: UInt32
    let payloadBytes: Int
    let headerBytes: Int

    /// Reads the header at `offset`; nil if it isn't there whole.
    ///
    /// `isContinuing` says whether a fragmented message is in progress, `room` how many bytes a data frame may bring.
    /// Errors: every violation as soon as the byte that shows it is there, so the checks stand in the order of bytes.
    /// Inlined: the header is then never put together in memory on the way of a whole frame.
    @inline(__always)
    static func read(
        _ bytes: RawSpan, at offset: Int, role: WebSocketRole, isContinuing: Bool, room: Int
    ) throws(WebSocketFailure) -> WebSocketFrameHeader? {
        let available = bytes.byteCount - offset
        guard available >= 1 else { return nil }
        let first = bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
        if first & 0x70 != 0 { throw .reservedBits }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else { throw .reservedOpcode }
        let isFinal = first & 0x80 != 0
        if opcode.isControl {
            if !isFinal { throw .fragmentedControl }
        } else if isContinuing != (opcode == .continuation) {
            throw isContinuing ? .unfinishedMessage : .unexpectedContinuation
        }

        guard available >= 2 else { return nil }
        let second = bytes.unsafeLoad(fromByteOffset: offset + 1, as: UInt8.self)
        let isMasked = second & 0x80 != 0
        if isMasked != (role == .server) { throw isMasked ? .maskedFrame : .unmaskedFrame }
        let short = Int(second & 0x7F)
        if opcode.isControl && short > 125 { throw .controlTooLong }

        let lengthBytes = short < 126 ? 0 : short == 126 ? 2 : 8
        guard available >= 2 + lengthBytes else { return nil }
        let payloadBytes = try readLength(bytes, at: offset + 2, short: short)
        if payloadBytes > room && !opcode.isControl { throw .messageTooBig }
        let headerBytes = 2 + lengthBytes + (isMasked ? 4 : 0)
        guard available >= headerBytes else { return nil }
        let key =
            isMasked
            ? bytes.unsafeLoadUnaligned(fromByteOffset: offset + 2 + lengthBytes, as: UInt32.self).littleEndian : 0
        return WebSocketFrameHeader(
            opcode: opcode, isFinal: isFinal, key: key, payloadBytes: payloadBytes, headerBytes: headerBytes)
    }

    @inline(__always)
    private static func readLength(
        _ bytes: RawSpan, at offset: Int, short: Int
    ) throws(WebSocketFailure) -> Int {
        if short < 126 { return short }
        if short == 126 {
            let length = Int(bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self).bigEndian)
            if length < 126 { throw .lengthNotMinimal }
            return length
        }
        let length = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
        if length > UInt64(Int64.max) { throw .lengthOutOfRange }
        if length <= 0xFFFF { throw .lengthNotMinimal }
        return Int(length)
    }
}
