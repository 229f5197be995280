internal import Base
internal import Wire

/// What may stand in an account.
enum AccountRules {
    private static let nameCharacters = 1...64

    /// As it was typed: whether mail arrives there is all that could prove more.
    static func email(_ text: String) throws(APIError) -> String {
        let text = try TextField.email.validated(text)
        let sides = text.split(separator: "@", omittingEmptySubsequences: false)
        guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty,
            !text.unicodeScalars.contains(where: \.properties.isWhitespace)
        else { throw APIError(.badRequest, "email must be an address like anna@example.org") }
        return text
    }

    static func name(_ text: String) throws(APIError) -> String {
        let text = try TextField.accountName.validated(text)
        guard nameCharacters.contains(text.count), !text.unicodeScalars.allSatisfy(\.properties.isWhitespace) else {
            throw APIError(.badRequest, "name must have 1 to 64 characters")
        }
        return text
    }

    /// One that is to be set.
    static func newPassword(_ text: String) throws(APIError) -> String {
        guard PasswordHash.passwordBytes.contains(text.utf8.count) else {
            let bytes = PasswordHash.passwordBytes
            throw APIError(.badRequest, "a password must have \(bytes.lowerBound) to \(bytes.upperBound) bytes")
        }
        return text
    }

    /// One that is to be checked: what can be no password of any account is just wrong.
    static func password(_ text: String) throws(APIError) -> String {
        guard text.utf8.count <= PasswordHash.passwordBytes.upperBound else {
            throw APIError(.badRequest, "a password has at most \(PasswordHash.passwordBytes.upperBound) bytes")
        }
        return text
    }

    /// The id of a user who didn't choose one.
    static func randomID() -> Identifier {
        guard let id = Identifier("u" + String(UInt64.random(in: .min ... .max), radix: 36)) else {
            preconditionFailure("letters and digits make an id")
        }
        return id
    }
}
