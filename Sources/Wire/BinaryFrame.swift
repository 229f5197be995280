package import Base

/// What a frame of the binary protocol is.
package enum BinaryFrameType: UInt8, Sendable, CaseIterable {
    case hello = 1
    case welcome, send, ack, deliver, confirm, fetch, fetched, ping, pong, error, command, event
}

/// What the body of a message is.
package enum ContentType: UInt8, Sendable, CaseIterable {
    case opaque = 0
    /// UTF-8.
    case text = 1
    /// The members of a JSON message, as an object.
    case members = 2
}

/// Flags of a binary frame. Bits that a frame type gives no meaning are ignored.
package struct BinaryFlags: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let none = BinaryFlags(rawValue: 0)
    /// An ACK that answers a resend.
    package static let duplicate = BinaryFlags(rawValue: 2)

    package init(_ contentType: ContentType, isCompressed: Bool) {
        rawValue = contentType.rawValue << 4 | (isCompressed ? 1 : 0)
    }

    /// The body is `u32 raw length` and an LZ4 block.
    package var isCompressed: Bool { rawValue & 1 != 0 }
    package var isDuplicate: Bool { rawValue & 2 != 0 }
    /// Nil for a content type that isn't defined.
    package var contentType: ContentType? { ContentType(rawValue: rawValue >> 4) }
}

/// The eight bytes that every binary frame begins with: `u32 length`, `u8 type`, `u8 flags`, `u16 0`.
package struct BinaryHeader: Hashable, Sendable {
    package static let byteCount = 8

    /// Bytes of the payload, which follows the header.
    package let length: UInt32
    /// Not checked: parsing the payload reports an unknown type.
    package let type: UInt8
    package let flags: BinaryFlags

    package init(_ type: BinaryFrameType, length: Int, flags: BinaryFlags = .none) {
        self.length = UInt32(length)
        self.type = type.rawValue
        self.flags = flags
    }

    /// Takes the eight bytes of a header as one little-endian word; nil unless its last two bytes are 0.
    init?(word: UInt64) {
        guard word >> 48 == 0 else { return nil }
        length = UInt32(truncatingIfNeeded: word)
        type = UInt8(truncatingIfNeeded: word >> 32)
        flags = BinaryFlags(rawValue: UInt8(truncatingIfNeeded: word >> 40))
    }

    /// The header of a WebSocket message that must be exactly one binary frame; its payload is the rest.
    package init(message: RawSpan) throws(BinaryError) {
        guard message.byteCount >= BinaryHeader.byteCount else { throw BinaryError("a frame is cut off") }
        let word = message.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self).littleEndian
        guard let header = BinaryHeader(word: word) else { throw BinaryError("reserved bytes must be 0") }
        guard Int(header.length) == message.byteCount - BinaryHeader.byteCount else {
            throw BinaryError("a frame's length must be that of its message")
        }
        self = header
    }

    /// Appends the header; `length` bytes of payload are to follow.
    @inline(__always)
    package func append(to output: inout OutputBuffer) {
        output.append(littleEndian: UInt64(length) | UInt64(type) << 32 | UInt64(flags.rawValue) << 40)
    }
}

/// Why a binary frame is refused.
package struct BinaryError: Error, Sendable {
    package let code: ErrorCode
    /// What the client is told in `message`: ASCII.
    package let reason: StaticString
    /// The `cid` of a refused SEND; nil if it is another frame, or so broken that its `cid` can't be read.
    package let cid: UInt64?

    package init(_ reason: StaticString, code: ErrorCode = .badRequest, cid: UInt64? = nil) {
        self.code = code
        self.reason = reason
        self.cid = cid
    }
}
