/// Decoding of the escapes in JSON strings, for the few strings that have them.
enum JSONText {
    /// Appends `text`, the inside of a JSON string that the scanner accepted, with its escapes decoded.
    static func decode(_ text: RawSpan, into decoded: inout [UInt8]) {
        var offset = 0
        while offset < text.byteCount {
            let byte = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            offset += 1
            guard byte == JSONBytes.backslash, offset < text.byteCount else {
                decoded.append(byte)
                continue
            }
            let kind = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            offset += 1
            switch kind {
            case UInt8(ascii: "b"): decoded.append(0x08)
            case UInt8(ascii: "f"): decoded.append(0x0C)
            case UInt8(ascii: "n"): decoded.append(0x0A)
            case UInt8(ascii: "r"): decoded.append(0x0D)
            case UInt8(ascii: "t"): decoded.append(0x09)
            case UInt8(ascii: "u"): appendScalar(text, &offset, &decoded)
            default: decoded.append(kind)
            }
        }
    }

    /// How many bytes ``decode(_:into:)`` appends, quotes around the text included if there are any.
    static func decodedByteCount(of text: RawSpan) -> Int {
        var byteCount = 0
        var offset = 0
        while offset < text.byteCount {
            let isEscape = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self) == JSONBytes.backslash
            byteCount += 1
            offset += 1
            guard isEscape, offset < text.byteCount else { continue }
            let kind = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            offset += 1
            guard kind == UInt8(ascii: "u") else { continue }
            byteCount += scalar(text, &offset).map { UTF8.width($0) - 1 } ?? -1
        }
        return byteCount
    }

    /// Appends the scalar of a `\u` escape, or of two that form a surrogate pair; `offset` is after the `u`.
    private static func appendScalar(_ text: RawSpan, _ offset: inout Int, _ decoded: inout [UInt8]) {
        guard let scalar = scalar(text, &offset) else { return }
        decoded.append(contentsOf: UTF8.encode(scalar).unsafelyUnwrapped)
    }

    private static func scalar(_ text: RawSpan, _ offset: inout Int) -> Unicode.Scalar? {
        var value = UInt32(unit(text, offset))
        offset += 4
        if value & 0xFC00 == 0xD800 {
            let low = UInt32(unit(text, offset + 2))
            offset += 6
            value = 0x10000 + (value & 0x3FF) << 10 + (low & 0x3FF)
        }
        return Unicode.Scalar(value)
    }

    private static func unit(_ text: RawSpan, _ start: Int) -> UInt16 {
        var unit: UInt16 = 0
        for offset in start..<min(start + 4, text.byteCount) {
            let byte = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            unit = unit << 4 | (JSONBytes.hexValue(byte) ?? 0)
        }
        return unit
    }
}
