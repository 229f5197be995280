package import Base
internal import FoundationEssentials
internal import Wire

/// HS256 tokens (RFC 7519, RFC 7515): minted for tests and small set-ups, verified at sign-in.
package struct JSONWebTokens: Sendable {
    private let secret: [UInt8]
    /// Seconds by which clocks may differ.
    private static let leewaySeconds: Double = 30
    private static let tokenBytesMax = 8 << 10

    package init(secret: String) { self.secret = Array(secret.utf8) }

    private struct Header: Codable {
        var alg: String
        var typ: String?
        var crit: [String]?
    }

    private struct Claims: Codable {
        var sub: String
        var exp: Double?
        var nbf: Double?
        var iat: Double?
    }

    /// Makes a token for a user.
    ///
    /// - Parameters:
    ///   - now: milliseconds since the Unix epoch.
    ///   - seconds: how long it is good for.
    package func mint(_ user: Identifier, now: UInt64, seconds: UInt64) -> String {
        let issued = Double(now / 1000)
        let claims = Claims(sub: user.description, exp: issued + Double(seconds), nbf: nil, iat: issued)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let head = try? encoder.encode(Header(alg: "HS256", typ: "JWT")), let body = try? encoder.encode(claims)
        else { preconditionFailure("strings and numbers encode") }
        let signed = base64(Array(head)) + "." + base64(Array(body))
        return signed + "." + base64(Digests.hmacSHA256(key: secret, Array(signed.utf8)))
    }

    /// Whether a text has the three parts of a token, good or not.
    static func looksLikeToken(_ text: String) -> Bool { text.count { $0 == "." } == 2 }

    /// Who a token speaks for; nil unless it is signed with the secret by HS256 and good now.
    func verify(_ token: String, now: UInt64) -> Credential? {
        guard token.utf8.count <= JSONWebTokens.tokenBytesMax else { return nil }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let head = decode(parts[0]), let body = decode(parts[1]),
            let signature = decode(parts[2])
        else { return nil }
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        guard Digests.areEqual(signature, Digests.hmacSHA256(key: secret, signed)) else { return nil }
        let decoder = JSONDecoder()
        guard let header = try? decoder.decode(Header.self, from: Data(head)), header.alg == "HS256",
            header.crit == nil, let claims = try? decoder.decode(Claims.self, from: Data(body))
        else { return nil }
        let seconds = Double(now) / 1000
        if let exp = claims.exp, seconds >= exp + JSONWebTokens.leewaySeconds { return nil }
        if let nbf = claims.nbf, seconds < nbf - JSONWebTokens.leewaySeconds { return nil }
        guard let user = Identifier(claims.sub) else { return nil }
        return Credential(user: user, login: JSONWebTokens.login(token, expires: claims.exp))
    }

    /// A JWT has no login behind it; what can be ended is this very text, which has but one spelling.
    private static func login(_ token: String, expires: Double?) -> Login {
        let digest = Digests.sha256(Array(token.utf8))
        let id = digest.span.bytes.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)
        let end = expires.flatMap { UInt64(exactly: (($0 + leewaySeconds) * 1000).rounded(.up)) }
        return Login(id: id, generation: nil, expires: end)
    }

    private func base64(_ bytes: [UInt8]) -> String {
        var output = OutputBuffer()
        Base64.url.encode(bytes.span.bytes, to: &output)
        return String(decoding: output.unsafeBytes, as: UTF8.self).trimmingSuffix("=")
    }

    private func decode(_ text: Substring) -> [UInt8]? {
        let bytes = Array(text.utf8)
        return Base64.url.decode(bytes.span.bytes)
    }
}

extension String {
    /// Without the padding that tokens leave out (RFC 7515, section 2).
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = self
        while text.last == character { text.removeLast() }
        return text
    }
}
