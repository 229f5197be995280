package import Base

/// A token that is signed by a key that is believed, and good now.
package struct VerifiedToken: Sendable, Equatable {
    package var user: Identifier
    /// Stands for the token among those that were ended.
    package var id: UInt64
    /// Seconds since the Unix epoch; 0 if the token doesn't say.
    package var issued: UInt64
    /// When it isn't believed any more, in milliseconds since the Unix epoch; nil: always.
    package var expires: UInt64?
}

/// Tells which tokens are believed.
package struct TokenVerifier: Sendable {
    /// What a token must say besides the user.
    package struct Rules: Sendable {
        /// One of those that it is for; nil: that isn't looked at.
        package var audience: String?
        /// Who made it; nil: that isn't looked at.
        package var issuer: String?
        /// Seconds by which clocks may differ.
        package var leewaySeconds = 60

        package init() {}
    }

    private let keys: [VerificationKey]
    private let rules: Rules

    package init(keys: [VerificationKey], rules: Rules = Rules()) {
        self.keys = keys
        self.rules = rules
    }

    /// Whether a text has the three parts of a token, good or not.
    package static func looksLikeToken(_ text: String) -> Bool { text.utf8.count { $0 == UInt8(ascii: ".") } == 2 }

    /// Who a token speaks for; nil unless a key that is for its algorithm signed it and it is good at `now`, in
    /// milliseconds since the Unix epoch.
    package func verify(_ text: String, now: UInt64) -> VerifiedToken? {
        guard let token = JSONWebToken(text), isSigned(token), let claims = try? TokenClaims(token.payload),
            isGood(claims, seconds: Double(now) / 1000)
        else { return nil }
        let end = claims.expires.map { UInt64((($0 + Double(rules.leewaySeconds)) * 1000).rounded(.up)) }
        return VerifiedToken(
            user: claims.subject, id: TokenVerifier.id(of: token, claims), issued: UInt64(claims.issued ?? 0),
            expires: end)
    }

    private func isSigned(_ token: JSONWebToken) -> Bool {
        var candidates = keys.filter { $0.algorithms.contains(token.algorithm) }
        if let id = token.keyID {
            let named = candidates.filter { $0.id == id }
            candidates = named.isEmpty ? candidates.filter { $0.id == nil } : named
        }
        return candidates.contains { $0.isSignature(token.signature, of: token.signed, by: token.algorithm) }
    }

    private func isGood(_ claims: TokenClaims, seconds: Double) -> Bool {
        let leeway = Double(rules.leewaySeconds)
        if let expires = claims.expires, seconds >= expires + leeway { return false }
        if let begin = claims.notBefore, seconds < begin - leeway { return false }
        if let issued = claims.issued, seconds < issued - leeway { return false }
        if let audience = rules.audience, claims.audience?.contains(audience) != true { return false }
        if let issuer = rules.issuer, claims.issuer != issuer { return false }
        return true
    }

    /// What stands for a token: its `jti`, or else what is signed. Not its whole text, since a signature of ECDSA has
    /// two spellings.
    private static func id(of token: JSONWebToken, _ claims: TokenClaims) -> UInt64 {
        claims.id.map(id(ofTokenNamed:)) ?? hash("text", token.signed)
    }

    /// What stands for all tokens with a `jti`.
    package static func id(ofTokenNamed name: String) -> UInt64 { hash("jti", Array(name.utf8)) }

    private static func hash(_ kind: String, _ bytes: [UInt8]) -> UInt64 {
        Digests.sha256(Array(kind.utf8) + [0] + bytes)[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
