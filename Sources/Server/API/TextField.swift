internal import Base
internal import Wire

/// A text that the HTTP API takes outside of messages: how many bytes of UTF-8, and whether in lines. All of them are
/// here; that a text is UTF-8 is checked with the body or the target it stands in.
struct TextField: Sendable {
    /// As the client calls it.
    let name: String
    let bytes: ClosedRange<Int>
    /// Whether line feeds and tabs may stand in it; other controls never do.
    var hasLines = false

    /// An account has at most 64 characters besides; so those of many bytes don't make a name endless.
    static let accountName = TextField(name: "name", bytes: 1...256)
    static let email = TextField(name: "email", bytes: 3...254)
    static let groupName = TextField(name: "name", bytes: 1...256)
    static let fileName = TextField(name: "name", bytes: 1...1_024)
    static let mediaType = TextField(name: "type", bytes: 3...127)
    static let requestText = TextField(name: "text", bytes: 0...Limits.requestTextBytesMax, hasLines: true)
    static let userSearch = TextField(name: "q", bytes: 1...email.bytes.upperBound)
    static let messageSearch = TextField(name: "q", bytes: 1...256, hasLines: true)

    /// Refuses a text that is too long with `too_large`, one that is too short or has controls with `bad_request`.
    func validated(_ text: String) throws(APIError) -> String {
        guard text.utf8.count <= bytes.upperBound else {
            throw APIError(.tooLarge, "\(name) may have at most \(bytes.upperBound) bytes")
        }
        guard text.utf8.count >= bytes.lowerBound else {
            throw APIError(.badRequest, "\(name) must have at least \(bytes.lowerBound) bytes")
        }
        guard !text.unicodeScalars.contains(where: isRefused) else {
            throw APIError(.badRequest, "\(name) may not have control characters")
        }
        return text
    }

    private func isRefused(_ scalar: Unicode.Scalar) -> Bool {
        if hasLines, scalar == "\n" || scalar == "\r" || scalar == "\t" { return false }
        return [.control, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
    }
}
