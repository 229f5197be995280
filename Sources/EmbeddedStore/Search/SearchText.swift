internal import Base
internal import Store
internal import Wire

/// What the full-text index is given: texts in which its tokenizer finds the words, the owners of a message as words
/// that nobody can type, and questions in its language.
enum SearchText {
    /// Raised when texts are prepared in another way than before: the index is then made anew.
    static let version: UInt64 = 1
    /// How much of one message is indexed.
    private static let bytesMax = 32 << 10

    /// The text of a message; nil if it has none.
    static func text(_ form: UInt8, _ body: UnsafeRawBufferPointer, envelope: Envelope) -> String? {
        guard let form = BodyForm(rawValue: form) else { return nil }
        guard form.isCompressed else { return text(form, RawSpan(_unsafeBytes: body), envelope) }
        var inflated = OutputBuffer()
        guard (try? LZ4Body.decompress(RawSpan(_unsafeBytes: body), to: &inflated)) != nil else { return nil }
        return text(form, RawSpan(_unsafeBytes: inflated.unsafeBytes), envelope)
    }

    private static func text(_ form: BodyForm, _ bytes: RawSpan, _ envelope: Envelope) -> String? {
        switch form.contentType {
        case .opaque: return nil
        case .text: return bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        case .members:
            guard (try? envelope.scanMembers(bytes)) != nil, envelope.token(.encoding) == nil else { return nil }
            return (try? envelope.string(.content, in: bytes)) ?? nil
        }
    }

    /// A text as it goes into the index.
    static func prepared(_ text: String) -> String {
        var output = String.UnicodeScalarView()
        var bytes = 0
        for scalar in text.unicodeScalars {
            bytes += UTF8.width(scalar)
            if bytes > bytesMax { break }
            switch SearchWords.Kind(scalar) {
            case .letter: output.append(SearchWords.folded(scalar))
            case .character:
                output.append(" ")
                output.append(scalar)
                output.append(" ")
            case .separator: output.append(" ")
            }
        }
        return String(output)
    }

    // MARK: Owners

    /// A character for private use, which no text brings into the index.
    private static let mark = "\u{E000}"

    static func user(_ number: UInt64) -> String { "\(mark)u\(number)" }
    static func conversation(_ number: UInt64) -> String { "\(mark)c\(number)" }

    // MARK: Questions

    /// Words shorter than this must be whole words: too many begin with one letter.
    private static let prefixLengthMin = 2

    /// A question for messages that have all words and one of the owners.
    static func question(_ words: SearchWords, of owners: [String]) -> String {
        let terms = words.terms.map { term in
            guard !term.isRun else { return quoted(term.text.unicodeScalars.map { String($0) }.joined(separator: " ")) }
            return quoted(term.text) + (term.length >= prefixLengthMin ? " *" : "")
        }
        let places = owners.map(quoted).joined(separator: " OR ")
        return "content : (\(terms.joined(separator: " AND "))) AND place : (\(places))"
    }

    /// Words and owners have no quotation marks.
    private static func quoted(_ text: String) -> String { "\"\(text)\"" }
}
