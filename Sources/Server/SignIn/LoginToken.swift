internal import Base
internal import Tokens
internal import Wire

/// One login: what `/api/login` made, or a JWT, as something that can be ended.
struct Login: Sendable, Equatable {
    /// A random number, or a hash that stands for a JWT.
    var id: UInt64
    /// Grows with each change of the account's password; nil of a JWT, which has none.
    var generation: UInt32?
    /// Milliseconds since the Unix epoch; nil of a JWT that doesn't end.
    var expires: UInt64?
    /// Seconds since the Unix epoch; 0 where nobody said: of an account's login, and of a JWT without `iat`.
    var issued: UInt64 = 0
}

/// Who a token speaks for, and by which login.
struct Credential: Sendable, Equatable {
    var user: Identifier
    /// nil where an id is believed without a token.
    var login: Login?
}

/// The tokens that `/api/login` gives: `sb1.` and base64url of login id, expiry, generation, user, and their
/// HMAC-SHA256. Nothing has to be looked up to believe one, so that signing in never waits.
struct LoginTokens: Sendable {
    private let key: [UInt8]

    private static let prefix = "sb1."
    private static let macBytes = 32
    /// Of login id, expiry and generation.
    private static let headBytes = 20

    init(key: [UInt8]) { self.key = key }

    /// Whether a text can be nothing but one of these tokens, good or not. An id is shorter.
    static func looksLikeToken(_ text: String) -> Bool {
        text.hasPrefix(prefix) && text.utf8.count > Identifier.bytesMax
    }

    /// - Parameter login: with a generation and an expiry.
    func mint(_ user: Identifier, _ login: Login) -> String {
        var output = OutputBuffer()
        output.append(littleEndian: login.id)
        output.append(littleEndian: login.expires ?? 0)
        output.append(littleEndian: login.generation ?? 0)
        user.withBytes { output.append($0) }
        let payload = Array(output.unsafeBytes)
        let signed = payload + mac(payload)
        var text = OutputBuffer()
        text.append(utf8: LoginTokens.prefix)
        Base64.url.encode(signed.span.bytes, to: &text)
        return String(decoding: text.unsafeBytes, as: UTF8.self)
    }

    /// Who a token speaks for; nil unless it was minted with this key and is good at `now`, in milliseconds since the
    /// Unix epoch.
    func verify(_ token: String, now: UInt64) -> Credential? {
        let bytesMax = LoginTokens.headBytes + Identifier.bytesMax + LoginTokens.macBytes
        guard token.hasPrefix(LoginTokens.prefix) else { return nil }
        let text = Array(token.utf8.dropFirst(LoginTokens.prefix.utf8.count))
        guard text.count <= Base64.url.encodedByteCount(bytesMax), let signed = Base64.url.decode(text.span.bytes),
            signed.count > LoginTokens.headBytes + LoginTokens.macBytes
        else { return nil }
        let payload = Array(signed.dropLast(LoginTokens.macBytes))
        guard Digests.areEqual(Array(signed.suffix(LoginTokens.macBytes)), mac(payload)) else { return nil }
        let head = payload.span.bytes
        let login = Login(
            id: UInt64(littleEndian: head.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            generation: UInt32(littleEndian: head.unsafeLoadUnaligned(fromByteOffset: 16, as: UInt32.self)),
            expires: UInt64(littleEndian: head.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        guard let expires = login.expires, now < expires,
            let user = Identifier(head.extracting(LoginTokens.headBytes..<payload.count))
        else { return nil }
        return Credential(user: user, login: login)
    }

    /// The prefix is part of what is signed: the key serves no other purpose, and another version says so here.
    private func mac(_ payload: [UInt8]) -> [UInt8] {
        Digests.hmacSHA256(key: key, Array(LoginTokens.prefix.utf8) + payload)
    }
}
