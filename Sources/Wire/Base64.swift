package import Base

/// Base64 of RFC 4648.
package enum Base64: Sendable {
    /// `+` and `/`, padded with `=`.
    case standard
    /// `-` and `_` without padding, as in a JWT.
    case url

    /// Exactly how many bytes ``encode(_:to:)`` appends for `byteCount` bytes.
    package func encodedByteCount(_ byteCount: Int) -> Int {
        let (groups, rest) = byteCount.quotientAndRemainder(dividingBy: 3)
        if rest == 0 { return groups * 4 }
        return groups * 4 + (self == .standard ? 4 : rest + 1)
    }

    /// Appends `bytes` as base64 text.
    package func encode(_ bytes: RawSpan, to output: inout OutputBuffer) {
        output.reserve(encodedByteCount(bytes.byteCount))
        let alphabet = alphabet.utf8Start
        var offset = 0
        while offset + 3 <= bytes.byteCount {
            let group = Base64.group(bytes, offset, 3)
            let text =
                UInt32(alphabet[Int(group >> 18)]) | UInt32(alphabet[Int(group >> 12 & 0x3F)]) << 8
                | UInt32(alphabet[Int(group >> 6 & 0x3F)]) << 16 | UInt32(alphabet[Int(group & 0x3F)]) << 24
            output.append(littleEndian: text)
            offset += 3
        }
        let rest = bytes.byteCount - offset
        if rest == 0 { return }
        let group = Base64.group(bytes, offset, rest)
        output.append(alphabet[Int(group >> 18)])
        output.append(alphabet[Int(group >> 12 & 0x3F)])
        if rest == 2 { output.append(alphabet[Int(group >> 6 & 0x3F)]) }
        guard self == .standard else { return }
        for _ in rest..<3 { output.append(UInt8(ascii: "=")) }
    }

    /// The bytes that `text` means; nil for anything that ``encode(_:to:)`` wouldn't have written: white space, the
    /// other alphabet, missing or superfluous padding, bits set after the last byte.
    package func decode(_ text: RawSpan) -> [UInt8]? {
        var digits = text.byteCount
        if self == .standard {
            guard digits % 4 == 0 else { return nil }
            for _ in 0..<2 where digits > 0 {
                if text.unsafeLoadUnaligned(fromByteOffset: digits - 1, as: UInt8.self) == UInt8(ascii: "=") {
                    digits -= 1
                }
            }
        }
        guard digits % 4 != 1 else { return nil }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(digits * 3 / 4)
        var bits: UInt32 = 0
        var bitCount: UInt32 = 0
        for offset in 0..<digits {
            let byte = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            guard let value = value(of: byte) else { return nil }
            bits = bits << 6 | value
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                decoded.append(UInt8(truncatingIfNeeded: bits >> bitCount))
            }
        }
        return bits & (1 << bitCount - 1) == 0 ? decoded : nil
    }

    private var alphabet: StaticString {
        switch self {
        case .standard: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        case .url: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        }
    }

    /// Up to three bytes from `offset` on, the first in bits 16–23.
    @inline(__always)
    private static func group(_ bytes: RawSpan, _ offset: Int, _ byteCount: Int) -> UInt32 {
        var group: UInt32 = 0
        for index in 0..<byteCount {
            let byte = bytes.unsafeLoadUnaligned(fromByteOffset: offset + index, as: UInt8.self)
            group |= UInt32(byte) << UInt32(16 - 8 * index)
        }
        return group
    }

    private func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0") + 52)
        case self == .standard ? UInt8(ascii: "+") : UInt8(ascii: "-"): 62
        case self == .standard ? UInt8(ascii: "/") : UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
