import Base

/// A cursor over JSON text that checks RFC 8259's grammar and builds nothing.
///
/// Bytes above 0x7F pass unseen: whoever feeds it has validated the UTF-8.
struct JSONScanner: ~Escapable {
    let bytes: RawSpan
    let count: Int
    var offset: Int

    @_lifetime(copy bytes)
    init(_ bytes: RawSpan, from offset: Int = 0) {
        self.bytes = bytes
        self.count = bytes.byteCount
        self.offset = offset
    }

    /// The byte at the cursor; 0, which no token begins with, at the end.
    @inline(__always)
    var current: UInt8 { byte(at: offset) }

    /// The byte at `position`; 0 from the end on.
    @inline(__always)
    func byte(at position: Int) -> UInt8 {
        position < count ? bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt8.self) : 0
    }

    /// Eight bytes from `position` on, little-endian; zeros stand for bytes beyond the end.
    @inline(__always)
    func word(at position: Int) -> UInt64 {
        if position &+ 8 <= count {
            return bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: position, as: UInt64.self).littleEndian
        }
        return lastWord(at: position)
    }

    private func lastWord(at position: Int) -> UInt64 {
        guard position < count else { return 0 }
        if count >= 8 {
            let word = bytes.unsafeLoadUnaligned(fromByteOffset: count &- 8, as: UInt64.self).littleEndian
            return word &>> UInt64(truncatingIfNeeded: (position &+ 8 &- count) &* 8)
        }
        return shortWord &>> UInt64(truncatingIfNeeded: position &* 8)
    }

    /// All of a text of 1 to 7 bytes, from two loads that overlap where they must.
    private var shortWord: UInt64 {
        if count >= 4 {
            let first = bytes.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self).littleEndian
            let last = bytes.unsafeLoadUnaligned(fromByteOffset: count &- 4, as: UInt32.self).littleEndian
            return UInt64(first) | UInt64(last) &<< UInt64(truncatingIfNeeded: (count &- 4) &* 8)
        }
        let first = UInt64(byte(at: 0))
        if count == 1 { return first }
        let last = bytes.unsafeLoadUnaligned(fromByteOffset: count &- 2, as: UInt16.self).littleEndian
        return first | UInt64(last) &<< UInt64(truncatingIfNeeded: (count &- 2) &* 8)
    }

    @inline(__always)
    mutating func skipWhitespace() {
        while JSONBytes.isWhitespace(current) { offset &+= 1 }
    }

    /// Moves past `byte`, or throws `reason` if another one stands there.
    @inline(__always)
    mutating func expect(_ byte: UInt8, _ reason: StaticString) throws(EnvelopeError) {
        guard current == byte else { throw .badRequest(reason) }
        offset &+= 1
    }

    /// Moves past one value; `depth` counts the containers around it. True if it is a string that has escapes.
    @inline(__always) @discardableResult
    mutating func skipValue(depth: Int, keys: inout JSONKeys) throws(EnvelopeError) -> Bool {
        guard current == JSONBytes.quote else {
            try skipOther(depth: depth, keys: &keys)
            return false
        }
        offset &+= 1
        return try finishString()
    }

    /// Moves past a value that isn't a string.
    private mutating func skipOther(depth: Int, keys: inout JSONKeys) throws(EnvelopeError) {
        switch current {
        case JSONBytes.openBrace: try skipObject(depth: depth + 1, keys: &keys)
        case JSONBytes.openBracket: try skipArray(depth: depth + 1, keys: &keys)
        case UInt8(ascii: "t"): try skipLiteral("true")
        case UInt8(ascii: "f"): try skipLiteral("false")
        case UInt8(ascii: "n"): try skipLiteral("null")
        default: try skipNumber()
        }
    }

    /// Moves past the rest of a string whose opening quote was passed; true if it has escapes.
    @inline(__always)
    mutating func finishString() throws(EnvelopeError) -> Bool {
        offset = firstStop(from: offset)
        guard current == JSONBytes.quote else { return try finishUnusualString() }
        offset &+= 1
        return false
    }

    /// The first byte from `start` on that a string can't hold as it is; the end if there is none.
    ///
    /// A function of its own: inlined, its loop would share the registers with everything else.
    @inline(never)
    private func firstStop(from start: Int) -> Int {
        var position = start
        while position &+ 8 <= count {
            let stops = JSONBytes.stops(word(at: position))
            if stops != 0 { return position &+ stops.trailingZeroBitCount >> 3 }
            position &+= 8
        }
        // The zeros beyond the end look like controls.
        return min(count, position &+ JSONBytes.stops(lastWord(at: position)).trailingZeroBitCount >> 3)
    }

    /// Goes on from a stop that isn't the closing quote.
    @inline(never)
    private mutating func finishUnusualString() throws(EnvelopeError) -> Bool {
        while current == JSONBytes.backslash {
            offset &+= 1
            try skipEscape()
            offset = firstStop(from: offset)
        }
        guard offset < count else { throw .badRequest("unterminated string") }
        guard current == JSONBytes.quote else { throw .badRequest("control character in a string") }
        offset &+= 1
        return true
    }

    /// Moves past an escape whose backslash was passed, and past both halves of a surrogate pair.
    @inline(never)
    private mutating func skipEscape() throws(EnvelopeError) {
        let kind = current
        offset &+= 1
        switch kind {
        case JSONBytes.quote, JSONBytes.backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            let unit = try hexUnit()
            guard unit & 0xF800 == 0xD800 else { return }
            guard unit < 0xDC00, current == JSONBytes.backslash else { throw .badRequest("half a surrogate pair") }
            offset &+= 1
            try expect(UInt8(ascii: "u"), "half a surrogate pair")
            guard try hexUnit() & 0xFC00 == 0xDC00 else { throw .badRequest("half a surrogate pair") }
        default:
            throw .badRequest("unknown escape in a string")
        }
    }

    private mutating func hexUnit() throws(EnvelopeError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = JSONBytes.hexValue(current) else { throw .badRequest("unknown escape in a string") }
            unit = unit << 4 | digit
            offset &+= 1
        }
        return unit
    }

    private mutating func skipNumber() throws(EnvelopeError) {
        if current == JSONBytes.minus { offset &+= 1 }
        if current == JSONBytes.zero {
            offset &+= 1
        } else {
            try skipDigits("a value is missing")
        }
        if current == UInt8(ascii: ".") {
            offset &+= 1
            try skipDigits("a fraction without digits")
        }
        if current | 0x20 == UInt8(ascii: "e") {
            offset &+= 1
            if current == UInt8(ascii: "+") || current == JSONBytes.minus { offset &+= 1 }
            try skipDigits("an exponent without digits")
        }
    }

    @inline(__always)
    private mutating func skipDigits(_ reason: StaticString) throws(EnvelopeError) {
        guard JSONBytes.isDigit(current) else { throw .badRequest(reason) }
        repeat { offset &+= 1 } while JSONBytes.isDigit(current)
    }

    @inline(__always)
    private mutating func skipLiteral(_ literal: StaticString) throws(EnvelopeError) {
        let length = literal.utf8CodeUnitCount
        guard word(at: offset) & JSONBytes.mask(length) == JSONBytes.word(literal) else {
            throw .badRequest("a value is missing")
        }
        offset &+= length
    }

    private mutating func skipArray(depth: Int, keys: inout JSONKeys) throws(EnvelopeError) {
        guard depth <= Limits.jsonDepthMax else { throw .badRequest("nested too deeply") }
        offset &+= 1
        skipWhitespace()
        if current == JSONBytes.closeBracket {
            offset &+= 1
            return
        }
        while true {
            skipWhitespace()
            try skipValue(depth: depth, keys: &keys)
            skipWhitespace()
            if current == JSONBytes.comma {
                offset &+= 1
                continue
            }
            return try expect(JSONBytes.closeBracket, "an array isn't closed")
        }
    }

    private mutating func skipObject(depth: Int, keys: inout JSONKeys) throws(EnvelopeError) {
        guard depth <= Limits.jsonDepthMax else { throw .badRequest("nested too deeply") }
        offset &+= 1
        let base = keys.count
        skipWhitespace()
        if current == JSONBytes.closeBrace {
            offset &+= 1
            return
        }
        while true {
            skipWhitespace()
            let key = try skipKey(keys: &keys)
            try keys.note(key, base: base, in: bytes)
            try skipValue(depth: depth, keys: &keys)
            skipWhitespace()
            if current == JSONBytes.comma {
                offset &+= 1
                continue
            }
            try expect(JSONBytes.closeBrace, "an object isn't closed")
            return try keys.close(base: base, in: bytes)
        }
    }

    /// Moves from a key's opening quote to the first byte of its value; gives the key.
    @inline(__always)
    mutating func skipKey(keys: inout JSONKeys) throws(EnvelopeError) -> JSONKey {
        try expect(JSONBytes.quote, "a key is missing")
        let start = offset
        let hasEscapes = try finishString()
        let key = keys.key(start..<(offset &- 1), hasEscapes: hasEscapes, in: self)
        skipWhitespace()
        try expect(JSONBytes.colon, "a colon is missing")
        skipWhitespace()
        return key
    }
}
