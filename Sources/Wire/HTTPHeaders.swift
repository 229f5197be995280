/// The header fields of a message, in their order; names compare without regard to case (RFC 9110, section 5).
///
/// No field that could break out of its line ever gets in.
package struct HTTPHeaders: Sendable, Equatable {
    /// One header line.
    package struct Field: Sendable, Equatable {
        package let name: String
        package let value: String
    }

    package private(set) var fields: [Field] = []

    package init() {}

    package var count: Int { fields.count }

    /// Adds a field behind the others, also if there is one of the name.
    ///
    /// Errors: `HTTPFieldError` if `name` isn't a token, or `value` has a control character or blanks around it.
    package mutating func add(_ name: String, _ value: String) throws(HTTPFieldError) {
        guard !name.isEmpty, name.utf8.allSatisfy(HTTPGrammar.isToken) else { throw .invalidName }
        guard value.utf8.allSatisfy(HTTPGrammar.isFieldText) else { throw .invalidValue }
        if let first = value.utf8.first, let last = value.utf8.last {
            guard !HTTPGrammar.isBlank(first), !HTTPGrammar.isBlank(last) else { throw .invalidValue }
        }
        fields.append(Field(name: name, value: value))
    }

    /// Adds a field that was checked by the decoder.
    mutating func add(trusted name: String, _ value: String) {
        fields.append(Field(name: name, value: value))
    }

    /// The value of the first field of the name.
    package func first(_ name: String) -> String? {
        fields.first { HTTPGrammar.equalIgnoringCase($0.name, name) }?.value
    }

    /// The values of all fields of the name, in their order.
    package func all(_ name: String) -> [String] {
        fields.filter { HTTPGrammar.equalIgnoringCase($0.name, name) }.map(\.value)
    }

    /// The elements of a comma-separated list, over all fields of the name, without the white space around them and
    /// without empty ones (RFC 9110, section 5.6.1). Not for fields that may hold quoted strings with commas.
    package func list(_ name: String) -> [String] {
        all(name).flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
            .map { HTTPGrammar.trimmed($0) }
            .filter { !$0.isEmpty }
    }

    /// Whether the list of the name has `token`, without regard to case.
    package func list(_ name: String, has token: String) -> Bool {
        list(name).contains { HTTPGrammar.equalIgnoringCase($0, token) }
    }
}

/// Why a header field was refused.
package enum HTTPFieldError: Error, Sendable {
    case invalidName
    case invalidValue
}

/// The character classes of RFC 9110, section 5.6.
enum HTTPGrammar {
    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// What a field value may hold: visible characters, blanks, and bytes above ASCII.
    static func isFieldText(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Looks at whole pieces of memory: iterating over the bytes of a string costs several times as much.
    static func equalIgnoringCase(_ left: String, _ right: String) -> Bool {
        guard left.utf8.count == right.utf8.count else { return false }
        var left = left, right = right
        return left.withUTF8 { left in
            right.withUTF8 { right in left.indices.allSatisfy { lowercased(left[$0]) == lowercased(right[$0]) } }
        }
    }

    static func trimmed(_ text: Substring.UTF8View) -> String {
        var bytes = text
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return String(Substring(bytes))
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}
