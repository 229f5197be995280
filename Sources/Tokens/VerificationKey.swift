/// What the signatures of tokens are checked with. Which algorithms it is for is the key's own matter, never the
/// token's.
package struct VerificationKey: Sendable {
    private enum Material {
        case secret([UInt8])
        case publicKey(AsymmetricKey)
    }

    private let material: Material
    package let algorithms: [SigningAlgorithm]
    /// What a token names it by; nil: a token needn't.
    package let id: String?

    /// A shared secret.
    package init(
        secret: [UInt8], algorithms: [SigningAlgorithm] = SigningAlgorithm.symmetric, id: String? = nil
    ) throws(TokenKeyError) {
        guard secret.count >= SigningAlgorithm.secretBytesMin else {
            throw TokenKeyError(
                "a secret must have at least \(SigningAlgorithm.secretBytesMin) bytes: shorter ones can be guessed")
        }
        material = .secret(secret)
        self.algorithms = algorithms
        self.id = id
    }

    /// A public key in PEM.
    package init(pem: [UInt8]) throws(TokenKeyError) {
        self.init(try AsymmetricKey(pem: pem, isPrivate: false), id: nil)
    }

    init(_ key: AsymmetricKey, id: String?) {
        material = .publicKey(key)
        algorithms = [key.algorithm]
        self.id = id
    }

    /// Whether a signature is right by an algorithm that this key is for.
    func isSignature(_ signature: [UInt8], of signed: [UInt8], by algorithm: SigningAlgorithm) -> Bool {
        guard algorithms.contains(algorithm) else { return false }
        switch material {
        case .secret(let secret):
            return algorithm.mac(secret, signed).map { Digests.areEqual(signature, $0) } ?? false
        case .publicKey(let key): return key.isSignature(signature, of: signed)
        }
    }
}
