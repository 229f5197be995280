/// A JSON text, read the simple way: this is a check of the router's writer, so it shares no code with it.
indirect enum JSONValue: Equatable {
    case null
    case bool(Bool)
    case number(String)
    case text(String)
    case array([JSONValue])
    case object([(key: String, value: JSONValue)])

    /// Nil unless all of `bytes` are one JSON text.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var reader = JSONReader(bytes: bytes)
        guard let value = reader.value(), reader.isAtEnd else { return nil }
        self = value
    }

    subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        for member in members where member.key == key { return member.value }
        return nil
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var unsigned: UInt64? { if case .number(let digits) = self { UInt64(digits) } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var members: [(key: String, value: JSONValue)]? { if case .object(let members) = self { members } else { nil } }
    var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }

    static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)), (.text(let left), .text(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)):
            left.elementsEqual(right) { $0.key == $1.key && $0.value == $1.value }
        default: false
        }
    }
}

private struct JSONReader {
    let bytes: UnsafeRawBufferPointer
    var offset = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { offset == bytes.count }
    private var byte: UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    private mutating func skipSpace() {
        while byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { offset += 1 }
    }

    private mutating func take(_ wanted: Character) -> Bool {
        skipSpace()
        guard byte == wanted.asciiValue else { return false }
        offset += 1
        return true
    }

    mutating func value() -> JSONValue? {
        skipSpace()
        defer { skipSpace() }
        switch byte {
        case UInt8(ascii: "{"): return object()
        case UInt8(ascii: "["): return array()
        case UInt8(ascii: "\""): return string().map { .text($0) }
        case UInt8(ascii: "t"): return word("true", .bool(true))
        case UInt8(ascii: "f"): return word("false", .bool(false))
        case UInt8(ascii: "n"): return word("null", .null)
        default: return number()
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) -> JSONValue? {
        let end = offset + text.utf8CodeUnitCount
        guard end <= bytes.count else { return nil }
        for index in 0..<text.utf8CodeUnitCount where bytes[offset + index] != text.utf8Start[index] { return nil }
        offset = end
        return value
    }

    private mutating func number() -> JSONValue? {
        let start = offset
        while byte >= 0x30 && byte <= 0x39 || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(byte) { offset += 1 }
        guard offset > start else { return nil }
        return .number(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    private mutating func array() -> JSONValue? {
        guard take("[") else { return nil }
        var values: [JSONValue] = []
        if take("]") { return .array(values) }
        repeat {
            guard let value = value() else { return nil }
            values.append(value)
        } while take(",")
        return take("]") ? .array(values) : nil
    }

    private mutating func object() -> JSONValue? {
        guard take("{") else { return nil }
        var members: [(key: String, value: JSONValue)] = []
        members.reserveCapacity(12)
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard let key = string(), take(":"), let value = value() else { return nil }
            members.append((key, value))
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func string() -> String? {
        guard byte == UInt8(ascii: "\"") else { return nil }
        offset += 1
        let start = offset
        while offset < bytes.count, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") { return escapedString(from: start) }
            offset += 1
        }
        defer { offset += 1 }
        return offset < bytes.count ? String(decoding: bytes[start..<offset], as: UTF8.self) : nil
    }

    private mutating func escapedString(from start: Int) -> String? {
        var text: [UInt8] = Array(bytes[start..<offset])
        while offset < bytes.count, byte != UInt8(ascii: "\"") {
            let plain = byte
            offset += 1
            guard plain == UInt8(ascii: "\\") else {
                text.append(plain)
                continue
            }
            let kind = byte
            offset += 1
            switch kind {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "u"):
                // The simulation sends no escapes beyond one unit.
                let end = min(offset + 4, bytes.count)
                let digits = String(decoding: bytes[offset..<end], as: UTF8.self)
                guard let unit = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(unit) else { return nil }
                text.append(contentsOf: Array(String(Character(scalar)).utf8))
                offset = end
            default: text.append(kind)
            }
        }
        defer { offset += 1 }
        return offset < bytes.count ? String(decoding: text, as: UTF8.self) : nil
    }
}
