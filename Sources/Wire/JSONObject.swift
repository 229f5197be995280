import Base

/// A JSON object whose members are asked for by name, such as a part of a token. Not for the way of a message.
///
/// Absent members give nil; those that aren't what they are asked for as throw `bad_request`.
package struct JSONObject: Sendable {
    private let text: [UInt8]
    private let values: [[UInt8]: Range<Int>]

    /// Throws unless `text` is one object in UTF-8 without a key twice, at any depth.
    package init(_ text: [UInt8]) throws(EnvelopeError) {
        guard UTF8Validator.isValid(text.span.bytes) else { throw .badRequest("an object must be UTF-8") }
        try Envelope().scanMembers(text.span.bytes)
        var values: [[UInt8]: Range<Int>] = [:]
        try JSONObject.forEachMember(of: text.span.bytes) { name, _, value in values[name] = value }
        self.text = text
        self.values = values
    }

    /// Whether there is such a member, whatever its value.
    package func has(_ name: String) -> Bool { values[Array(name.utf8)] != nil }

    /// A string with its escapes decoded.
    package func string(_ name: String) throws(EnvelopeError) -> String? {
        guard let range = values[Array(name.utf8)] else { return nil }
        return try string(at: range)
    }

    /// A number, rounded as a `Double` is; infinite if it is beyond all of these.
    package func number(_ name: String) throws(EnvelopeError) -> Double? {
        guard let range = values[Array(name.utf8)] else { return nil }
        // Literals begin with a letter; what the scanner passed and `Double` reads is a number.
        guard text[range.lowerBound] == JSONBytes.minus || JSONBytes.isDigit(text[range.lowerBound]),
            let number = Double(String(decoding: text[range], as: UTF8.self))
        else { throw .badRequest("a number is something else") }
        return number
    }

    /// A string or an array of strings.
    package func strings(_ name: String) throws(EnvelopeError) -> [String]? {
        guard let range = values[Array(name.utf8)] else { return nil }
        guard text[range.lowerBound] == JSONBytes.openBracket else { return [try string(at: range)] }
        var strings: [String] = []
        for element in try elements(at: range) { strings.append(try string(at: element)) }
        return strings
    }

    /// The elements of an array, each as JSON text.
    package func array(_ name: String) throws(EnvelopeError) -> [[UInt8]]? {
        guard let range = values[Array(name.utf8)] else { return nil }
        guard text[range.lowerBound] == JSONBytes.openBracket else { throw .badRequest("an array is something else") }
        return try elements(at: range).map { Array(text[$0]) }
    }

    private func string(at range: Range<Int>) throws(EnvelopeError) -> String {
        guard text[range.lowerBound] == JSONBytes.quote else { throw .badRequest("a string is something else") }
        var decoded: [UInt8] = []
        JSONText.decode(text.span.bytes.extracting(range.lowerBound + 1..<range.upperBound - 1), into: &decoded)
        return String(decoding: decoded, as: UTF8.self)
    }

    private func elements(at range: Range<Int>) throws(EnvelopeError) -> [Range<Int>] {
        var scanner = JSONScanner(text.span.bytes, from: range.lowerBound + 1)
        var keys = JSONKeys()
        var elements: [Range<Int>] = []
        scanner.skipWhitespace()
        while scanner.current != JSONBytes.closeBracket {
            let start = scanner.offset
            try scanner.skipValue(depth: 1, keys: &keys)
            elements.append(start..<scanner.offset)
            scanner.skipWhitespace()
            if scanner.current == JSONBytes.comma { scanner.offset += 1 }
            scanner.skipWhitespace()
        }
        return elements
    }

    /// Calls `body` with the decoded name of each member of an object that was scanned before, and where the member
    /// and its value lie.
    static func forEachMember(
        of object: RawSpan, _ body: (_ name: [UInt8], _ member: Range<Int>, _ value: Range<Int>) -> Void
    ) throws(EnvelopeError) {
        var scanner = JSONScanner(object)
        var keys = JSONKeys()
        scanner.skipWhitespace()
        try scanner.expect(JSONBytes.openBrace, "members must be an object")
        scanner.skipWhitespace()
        if scanner.current == JSONBytes.closeBrace { return }
        while true {
            scanner.skipWhitespace()
            let start = scanner.offset
            try scanner.expect(JSONBytes.quote, "a key is missing")
            let nameStart = scanner.offset
            _ = try scanner.finishString()
            var name: [UInt8] = []
            JSONText.decode(object.extracting(nameStart..<scanner.offset - 1), into: &name)
            scanner.skipWhitespace()
            try scanner.expect(JSONBytes.colon, "a colon is missing")
            scanner.skipWhitespace()
            let value = scanner.offset
            try scanner.skipValue(depth: 1, keys: &keys)
            body(name, start..<scanner.offset, value..<scanner.offset)
            scanner.skipWhitespace()
            guard scanner.current == JSONBytes.comma else { return }
            scanner.offset += 1
        }
    }
}
