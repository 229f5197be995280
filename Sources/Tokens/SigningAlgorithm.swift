/// How a token may be signed (RFC 7518, RFC 8037). `none` isn't among them.
package enum SigningAlgorithm: String, Sendable, CaseIterable {
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"
    case rs256 = "RS256"
    case es256 = "ES256"
    case edDSA = "EdDSA"

    /// Those that a shared secret is for.
    package static let symmetric: [SigningAlgorithm] = [.hs256, .hs384, .hs512]

    /// Whether both sides have the same key.
    var isSymmetric: Bool { SigningAlgorithm.symmetric.contains(self) }

    /// Bytes of a shared secret at least: less can be guessed.
    package static let secretBytesMin = 16

    /// The HMAC by this algorithm; nil if it has none.
    func mac(_ secret: [UInt8], _ signed: [UInt8]) -> [UInt8]? {
        switch self {
        case .hs256: Digests.hmacSHA256(key: secret, signed)
        case .hs384: Digests.hmacSHA384(key: secret, signed)
        case .hs512: Digests.hmacSHA512(key: secret, signed)
        case .rs256, .es256, .edDSA: nil
        }
    }
}

/// Why a key can't be used, in words for the operator.
package struct TokenKeyError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
