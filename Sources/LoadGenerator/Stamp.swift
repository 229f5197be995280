internal import Reactor

/// The instant at which a message was sent, or should have been: nanoseconds since the process began to count.
///
/// Every message carries its own, so whoever receives it in this process knows its age without a table, and it serves
/// as the sender's `cid` too. As text it is 12 hexadecimal digits, enough for three days.
package enum Stamp {
    package static let textBytes = 12
    /// Stands where a stamp goes until one is written; made so that LZ4 finds nothing in it to refer back to.
    package static let placeholder: StaticString = "~!@#$%^&*()_"

    private static let epoch = Clock.monotonicNanoseconds

    /// Now; never 0, since a binary `cid` of 0 means none.
    package static var now: UInt64 {
        // The epoch is read first, since its first use sets it.
        let epoch = epoch
        return Clock.monotonicNanoseconds - epoch + 1
    }

    /// The instant of the loop's clock that a stamp stands for.
    static func monotonic(_ stamp: UInt64) -> UInt64 { stamp &+ epoch &- 1 }

    /// Writes the digits of `stamp` at `start`, which has room for ``textBytes``.
    @inline(__always)
    package static func write(_ stamp: UInt64, at start: UnsafeMutableRawPointer) {
        var rest = stamp
        var offset = textBytes
        while offset > 0 {
            offset -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            start.storeBytes(of: digit < 10 ? digit &+ 48 : digit &+ 87, toByteOffset: offset, as: UInt8.self)
            rest >>= 4
        }
    }

    /// The digits as text.
    package static func text(_ stamp: UInt64) -> String {
        withUnsafeTemporaryAllocation(byteCount: textBytes, alignment: 1) { room in
            write(stamp, at: room.baseAddress.unsafelyUnwrapped)
            return String(decoding: room, as: UTF8.self)
        }
    }

    /// Reads what ``write(_:at:)`` wrote at `offset`; nil if it isn't there.
    @inline(__always)
    package static func read(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt64? {
        guard offset >= 0, offset + textBytes <= bytes.count, let base = bytes.baseAddress else { return nil }
        var stamp: UInt64 = 0
        for index in offset..<offset + textBytes {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            let digit: UInt8
            switch byte {
            case 48...57: digit = byte &- 48
            case 97...102: digit = byte &- 87
            default: return nil
            }
            stamp = stamp << 4 | UInt64(digit)
        }
        return stamp
    }
}
