import Base

/// Reads the fields of a binary payload one after the other; every read checks that the bytes are there.
struct BinaryReader: ~Escapable {
    private let bytes: RawSpan
    private var offset = 0

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan) { self.bytes = bytes }

    @inline(__always)
    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type
    ) throws(BinaryError) -> Integer {
        let size = MemoryLayout<Integer>.size
        guard bytes.byteCount - offset >= size else { throw BinaryError("a frame is cut off") }
        defer { offset += size }
        return Integer(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Integer.self))
    }

    /// The bytes of a text behind its length, as a range of the payload.
    mutating func text<Length: FixedWidthInteger & BitwiseCopyable>(
        _ length: Length.Type
    ) throws(BinaryError) -> Range<Int> {
        let count = Int(try integer(Length.self))
        guard bytes.byteCount - offset >= count else { throw BinaryError("a frame is cut off") }
        defer { offset += count }
        return offset..<(offset + count)
    }

    mutating func identifier() throws(BinaryError) -> Identifier {
        guard let identifier = Identifier(bytes.extracting(try text(UInt8.self))) else {
            throw BinaryError("an id has 1 to 64 bytes without white space, controls, colon and slash")
        }
        return identifier
    }

    mutating func kind() throws(BinaryError) -> MessageKind {
        guard let kind = MessageKind(rawValue: try integer(UInt8.self)) else {
            throw BinaryError("cmd must be 10 or 11")
        }
        return kind
    }

    /// What is left: the body of a frame that ends with one.
    var rest: Range<Int> { offset..<bytes.byteCount }

    /// Ends a frame that has no body.
    func finish() throws(BinaryError) {
        guard offset == bytes.byteCount else { throw BinaryError("bytes after the last field") }
    }
}
