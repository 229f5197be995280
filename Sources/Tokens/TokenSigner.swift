internal import Base
internal import Wire

/// Signs tokens: for tests, small set-ups and a first look.
package struct TokenSigner: Sendable {
    private enum Material {
        case secret([UInt8])
        case privateKey(AsymmetricKey)
    }

    private let material: Material
    package let algorithm: SigningAlgorithm
    /// What its tokens name the key by.
    package var keyID: String?

    /// - Parameter algorithm: one of ``SigningAlgorithm/symmetric``.
    package init(secret: [UInt8], algorithm: SigningAlgorithm = .hs256) throws(TokenKeyError) {
        guard algorithm.isSymmetric else { throw TokenKeyError("\(algorithm.rawValue) needs a private key") }
        _ = try VerificationKey(secret: secret, algorithms: [algorithm])
        material = .secret(secret)
        self.algorithm = algorithm
    }

    /// A private key in PEM, which says the algorithm.
    package init(pem: [UInt8]) throws(TokenKeyError) {
        let key = try AsymmetricKey(pem: pem, isPrivate: true)
        material = .privateKey(key)
        algorithm = key.algorithm
    }

    /// Makes a token.
    package func token(_ claims: TokenClaims) -> String {
        var header = OutputBuffer()
        header.append(utf8: #"{"alg":"\#(algorithm.rawValue)","typ":"JWT""#)
        if let keyID {
            header.append(#","kid":"#)
            header.appendJSONString(keyID)
        }
        header.append("}")
        var payload = OutputBuffer()
        claims.write(to: &payload)
        return token(header: Array(header.unsafeBytes), payload: Array(payload.unsafeBytes))
    }

    /// Signs two parts as they are, right or wrong.
    package func token(header: [UInt8], payload: [UInt8]) -> String {
        var text = OutputBuffer()
        Base64.url.encode(header.span.bytes, to: &text)
        text.append(".")
        Base64.url.encode(payload.span.bytes, to: &text)
        let signature = sign(Array(text.unsafeBytes))
        text.append(".")
        Base64.url.encode(signature.span.bytes, to: &text)
        return String(decoding: text.unsafeBytes, as: UTF8.self)
    }

    private func sign(_ signed: [UInt8]) -> [UInt8] {
        let signature: [UInt8]? =
            switch material {
            case .secret(let secret): algorithm.mac(secret, signed)
            case .privateKey(let key): key.sign(signed)
            }
        guard let signature else { preconditionFailure("OpenSSL can't sign with a key that it took") }
        return signature
    }
}
