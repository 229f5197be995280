import Base
import Testing
import Wire

@testable import Tokens

/// What all tokens here are judged at: 1,700,000,000 s.
let now: UInt64 = 1_700_000_000_000
let secret = Array("a secret of 16 bytes or more".utf8)

func name(_ text: String) -> Identifier {
    guard let identifier = Identifier(text) else { fatalError("\(text) is not an identifier") }
    return identifier
}

func base64(_ bytes: [UInt8]) -> String {
    var output = OutputBuffer()
    Base64.url.encode(bytes.span.bytes, to: &output)
    return String(decoding: output.unsafeBytes, as: UTF8.self)
}

func decoded(_ text: String) throws -> [UInt8] {
    let bytes = Array(text.utf8)
    let decoded = Base64.url.decode(bytes.span.bytes)
    return try #require(decoded)
}

/// A verifier with one key of each kind: the secret, and the public halves of ``TestKeys``.
func verifier(_ rules: TokenVerifier.Rules = .init()) throws -> TokenVerifier {
    TokenVerifier(
        keys: [
            try VerificationKey(secret: secret), try VerificationKey(pem: TestKeys.rsaPublic),
            try VerificationKey(pem: TestKeys.p256Public), try VerificationKey(pem: TestKeys.ed25519Public),
        ], rules: rules)
}

/// A token of any text, signed rightly.
func signed(_ payload: String, header: String = #"{"alg":"HS256"}"#) throws -> String {
    try TokenSigner(secret: secret).token(header: Array(header.utf8), payload: Array(payload.utf8))
}
