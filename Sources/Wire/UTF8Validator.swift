/// Checks a stream of bytes for UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) as it arrives.
///
/// The state is three bytes, whatever the length of the stream. It fails at the first byte that no valid text can have
/// at its place, not at the end of the character.
package struct UTF8Validator: Sendable, Equatable {
    /// Continuation bytes that the character in progress still lacks.
    private var missing: UInt8 = 0
    /// What the next continuation byte may be.
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    package init() {}

    /// Whether the bytes so far end at the end of a character. False after a failure.
    package var isComplete: Bool { missing == 0 }

    /// Whether `bytes` are, by themselves, whole valid UTF-8.
    package static func isValid(_ bytes: RawSpan) -> Bool {
        var validator = UTF8Validator()
        return validator.consume(bytes) && validator.isComplete
    }

    /// Takes the next bytes of the stream; false if it can't be UTF-8, and from then on for every further byte.
    ///
    /// Cost: ASCII is passed 32 and 8 bytes at a time; no allocation.
    package mutating func consume(_ bytes: RawSpan) -> Bool {
        let end = bytes.byteCount
        var offset = 0
        var state = self
        while true {
            if state.missing == 0 {
                offset = UTF8Validator.skipASCII(bytes, from: offset)
                if offset == end { break }
                state.begin(bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self))
            } else {
                if offset == end { break }
                let byte = bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
                guard byte >= state.lowest, byte <= state.highest else {
                    state.fail()
                    break
                }
                state.missing -= 1
                state.lowest = 0x80
                state.highest = 0xBF
            }
            if state.hasFailed { break }
            offset += 1
        }
        self = state
        return !state.hasFailed
    }

    /// An empty range of possible bytes marks the failure: nothing can follow.
    private var hasFailed: Bool { lowest > highest }

    private mutating func fail() {
        missing = 1
        lowest = 0xFF
        highest = 0
    }

    /// Notes what may follow the first byte of a character (the table of RFC 3629, section 4).
    private mutating func begin(_ first: UInt8) {
        switch first {
        case 0x00...0x7F: return
        case 0xC2...0xDF: missing = 1
        case 0xE0...0xEF:
            missing = 2
            if first == 0xE0 { lowest = 0xA0 }
            if first == 0xED { highest = 0x9F }
        case 0xF0...0xF4:
            missing = 3
            if first == 0xF0 { lowest = 0x90 }
            if first == 0xF4 { highest = 0x8F }
        default: fail()
        }
    }

    /// The offset of the first byte at or after `start` that isn't ASCII, or the end.
    @inline(__always)
    private static func skipASCII(_ bytes: RawSpan, from start: Int) -> Int {
        let high: UInt64 = 0x8080_8080_8080_8080
        let end = bytes.byteCount
        var offset = start
        while offset + 32 <= end {
            let first = load(bytes, offset) | load(bytes, offset + 8)
            let second = load(bytes, offset + 16) | load(bytes, offset + 24)
            if (first | second) & high != 0 { break }
            offset += 32
        }
        while offset + 8 <= end {
            let found = load(bytes, offset) & high
            if found != 0 { return offset + found.trailingZeroBitCount / 8 }
            offset += 8
        }
        while offset < end, bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) < 0x80 { offset += 1 }
        return offset
    }

    @inline(__always)
    private static func load(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
        bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self).littleEndian
    }
}
