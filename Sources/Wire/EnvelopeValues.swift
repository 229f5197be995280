package import Base

// The values of an envelope's members. All functions take the bytes that were scanned, give nil if the member isn't
// there and throw `bad_request` if its value isn't what the member must be.
extension Envelope {
    /// A user id, group id, channel or device: a string, or an integer that means its decimal digits.
    package func identifier(_ field: EnvelopeField, in bytes: RawSpan) throws(EnvelopeError) -> Identifier? {
        guard let range = token(field) else { return nil }
        return try identifier(at: range, hasEscapes: hasEscapes(field), in: bytes)
    }

    /// An integer from 0 to 2^64 - 1, written without fraction and exponent.
    package func unsigned(_ field: EnvelopeField, in bytes: RawSpan) throws(EnvelopeError) -> UInt64? {
        guard let range = token(field) else { return nil }
        var value: UInt64 = 0
        for offset in range {
            let byte = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            guard JSONBytes.isDigit(byte) else { throw .badRequest("a number must be an integer of at least 0") }
            let (shifted, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, carries) = shifted.addingReportingOverflow(UInt64(byte - JSONBytes.zero))
            guard !overflows, !carries else { throw .badRequest("a number is too large") }
            value = sum
        }
        return value
    }

    /// The value of a member that must be true or false; nil if it is missing.
    package func bool(_ field: EnvelopeField, in bytes: RawSpan) throws(EnvelopeError) -> Bool? {
        guard let range = token(field) else { return nil }
        switch bytes.unsafeLoadUnaligned(fromByteOffset: range.lowerBound, as: UInt8.self) {
        case UInt8(ascii: "t"): return true
        case UInt8(ascii: "f"): return false
        default: throw .badRequest("a flag must be true or false")
        }
    }

    /// A string of any length. Allocates: not for the way of a message.
    package func string(_ field: EnvelopeField, in bytes: RawSpan) throws(EnvelopeError) -> String? {
        try withText(field, in: bytes) { text throws(EnvelopeError) in
            text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Calls `body` with the bytes of a string, escapes decoded; they are valid only for the call.
    package func withText<Result>(
        _ field: EnvelopeField, in bytes: RawSpan, _ body: (RawSpan) throws(EnvelopeError) -> Result
    ) throws(EnvelopeError) -> Result? {
        guard let range = token(field) else { return nil }
        guard Envelope.isString(bytes, range) else { throw .badRequest("a text must be a string") }
        return try withDecoded(range, hasEscapes: hasEscapes(field), in: bytes, body)
    }

    /// Calls `body` with the bytes of a name, such as `conv`: those of a string, escapes decoded, or the digits of an
    /// integer; they are valid only for the call.
    package func withName<Result>(
        _ field: EnvelopeField, in bytes: RawSpan, _ body: (RawSpan) throws(EnvelopeError) -> Result
    ) throws(EnvelopeError) -> Result? {
        guard let range = token(field) else { return nil }
        return try withName(at: range, hasEscapes: hasEscapes(field), in: bytes, body)
    }

    /// Calls `body` with the sender's own id of the message, 1–64 bytes; they are valid only for the call.
    package func withCid<Result>(
        in bytes: RawSpan, _ body: (RawSpan) throws(EnvelopeError) -> Result
    ) throws(EnvelopeError) -> Result? {
        try withName(.cid, in: bytes) { cid throws(EnvelopeError) in
            guard (1...Limits.cidBytesMax).contains(cid.byteCount) else {
                throw .badRequest("cid must have 1 to 64 bytes")
            }
            return try body(cid)
        }
    }

    /// Calls `body` for each id of `users`, in order; false if there is no such member.
    ///
    /// Ids before a wrong one have been given to `body` when this throws.
    package func forEachUser(in bytes: RawSpan, _ body: (Identifier) -> Void) throws(EnvelopeError) -> Bool {
        guard let range = token(.users) else { return false }
        var scanner = JSONScanner(bytes.extracting(0..<range.upperBound), from: range.lowerBound)
        guard scanner.current == JSONBytes.openBracket else { throw .badRequest("users must be an array") }
        var keys = JSONKeys()
        scanner.offset += 1
        scanner.skipWhitespace()
        while scanner.current != JSONBytes.closeBracket {
            let start = scanner.offset
            let hasEscapes = try scanner.skipValue(depth: 2, keys: &keys)
            body(try identifier(at: start..<scanner.offset, hasEscapes: hasEscapes, in: bytes))
            scanner.skipWhitespace()
            if scanner.current == JSONBytes.comma { scanner.offset += 1 }
            scanner.skipWhitespace()
        }
        return true
    }

    private func identifier(
        at range: Range<Int>, hasEscapes: Bool, in bytes: RawSpan
    ) throws(EnvelopeError) -> Identifier {
        try withName(at: range, hasEscapes: hasEscapes, in: bytes) { name throws(EnvelopeError) in
            guard let identifier = Identifier(name) else {
                throw .badRequest("an id has 1 to 64 bytes without white space, controls, colon and slash")
            }
            return identifier
        }
    }

    private func withName<Result>(
        at range: Range<Int>, hasEscapes: Bool, in bytes: RawSpan, _ body: (RawSpan) throws(EnvelopeError) -> Result
    ) throws(EnvelopeError) -> Result {
        if Envelope.isString(bytes, range) {
            return try withDecoded(range, hasEscapes: hasEscapes, in: bytes, body)
        }
        let token = bytes.extracting(range)
        // "-0" has no decimal string of its own: it is 0.
        let isNegativeZero = range.count == 2 && JSONScanner(token).word(at: 0) == JSONBytes.word("-0")
        guard isStringOrInteger(token), !isNegativeZero else {
            throw .badRequest("an id must be a string or an integer")
        }
        return try body(token)
    }

    /// Calls `body` with the inside of the string token at `range`, its escapes decoded.
    func withDecoded<Result>(
        _ range: Range<Int>, hasEscapes: Bool, in bytes: RawSpan, _ body: (RawSpan) throws(EnvelopeError) -> Result
    ) throws(EnvelopeError) -> Result {
        let text = bytes.extracting((range.lowerBound + 1)..<(range.upperBound - 1))
        guard hasEscapes else { return try body(text) }
        var decoded: [UInt8] = []
        JSONText.decode(text, into: &decoded)
        return try body(decoded.span.bytes)
    }

    static func isString(_ bytes: RawSpan, _ range: Range<Int>) -> Bool {
        bytes.unsafeLoadUnaligned(fromByteOffset: range.lowerBound, as: UInt8.self) == JSONBytes.quote
    }

    /// Whether a token is a string, or a number without fraction and exponent.
    func isStringOrInteger(_ token: RawSpan) -> Bool {
        let first = token.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt8.self)
        if first == JSONBytes.quote { return true }
        guard JSONBytes.isDigit(first) || first == JSONBytes.minus else { return false }
        for offset in 1..<token.byteCount {
            guard JSONBytes.isDigit(token.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)) else {
                return false
            }
        }
        return true
    }
}
