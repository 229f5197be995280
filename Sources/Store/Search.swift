package import Base

/// What a user looks for in the own conversations.
package struct SearchQuery: Sendable {
    package var user: Identifier
    /// Words as the user typed them.
    package var text: String
    /// nil for all conversations; who may look into this one is decided above the store.
    package var conversation: ConversationKey?
    /// Only messages with smaller ids; nil for the newest page.
    package var before: UInt64?
    package var limit: Int
    /// Whether the answer is none as long as the index is behind.
    package var waits: Bool

    package init(
        user: Identifier, text: String, conversation: ConversationKey?, before: UInt64?, limit: Int, waits: Bool
    ) {
        self.user = user
        self.text = text
        self.conversation = conversation
        self.before = before
        self.limit = limit
        self.waits = waits
    }

    /// Whether there is a word to look for.
    package var hasWords: Bool { SearchWords(text) != nil }
}

/// Messages that were found.
package struct SearchPage: Sendable {
    /// Oldest first.
    package var arena: RecordArena
    /// Whether there may be more that are older.
    package var more: Bool
    /// Where the next page goes on; 0 if there is none.
    package var before: UInt64
    /// Whether everything that was committed before the question was looked through.
    package var isComplete: Bool

    package init(arena: RecordArena, more: Bool, before: UInt64, isComplete: Bool) {
        self.arena = arena
        self.more = more
        self.before = before
        self.isComplete = isComplete
    }
}

/// The words of a search.
///
/// Scripts without spaces between words are taken apart into characters: a run of them is found where the same
/// characters stand in a row. Other words are found at the beginnings of words.
package struct SearchWords: Sendable {
    /// One word or run.
    package struct Term: Sendable, Equatable {
        package var text: String
        /// Whether it is a run of characters that are words of their own.
        package var isRun: Bool
        package var length: Int
    }

    package private(set) var terms: [Term] = []

    /// More words are left out.
    private static let termsMax = 16

    /// nil if there is no word in the text.
    package init?(_ text: String) {
        var word = String.UnicodeScalarView()
        var isRun = false
        func term() -> Term? {
            word.isEmpty ? nil : Term(text: String(word), isRun: isRun, length: word.count)
        }
        for scalar in text.unicodeScalars {
            let kind = Kind(scalar)
            if kind == .separator || (kind == .character) != isRun {
                if let term = term() { terms.append(term) }
                word.removeAll()
            }
            isRun = kind == .character
            if kind != .separator { word.append(SearchWords.folded(scalar)) }
        }
        if let term = term() { terms.append(term) }
        if terms.isEmpty { return nil }
        terms = Array(terms.prefix(SearchWords.termsMax))
    }

    /// What a scalar is in a text.
    package enum Kind {
        /// A word of its own, as in Chinese.
        case character
        /// Part of a word.
        case letter
        case separator

        package init(_ scalar: Unicode.Scalar) {
            if SearchWords.isCharacter(scalar.value) {
                self = .character
                return
            }
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
                .letterNumber, .otherNumber, .nonspacingMark, .spacingMark, .enclosingMark:
                self = .letter
            default: self = .separator
            }
        }
    }

    /// Han, kana, bopomofo and the syllables of Hangul.
    private static func isCharacter(_ value: UInt32) -> Bool {
        switch value {
        case 0x2E80...0x2FDF, 0x3005...0x3007, 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FC...0x30FF,
            0x3105...0x312F, 0x31A0...0x31BF, 0x31F0...0x31FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFF66...0xFF9D, 0x20000...0x3FFFD:
            true
        default: false
        }
    }

    /// Russians write е where ё is meant.
    package static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar {
        case "ё": "е"
        case "Ё": "Е"
        default: scalar
        }
    }
}
