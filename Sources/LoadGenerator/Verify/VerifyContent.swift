package import Base

/// Texts that a router might get wrong, and how two of them are compared.
package enum VerifyContent {
    private static let pieces = [
        "see you at noon", " ", "ok", "\"quoted\"", "back\\slash", "line\nbreak", "\ttab", "größer", "日本語", "/slash/",
        "👩‍👩‍👧 hi", "\u{7F}", "\u{2028}", "{\"cmd\":10}", "\"seq\":1", "…",
    ]

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
