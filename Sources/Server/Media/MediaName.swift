internal import Base

/// The names and types that clients give their files, before they become part of an address or a field.
enum MediaName {
    private static let bytesMax = 128

    /// Key of an object: who uploads it, something nobody guesses, and a name that says what it is.
    static func key(of user: Identifier, random: String, name: String) -> String {
        // Clients would take a segment of dots for a way up.
        let owner = "\(user)".allSatisfy { $0 == "." } ? "_" : "\(user)"
        return "\(owner)/\(random)/\(sanitised(name))"
    }

    /// The last part of a path, with letters, digits, dots, hyphens and underscores alone, and its ending kept if it is
    /// too long.
    static func sanitised(_ name: String) -> String {
        let last = name.split { $0 == "/" || $0 == "\\" }.last ?? ""
        let plain = String(String.UnicodeScalarView(last.unicodeScalars.map { isPlain($0) ? $0 : "_" }))
        let trimmed = plain.drop { $0 == "." }
        guard !trimmed.isEmpty else { return "file" }
        guard trimmed.utf8.count > bytesMax else { return String(trimmed) }
        let dot = trimmed.lastIndex(of: ".") ?? trimmed.endIndex
        let ending = trimmed[dot...].utf8.count <= 16 ? String(trimmed[dot...]) : ""
        return start(of: trimmed[..<dot], bytes: bytesMax - ending.utf8.count) + ending
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case _ where [".", "_", "-"].contains(scalar): return true
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
            .spacingMark, .decimalNumber:
            return true
        default: return false
        }
    }

    private static func start(of text: Substring, bytes: Int) -> String {
        var start = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            guard count <= bytes else { break }
            start.append(scalar)
        }
        return String(start)
    }

    /// Whether this is a media type as a field may carry it: `type/subtype`, and parameters in plain ASCII.
    static func isMediaType(_ text: String) -> Bool {
        guard TextField.mediaType.bytes.contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
            !text.contains("  "), text.last != " "
        else { return false }
        let parts = text.prefix { $0 != ";" }.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isTokenByte) }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "+"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
