import Base

/// A JSON value as the tests make it.
indirect enum JSONValue {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([(String, JSONValue)])

    static func random(depth: Int, using random: inout SeededRandom) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 6 : 4), using: &random) {
        case 0: .null
        case 1: .bool(Bool.random(using: &random))
        case 2:
            .number(
                ["0", "-1", "17", "1.5", "-0.25e-3", "1E+9", "12345678901234567890"].randomElement(using: &random)!)
        case 3: .string(randomText(using: &random))
        case 4:
            .array((0..<Int.random(in: 0...3, using: &random)).map { _ in .random(depth: depth - 1, using: &random) })
        default: .object(randomMembers(Int.random(in: 0...5, using: &random), depth: depth - 1, using: &random))
        }
    }

    static func randomMembers(_ count: Int, depth: Int, using random: inout SeededRandom) -> [(String, JSONValue)] {
        var seen: Set<[UInt8]> = []
        return (0..<count).compactMap { _ in
            let key = randomText(using: &random)
            return seen.insert(Array(key.utf8)).inserted ? (key, JSONValue.random(depth: depth, using: &random)) : nil
        }
    }

    static func randomText(using random: inout SeededRandom) -> String {
        let pieces = [
            "a", "b", "longer text ", "é", "日", "😀", "\"", "\\", "\n", "\u{1}", "/", " ", "e\u{301}", "\u{7F}",
        ]
        return (0..<Int.random(in: 0...8, using: &random)).map { _ in pieces.randomElement(using: &random)! }.joined()
    }

    /// The value as text, with white space and escapes as they fall.
    func serialized(using random: inout SeededRandom) -> String {
        switch self {
        case .null: return "null"
        case .bool(let value): return value ? "true" : "false"
        case .number(let text): return text
        case .string(let text): return JSONValue.quoted(text, using: &random)
        case .array(let values):
            var items: [String] = []
            for value in values { items.append(JSONValue.spaced(value.serialized(using: &random), using: &random)) }
            return "[" + (items.isEmpty ? JSONValue.spaced("", using: &random) : items.joined(separator: ",")) + "]"
        case .object(let members):
            var items: [String] = []
            for (key, value) in members {
                let name = JSONValue.spaced(JSONValue.quoted(key, using: &random), using: &random)
                items.append(name + ":" + JSONValue.spaced(value.serialized(using: &random), using: &random))
            }
            return "{" + (items.isEmpty ? JSONValue.spaced("", using: &random) : items.joined(separator: ",")) + "}"
        }
    }

    static func spaced(_ text: String, using random: inout SeededRandom) -> String {
        let spaces = ["", "", "", " ", "\n", "\t", "\r", "  \n "]
        return spaces.randomElement(using: &random)! + text + spaces.randomElement(using: &random)!
    }

    static func quoted(_ text: String, using random: inout SeededRandom) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            if !mustEscape, Int.random(in: 0..<4, using: &random) > 0 {
                quoted.unicodeScalars.append(scalar)
            } else if scalar == "\n", Bool.random(using: &random) {
                quoted += "\\n"
            } else {
                for unit in UTF16.encode(scalar)! {
                    let digits = String(unit, radix: 16, uppercase: Bool.random(using: &random))
                    quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return quoted + "\""
    }
}

/// A plain recursive check of one JSON object, written apart from the scanner to disagree with it.
struct JSONChecker {
    private struct Refused: Error {}
    private var bytes: ArraySlice<UInt8>

    static func accepts(_ bytes: [UInt8]) -> Bool {
        var checker = JSONChecker(bytes: bytes[...])
        do {
            checker.space()
            guard checker.bytes.first == UInt8(ascii: "{") else { return false }
            try checker.value(0)
            checker.space()
            return checker.bytes.isEmpty
        } catch {
            return false
        }
    }

    private mutating func space() { bytes = bytes.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) } }

    private mutating func take(_ text: String) -> Bool {
        guard bytes.starts(with: text.utf8) else { return false }
        bytes = bytes.dropFirst(text.utf8.count)
        return true
    }

    private mutating func value(_ depth: Int) throws {
        if take("null") || take("true") || take("false") { return }
        switch bytes.first {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "["): try array(depth + 1)
        case UInt8(ascii: "{"): try object(depth + 1)
        default: try number()
        }
    }

    private mutating func array(_ depth: Int) throws {
        if depth > Limits.jsonDepthMax || !take("[") { throw Refused() }
        space()
        if take("]") { return }
        repeat {
            space()
            try value(depth)
            space()
        } while take(",")
        if !take("]") { throw Refused() }
    }

    private mutating func object(_ depth: Int) throws {
        if depth > Limits.jsonDepthMax || !take("{") { throw Refused() }
        space()
        if take("}") { return }
        var keys: Set<[UInt8]> = []
        repeat {
            space()
            if !keys.insert(try string()).inserted { throw Refused() }
            space()
            if !take(":") { throw Refused() }
            space()
            try value(depth)
            space()
        } while take(",")
        if !take("}") { throw Refused() }
    }

    private mutating func digits() throws {
        guard let first = bytes.first, (0x30...0x39).contains(first) else { throw Refused() }
        bytes = bytes.drop { (0x30...0x39).contains($0) }
    }

    private mutating func number() throws {
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
    }

    /// The bytes of the string, escapes decoded.
    private mutating func string() throws -> [UInt8] {
        if !take("\"") { throw Refused() }
        var text: [UInt8] = []
        while !take("\"") {
            guard let byte = bytes.popFirst(), byte >= 0x20 else { throw Refused() }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            var units = [try escape()]
            if UTF16.isLeadSurrogate(units[0]), take("\\") { units.append(try escape()) }
            guard let decoded = String(validating: units, as: UTF16.self) else { throw Refused() }
            text += Array(decoded.utf8)
        }
        return text
    }

    private mutating func escape() throws -> UInt16 {
        for (name, unit) in zip("\"\\/bfnrt", [0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9] as [UInt16]) where take(String(name))
        {
            return unit
        }
        guard take("u"), bytes.count >= 4 else { throw Refused() }
        let digits = bytes.prefix(4)
        bytes = bytes.dropFirst(4)
        guard digits.allSatisfy({ $0 < 0x80 && Character(Unicode.Scalar($0)).isHexDigit }) else { throw Refused() }
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)!
    }
}
