package import Base
import CLZ4

/// A compressed message body: `u32 raw length`, little-endian, and one LZ4 block.
package enum LZ4Body {
    /// Why a body isn't compressed or decompressed.
    package enum Failure: Error, Sendable {
        /// Shorter than the length field.
        case cutOff
        /// The raw length is above the largest message.
        case tooLarge
        /// The block is broken or doesn't give exactly the raw length.
        case corrupt
    }

    private static let lengthByteCount = 4

    /// The raw length that `body` claims; at most `Limits.messageBytesMax`.
    package static func rawByteCount(of body: RawSpan) throws(Failure) -> Int {
        guard body.byteCount >= lengthByteCount else { throw .cutOff }
        let length = body.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self).littleEndian
        guard length <= UInt32(Limits.messageBytesMax) else { throw .tooLarge }
        return Int(length)
    }

    /// Appends the raw bytes of `body`; appends nothing if it throws.
    package static func decompress(_ body: RawSpan, to output: inout OutputBuffer) throws(Failure) {
        let rawByteCount = try rawByteCount(of: body)
        let block = body.extracting(lengthByteCount..<body.byteCount)
        guard block.byteCount <= Int(Int32.max) else { throw .tooLarge }
        // Even no bytes at all are a block of one byte, which needs room to be decompressed to.
        try output.append(upTo: max(1, rawByteCount)) { (room) throws(Failure) in
            let written = block.withUnsafeBytes { source -> Int32 in
                guard let start = source.baseAddress else { return -1 }
                return LZ4_decompress_safe(
                    start.assumingMemoryBound(to: CChar.self),
                    room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self),
                    Int32(source.count), Int32(rawByteCount))
            }
            guard Int(written) == rawByteCount else { throw .corrupt }
            return rawByteCount
        }
    }

    /// Appends `raw` compressed. Traps if `raw` is larger than the largest message.
    package static func compress(_ raw: RawSpan, to output: inout OutputBuffer) {
        precondition(raw.byteCount <= Limits.messageBytesMax)
        output.append(littleEndian: UInt32(raw.byteCount))
        let bound = Int(LZ4_compressBound(Int32(raw.byteCount)))
        output.append(upTo: bound) { room in
            raw.withUnsafeBytes { source in
                withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1) { empty in
                    let start = source.baseAddress?.assumingMemoryBound(to: CChar.self)
                    return Int(
                        LZ4_compress_default(
                            start ?? UnsafePointer(empty.baseAddress.unsafelyUnwrapped),
                            room.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self),
                            Int32(source.count), Int32(room.count)))
                }
            }
        }
    }
}
