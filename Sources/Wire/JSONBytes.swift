/// The bytes that JSON's grammar is made of, and tests of eight bytes at once.
enum JSONBytes {
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
    static let minus = UInt8(ascii: "-")
    static let zero = UInt8(ascii: "0")
    static let nine = UInt8(ascii: "9")

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Marks bytes that a JSON string can't hold as they are: `"`, `\` and controls. Zero if there are none.
    ///
    /// The lowest bit set is the high bit of the first such byte; bits above it may be wrong.
    @inline(__always)
    static func stops(_ word: UInt64) -> UInt64 {
        // Flipping bit 1 swaps 0x22 (`"`) with 0x20 and keeps controls below 0x20: one comparison finds both.
        let quoteOrControl = (word ^ (ones &* 0x02)) &- (ones &* 0x21)
        let backslash = (word ^ (ones &* 0x5C)) &- ones
        return (quoteOrControl | backslash) & ~word & highs
    }

    @inline(__always)
    static func isWhitespace(_ byte: UInt8) -> Bool {
        // One bit for each of space, line feed, carriage return and tab.
        byte <= 0x20 && (0x1_0000_2600 as UInt64) &>> UInt64(byte) & 1 != 0
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte >= zero && byte <= nine }

    /// Value of a hexadecimal digit; nil for any other byte.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt16? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// `text`, at most eight ASCII bytes, as a little-endian word; a constant once inlined.
    @inline(__always)
    static func word(_ text: StaticString) -> UInt64 {
        var word: UInt64 = 0
        for index in 0..<text.utf8CodeUnitCount { word |= UInt64(text.utf8Start[index]) << UInt64(index * 8) }
        return word
    }

    /// The bits of the first `byteCount` bytes of a little-endian word; all of them from eight on.
    @inline(__always)
    static func mask(_ byteCount: Int) -> UInt64 {
        byteCount >= 8 ? .max : (1 &<< UInt64(byteCount &* 8)) &- 1
    }
}
