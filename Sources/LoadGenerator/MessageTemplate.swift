internal import Base
package import Wire

/// One client's message, encoded once; sending it writes a new stamp into it and copies it.
package struct MessageTemplate: ~Copyable {
    private let bytes: UnsafeMutableRawBufferPointer
    /// Where the stamp stands as text.
    package let stampOffset: Int
    /// Where the stamp stands as a binary `cid`.
    private let cidOffset: Int?
    /// Where it stands as text a second time.
    private let secondStampOffset: Int?

    /// How deep in a binary body the stamp stands: compressed bytes begin with lengths.
    package let stampDepth: Int

    private init(copying buffer: borrowing OutputBuffer, cidOffset: Int?, bodyOffset: Int = 0) throws {
        let source = buffer.unsafeBytes
        bytes = .allocate(byteCount: source.count, alignment: 8)
        bytes.copyMemory(from: source)
        self.cidOffset = cidOffset
        stampOffset = MessageTemplate.offset(of: Stamp.placeholder, in: UnsafeRawBufferPointer(bytes)) ?? -1
        stampDepth = stampOffset - bodyOffset
        let behind = max(0, stampOffset) + Stamp.textBytes
        let rest = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[min(behind, bytes.count)...])
        secondStampOffset = MessageTemplate.offset(of: Stamp.placeholder, in: rest).map { $0 + behind }
        if stampOffset < 0 { throw BenchError("a message of this size has no room for its stamp") }
    }

    deinit { bytes.deallocate() }

    package var count: Int { bytes.count }

    /// The message with `stamp` in it; valid until the next call.
    @inline(__always)
    package func stamped(_ stamp: UInt64) -> UnsafeRawBufferPointer {
        let base = bytes.baseAddress.unsafelyUnwrapped
        Stamp.write(stamp, at: base + stampOffset)
        if let secondStampOffset { Stamp.write(stamp, at: base + secondStampOffset) }
        if let cidOffset { base.storeBytes(of: stamp.littleEndian, toByteOffset: cidOffset, as: UInt64.self) }
        return UnsafeRawBufferPointer(bytes)
    }

    /// Bytes of a typing event's frame around what it carries.
    static func typingEnvelopeBytes(to destination: String) -> Int {
        #"{"cmd":"typing","dstid":"","at":""}"#.utf8.count + destination.utf8.count
    }

    /// A JSON frame: `size` bytes of `content` for a message that is stored, `size` bytes of frame for a typing event
    /// (or as many as it takes, if that is more).
    package static func json(
        _ mode: MessageMode, command: Int = 10, to destination: String, size: Int
    ) throws -> MessageTemplate {
        var frame = OutputBuffer()
        if mode == .typing {
            frame.append(utf8: "{\"cmd\":\"typing\",\"dstid\":\"\(destination)\",\"at\":\"")
            frame.append(Stamp.placeholder)
            frame.appendFiller(size - frame.count - 2)
            frame.append("\"}")
        } else {
            frame.append(utf8: "{\"cmd\":\(command),\"dstid\":\"\(destination)\",\"cid\":\"")
            frame.append(Stamp.placeholder)
            frame.append("\"")
            if mode == .accepted { frame.append(",\"level\":\"accepted\"") }
            frame.append(",\"content\":\"")
            frame.appendFiller(size)
            frame.append("\"}")
        }
        return try MessageTemplate(copying: frame, cidOffset: nil)
    }

    /// A SEND with a body of `size` bytes of text, the stamp first; a typing event goes as the COMMAND of its JSON.
    package static func binary(
        _ mode: MessageMode, kind: MessageKind = .privateMessage, to destination: String, size: Int, isCompressed: Bool
    ) throws -> MessageTemplate {
        var frame = OutputBuffer()
        if mode == .typing {
            let json = try MessageTemplate.json(.typing, to: destination, size: size)
            BinaryHeader(.command, length: json.count).append(to: &frame)
            frame.append(UnsafeRawBufferPointer(json.bytes))
            return try MessageTemplate(copying: frame, cidOffset: nil)
        }
        guard mode == .durable else { throw BenchError("the binary protocol has no accepted level") }
        guard let destination = Identifier(destination) else { throw BenchError("\(destination) is no id") }
        var body = OutputBuffer()
        body.append(Stamp.placeholder)
        body.appendFiller(size - Stamp.textBytes)
        if isCompressed {
            var compressed = OutputBuffer()
            LZ4Body.compress(RawSpan(_unsafeBytes: body.unsafeBytes), to: &compressed)
            swap(&body, &compressed)
        }
        let send = BinarySend(cid: 0, kind: kind, destination: destination)
        send.append(
            flags: BinaryFlags(.text, isCompressed: isCompressed), bodyByteCount: body.count, to: &frame)
        let bodyOffset = frame.count
        frame.append(body.unsafeBytes)
        return try MessageTemplate(copying: frame, cidOffset: BinaryHeader.byteCount, bodyOffset: bodyOffset)
    }

    /// A publication with `size` bytes of text, which begin with the stamp; the answer repeats it. In the binary
    /// protocol it goes as a COMMAND.
    static func publication(on channel: String, size: Int, isBinary: Bool) throws -> MessageTemplate {
        var json = OutputBuffer()
        json.append(utf8: "{\"cmd\":\"publish\",\"channel\":\"\(channel)\",\"ref\":\"")
        json.append(Stamp.placeholder)
        json.append("\",\"data\":\"")
        json.append(Stamp.placeholder)
        json.appendFiller(size - Stamp.textBytes)
        json.append("\"}")
        guard isBinary else { return try MessageTemplate(copying: json, cidOffset: nil) }
        var frame = OutputBuffer()
        BinaryHeader(.command, length: json.count).append(to: &frame)
        frame.append(json.unsafeBytes)
        return try MessageTemplate(copying: frame, cidOffset: nil)
    }

    /// `size` bare bytes for the floor's forwarder, the stamp first.
    package static func floor(size: Int) throws -> MessageTemplate {
        var frame = OutputBuffer()
        frame.append(Stamp.placeholder)
        frame.appendFiller(size - Stamp.textBytes)
        return try MessageTemplate(copying: frame, cidOffset: nil)
    }

    private static func offset(of text: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
        let length = text.utf8CodeUnitCount
        guard bytes.count >= length else { return nil }
        let wanted = UnsafeBufferPointer(start: text.utf8Start, count: length)
        return (0...bytes.count - length).first { offset in
            UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]).elementsEqual(wanted)
        }
    }
}

extension OutputBuffer {
    /// Appends `count` bytes of prose, which compresses about as chat does; nothing for a negative count.
    mutating func appendFiller(_ count: Int) {
        let prose: StaticString = "the quick brown fox told the lazy dog to meet at noon, and then it rained all day; "
        var left = count
        while left > 0 {
            let piece = min(left, prose.utf8CodeUnitCount)
            append(UnsafeRawBufferPointer(start: prose.utf8Start, count: piece))
            left -= piece
        }
    }
}
