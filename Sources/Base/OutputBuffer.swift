/// Bytes on their way out: an append-only buffer that encoders write into and a socket drains from the front.
///
/// An empty buffer owns no memory, and is 20 bytes, since every connection has one. It holds less than 4 GiB.
/// Not Sendable by intent: it belongs to whoever owns the connection.
@usableFromInline
package struct OutputBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var storedCapacity: UInt32
    @usableFromInline var storedStart: UInt32
    @usableFromInline var storedEnd: UInt32

    @inlinable package init() {
        base = nil
        storedCapacity = 0
        storedStart = 0
        storedEnd = 0
    }

    // Never above the capacity, which `grow` checks.
    @inlinable @inline(__always) var start: Int {
        get { Int(storedStart) }
        set { storedStart = UInt32(truncatingIfNeeded: newValue) }
    }
    @inlinable @inline(__always) var end: Int {
        get { Int(storedEnd) }
        set { storedEnd = UInt32(truncatingIfNeeded: newValue) }
    }
    @inlinable @inline(__always) var capacity: Int {
        get { Int(storedCapacity) }
        set { storedCapacity = UInt32(newValue) }
    }

    deinit { base?.deallocate() }

    /// Bytes waiting to be drained.
    @inlinable package var count: Int { end - start }
    @inlinable package var isEmpty: Bool { end == start }

    /// The waiting bytes; valid until the next mutation.
    @inlinable package var unsafeBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0 + start) }, count: count)
    }

    /// Makes room for `extra` more bytes, growing by doubling.
    @inlinable @inline(__always)
    package mutating func reserve(_ extra: Int) {
        if end + extra > capacity { grow(extra) }
    }

    @usableFromInline @inline(never)
    mutating func grow(_ extra: Int) {
        let waiting = count
        // Moving down is cheaper than growing when most of the memory lies before `start`.
        if let base, waiting + extra <= capacity, start >= capacity / 2 {
            base.copyMemory(from: base + start, byteCount: waiting)
        } else {
            let newCapacity = max(256, max(capacity * 2, waiting + extra))
            let newBase = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
            if let base {
                newBase.copyMemory(from: base + start, byteCount: waiting)
                base.deallocate()
            }
            base = newBase
            capacity = newCapacity
        }
        start = 0
        end = waiting
    }

    /// Drops `byteCount` drained bytes from the front. Traps if fewer are waiting.
    @inlinable package mutating func discardFirst(_ byteCount: Int) {
        precondition(byteCount <= count)
        start += byteCount
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Keeps the first `byteCount` waiting bytes and forgets the rest.
    @inlinable package mutating func truncate(to byteCount: Int) {
        precondition(byteCount <= count)
        end = start + byteCount
    }

    /// Drops all bytes; keeps the memory.
    @inlinable package mutating func removeAll() {
        start = 0
        end = 0
    }

    /// Drops all bytes and gives the memory back.
    package mutating func release() {
        base?.deallocate()
        base = nil
        capacity = 0
        start = 0
        end = 0
    }

    /// Appends one byte.
    @inlinable @inline(__always)
    package mutating func append(_ byte: UInt8) {
        reserve(1)
        base.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
        end += 1
    }

    @inlinable @inline(__always)
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base.unsafelyUnwrapped + end).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    @inlinable @inline(__always)
    package mutating func append(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inlinable @inline(__always)
    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends UTF-8 text; for cold paths, since a `String` may have to be made contiguous.
    package mutating func append(utf8 text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    package mutating func append(_ identifier: Identifier) {
        // Copying all of it, a constant size, costs less than looking how much there is.
        reserve(Identifier.bytesMax)
        withUnsafeBytes(of: identifier.words) {
            (base.unsafelyUnwrapped + end).copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
        }
        end += identifier.count
    }

    /// Appends an integer, little-endian.
    @inlinable @inline(__always)
    package mutating func append<Integer: FixedWidthInteger>(littleEndian value: Integer) {
        let size = MemoryLayout<Integer>.size
        reserve(size)
        base.unsafelyUnwrapped.storeBytes(of: value.littleEndian, toByteOffset: end, as: Integer.self)
        end += size
    }

    /// Appends an integer, big-endian (network order).
    @inlinable @inline(__always)
    package mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
        append(littleEndian: value.byteSwapped)
    }

    /// Appends `value` as decimal digits.
    @inlinable package mutating func append(decimal value: UInt64) {
        reserve(20)
        let base = base.unsafelyUnwrapped
        var remaining = value
        let first = end
        end += decimalDigits(value)
        var position = end
        while remaining >= 10 {
            let (quotient, pair) = remaining.quotientAndRemainder(dividingBy: 100)
            position -= 2
            base.storeBytes(of: OutputBuffer.asciiPair(pair), toByteOffset: position, as: UInt16.self)
            remaining = quotient
        }
        // One digit is left, or none if their number is even.
        if position > first {
            base.storeBytes(of: UInt8(truncatingIfNeeded: remaining) &+ 48, toByteOffset: position - 1, as: UInt8.self)
        }
    }

    /// The two digits of 0…99 as they lie in memory.
    @inlinable @inline(__always)
    static func asciiPair(_ value: UInt64) -> UInt16 {
        let (tens, ones) = value.quotientAndRemainder(dividingBy: 10)
        return UInt16(truncatingIfNeeded: 0x3030 &+ tens &+ ones << 8).littleEndian
    }

    /// Overwrites bytes written before, counted from the first waiting byte. Traps outside of them.
    @inlinable
    package mutating func overwrite<Integer: FixedWidthInteger>(at offset: Int, littleEndian value: Integer) {
        precondition(offset >= 0 && offset + MemoryLayout<Integer>.size <= count)
        base.unsafelyUnwrapped.storeBytes(of: value.littleEndian, toByteOffset: start + offset, as: Integer.self)
    }
}

/// How many digits a number has in decimal.
@inlinable
package func decimalDigits(_ value: UInt64) -> Int {
    // 1233/4096 is log10(2) from below: the estimate is right, or one too small.
    let bits = UInt64.bitWidth - (value | 1).leadingZeroBitCount
    let estimate = (bits * 1233) >> 12
    return value >= powersOfTen[estimate] ? estimate + 1 : max(estimate, 1)
}

@usableFromInline
let powersOfTen: [20 of UInt64] = [
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000,
    100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000,
    10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000, 10_000_000_000_000_000_000,
]
