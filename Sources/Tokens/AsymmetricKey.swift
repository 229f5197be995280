internal import COpenSSL

/// A public key, or a private one with its public half, of one of the kinds that tokens are signed with. Its kind says
/// the one algorithm that it is for.
///
/// Unchecked: OpenSSL counts the references of a key and guards what it caches in one; nothing here changes it.
final class AsymmetricKey: @unchecked Sendable {
    private let key: OpaquePointer
    let algorithm: SigningAlgorithm

    /// More than 2048 bits are for those who like them; what is beyond takes milliseconds a signature.
    private static let rsaBits = 2048...8192
    private static let es256Bytes = 64
    private static let signatureBytesMax = 8192 / 8

    /// A public key by its SubjectPublicKeyInfo.
    convenience init(der: [UInt8]) throws(TokenKeyError) {
        let key = der.withUnsafeBufferPointer { bytes in
            var next = bytes.baseAddress
            let key = d2i_PUBKEY(nil, &next, bytes.count)
            guard let key, next == bytes.baseAddress.map({ $0 + bytes.count }) else {
                EVP_PKEY_free(key)
                return OpaquePointer?.none
            }
            return key
        }
        guard let key else {
            ERR_clear_error()
            throw TokenKeyError("no public key")
        }
        self.init(key, try AsymmetricKey.takeOver(key))
    }

    /// The one key in a PEM text.
    convenience init(pem: [UInt8], isPrivate: Bool) throws(TokenKeyError) {
        let keys = AsymmetricKey.keys(inPEM: pem, arePrivate: isPrivate)
        guard keys.count == 1, let key = keys[0] else {
            for key in keys { EVP_PKEY_free(key) }
            let name = isPrivate ? "private" : "public"
            throw TokenKeyError(
                keys.isEmpty
                    ? "it holds no \(name) key in PEM (“-----BEGIN \(name.uppercased()) KEY-----”, without a password)"
                    : "it holds more than one key: give a file for each")
        }
        self.init(key, try AsymmetricKey.takeOver(key))
    }

    private static func keys(inPEM text: [UInt8], arePrivate: Bool) -> [OpaquePointer?] {
        guard text.count <= Int(Int32.max), let input = BIO_new_mem_buf(text, Int32(text.count)) else { return [] }
        defer {
            BIO_free(input)
            // The end of the text is an error too.
            ERR_clear_error()
        }
        // Nobody is there to be asked for a password.
        func noPassword(
            _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _: UnsafeMutableRawPointer?
        ) -> Int32 { -1 }
        var keys: [OpaquePointer?] = []
        while keys.count < 2 {
            let key =
                arePrivate
                ? PEM_read_bio_PrivateKey(input, nil, noPassword, nil)
                : PEM_read_bio_PUBKEY(input, nil, noPassword, nil)
            guard let key else { break }
            keys.append(key)
        }
        return keys
    }

    private init(_ key: OpaquePointer, _ algorithm: SigningAlgorithm) {
        self.key = key
        self.algorithm = algorithm
    }

    /// What a key is for. Frees it if it isn't a good one.
    private static func takeOver(_ key: OpaquePointer) throws(TokenKeyError) -> SigningAlgorithm {
        do throws(TokenKeyError) {
            return try check(key)
        } catch {
            EVP_PKEY_free(key)
            throw error
        }
    }

    private static func check(_ key: OpaquePointer) throws(TokenKeyError) -> SigningAlgorithm {
        let algorithm: SigningAlgorithm
        if EVP_PKEY_is_a(key, "RSA") == 1 {
            algorithm = .rs256
            let bits = Int(EVP_PKEY_get_bits(key))
            guard rsaBits.contains(bits) else {
                throw TokenKeyError(
                    "an RSA key must have \(rsaBits.lowerBound) to \(rsaBits.upperBound) bits, not \(bits)")
            }
        } else if EVP_PKEY_is_a(key, "EC") == 1 {
            algorithm = .es256
            var name = [CChar](repeating: 0, count: 64)
            var count = 0
            guard EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1,
                name[..<count].elementsEqual("prime256v1".utf8.map { CChar($0) })
            else { throw TokenKeyError("an elliptic curve must be P-256 (ES256)") }
        } else if EVP_PKEY_is_a(key, "ED25519") == 1 {
            algorithm = .edDSA
        } else {
            throw TokenKeyError("a key must be RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)")
        }
        let context = EVP_PKEY_CTX_new(key, nil)
        defer {
            EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        guard EVP_PKEY_public_check(context) == 1 else { throw TokenKeyError("the key isn't a valid one of its kind") }
        return algorithm
    }

    deinit { EVP_PKEY_free(key) }

    /// Ed25519 brings its own.
    private var digest: OpaquePointer? { algorithm == .edDSA ? nil : EVP_sha256() }

    /// Whether `signature`, in the form that tokens have it, is this key's of `signed`.
    func isSignature(_ signature: [UInt8], of signed: [UInt8]) -> Bool {
        let encoded: [UInt8]
        switch algorithm {
        case .es256:
            // RFC 7518, 3.4: both numbers in full length, one behind the other.
            guard signature.count == AsymmetricKey.es256Bytes else { return false }
            encoded = DER.sequence(DER.integer(signature[..<32]) + DER.integer(signature[32...]))
        default:
            guard signature.count == Int(EVP_PKEY_get_size(key)) else { return false }
            encoded = signature
        }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        guard EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1 else { return false }
        return EVP_DigestVerify(context, encoded, encoded.count, signed, signed.count) == 1
    }

    /// The signature of a private key, in the form that tokens have it; nil of a public one.
    func sign(_ signed: [UInt8]) -> [UInt8]? {
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer {
            EVP_MD_CTX_free(context)
            ERR_clear_error()
        }
        var signature = [UInt8](repeating: 0, count: AsymmetricKey.signatureBytesMax)
        var count = signature.count
        guard EVP_DigestSignInit(context, nil, digest, nil, key) == 1,
            EVP_DigestSign(context, &signature, &count, signed, signed.count) == 1
        else { return nil }
        signature.removeLast(signature.count - count)
        return algorithm == .es256 ? AsymmetricKey.numbers(ofSignature: signature) : signature
    }

    /// The two numbers of an ECDSA signature in DER.
    private static func numbers(ofSignature der: [UInt8]) -> [UInt8]? {
        let decoded = der.withUnsafeBufferPointer { bytes in
            var next = bytes.baseAddress
            return d2i_ECDSA_SIG(nil, &next, bytes.count)
        }
        guard let decoded else { return nil }
        defer { ECDSA_SIG_free(decoded) }
        var numbers = [UInt8](repeating: 0, count: es256Bytes)
        let isWhole = numbers.withUnsafeMutableBufferPointer { room in
            guard let start = room.baseAddress else { return false }
            return BN_bn2binpad(ECDSA_SIG_get0_r(decoded), start, 32) == 32
                && BN_bn2binpad(ECDSA_SIG_get0_s(decoded), start + 32, 32) == 32
        }
        return isWhole ? numbers : nil
    }
}
