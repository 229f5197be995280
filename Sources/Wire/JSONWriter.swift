package import Base

extension OutputBuffer {
    /// Appends a JSON string, quotes included, of UTF-8 that was validated before.
    ///
    /// Only `"`, `\` and controls are escaped; all else goes out as it is.
    package mutating func appendJSONString(_ text: RawSpan) {
        reserve(text.byteCount + 2)
        append(JSONBytes.quote)
        appendJSONEscaped(text)
        append(JSONBytes.quote)
    }

    /// Appends a JSON string of `text`; for cold paths, since a `String` may have to be made contiguous.
    package mutating func appendJSONString(_ text: String) {
        var text = text
        text.withUTF8 { appendJSONString(RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0))) }
    }

    /// Appends an id as a JSON string.
    package mutating func appendJSONString(_ identifier: Identifier) {
        append(JSONBytes.quote)
        appendJSONEscaped(identifier)
        append(JSONBytes.quote)
    }

    /// Appends an id as the inside of a JSON string.
    package mutating func appendJSONEscaped(_ identifier: Identifier) {
        guard identifier.isPlain else { return identifier.withBytes { appendWithEscapes($0) } }
        append(identifier)
    }

    /// Appends the inside of a JSON string: `text` with its escapes, without quotes.
    package mutating func appendJSONEscaped(_ text: RawSpan) {
        // Nearly always there is nothing to escape: a look at all of it, and one copy.
        var offset = 0
        let count = text.byteCount
        while offset &+ 8 <= count {
            let word = text.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            if JSONBytes.stops(word) != 0 { return appendWithEscapes(text) }
            offset &+= 8
        }
        if offset < count {
            let stops = JSONBytes.stops(JSONScanner(text).word(at: offset))
            if stops & JSONBytes.mask(count &- offset) != 0 { return appendWithEscapes(text) }
        }
        append(text)
    }

    @inline(never)
    private mutating func appendWithEscapes(_ text: RawSpan) {
        let scanner = JSONScanner(text)
        var runStart = 0
        var offset = 0
        while offset < text.byteCount {
            let stops = JSONBytes.stops(scanner.word(at: offset))
            if stops == 0 {
                offset += 8
                continue
            }
            offset += stops.trailingZeroBitCount >> 3
            // Beyond the end the word is zeros, which look like controls.
            if offset >= text.byteCount { break }
            append(text.extracting(runStart..<offset))
            appendEscape(scanner.byte(at: offset))
            offset += 1
            runStart = offset
        }
        append(text.extracting(runStart..<text.byteCount))
    }

    private mutating func appendEscape(_ byte: UInt8) {
        append(JSONBytes.backslash)
        switch byte {
        case JSONBytes.quote, JSONBytes.backslash: append(byte)
        case 0x08: append(UInt8(ascii: "b"))
        case 0x09: append(UInt8(ascii: "t"))
        case 0x0A: append(UInt8(ascii: "n"))
        case 0x0C: append(UInt8(ascii: "f"))
        case 0x0D: append(UInt8(ascii: "r"))
        default:
            append("u00")
            append(UInt8(ascii: "0") + byte >> 4)
            let low = byte & 0x0F
            append(low < 10 ? UInt8(ascii: "0") + low : UInt8(ascii: "a") + low - 10)
        }
    }
}
