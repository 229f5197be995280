import Base
import Tokens

/// What the targets sign with, so that what lies behind a signature is reached.
private let signer: TokenSigner = {
    guard let signer = try? TokenSigner(secret: secret) else { fatalError("a good secret is refused") }
    return signer
}()
private let secret = Array("a secret of 16 bytes or more".utf8)
/// 2023-11-14.
private let now: UInt64 = 1_700_000_000_000

/// One key of each kind; the public ones are the examples of RFC 7515 and RFC 8037.
private let verifier: TokenVerifier = {
    let set = #"""
        {"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}
        """#
    guard let keys = try? JSONWebKeySet.keys(Array(set.utf8)), let own = try? VerificationKey(secret: secret) else {
        fatalError("good keys are refused")
    }
    return TokenVerifier(keys: keys + [own])
}()

/// The input is a token as it comes; a header and a payload, with a zero byte between, that are then signed; and a set
/// of keys, as JSON and as PEM.
@c(LLVMFuzzerTestOneInput)
public func fuzzTokens(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let input = FuzzInput(data, count) else { return 0 }
    let text = String(decoding: input.stream, as: UTF8.self)
    if let verified = verifier.verify(text, now: now) { check(verified, text) }
    let parts = input.stream.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    for header in [Array(parts[0]), Array(#"{"alg":"HS256"}"#.utf8)] {
        let token = signer.token(header: header, payload: Array(parts[parts.count - 1]))
        if let verified = verifier.verify(token, now: now) { check(verified, token) }
    }
    if let keys = try? JSONWebKeySet.keys(input.stream) {
        require(!keys.isEmpty && keys.count <= JSONWebKeySet.keysMax, "\(keys.count) keys")
        for key in keys { require(!key.algorithms.isEmpty, "a key for nothing") }
        _ = TokenVerifier(keys: keys).verify(text, now: now)
    }
    if let key = try? VerificationKey(pem: input.stream) {
        require(key.algorithms.count == 1, "a public key for \(key.algorithms)")
    }
    return 0
}

/// What is believed is good now, wouldn't be without its signature, and is the same however often one looks.
private func check(_ verified: VerifiedToken, _ token: String) {
    require(verifier.verify(token, now: now) == verified, "another look, another answer")
    require(Identifier(verified.user.description) == verified.user, "no id: \(verified.user)")
    require(verified.expires.map { $0 > now } ?? true, "believed after its end")
    if let end = verified.expires { require(verifier.verify(token, now: end) == nil, "believed at its end") }
    require(verifier.verify(token + "A", now: now) == nil, "believed with a letter more")
    require(verifier.verify(String(token.dropLast()), now: now) == nil, "believed with a letter less")
    require(TokenVerifier.looksLikeToken(token), "believed, but no token")
}
