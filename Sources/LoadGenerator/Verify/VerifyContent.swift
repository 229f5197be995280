package import Base

/// Texts that a router might get wrong, and how two of them are compared.
package enum VerifyContent {
    private static let pieces = [
        "see you at noon", " ", "ok", "\"quoted\"", "back\\slash", "line\nbreak", "\ttab", "größer", "日本語", "/slash/",
        "👩‍👩‍👧 hi", "\u{7F}", "\u{2028}", "{\"cmd\":10}", "\"seq\":1", "…",
    ]

    /// What stands in front of a text so that whoever sees no `cid` knows its number.
    static func mark(_ number: UInt64) -> String { "#\(number) " }

    /// The number that a text begins with, as ``mark(_:)`` wrote it; nil if it begins otherwise.
    static func number(markedIn text: String) -> String? {
        guard text.hasPrefix("#"), let end = text.firstIndex(of: " ") else { return nil }
        return String(text[text.index(after: text.startIndex)..<end])
    }

    /// Mostly short, some of 4 KiB, a few of 60.
    package static func make(_ random: inout SeededRandom) -> String {
        let size =
            switch Int.random(in: 0..<1_000, using: &random) {
            case 0..<940: Int.random(in: 0...200, using: &random)
            case 940..<995: 4_096
            default: 60_000
            }
        var text = ""
        while text.utf8.count < size { text += pieces[Int.random(in: 0..<pieces.count, using: &random)] }
        return text
    }

    /// FNV-1a of the UTF-8.
    package static func digest(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
