internal import Wire

/// Reads the keys of a JWKS (RFC 7517, RFC 7518 section 6, RFC 8037).
///
/// What isn't for signatures, or of a kind or algorithm that isn't spoken here, is passed over, as the RFC asks. What
/// is spoken here and wrong makes the whole set wrong.
package enum JSONWebKeySet {
    /// Keys of a set: a token without a `kid` may be tried with each.
    package static let keysMax = 64

    /// All keys of a set that are for signatures spoken here; throws if there is none.
    package static func keys(_ text: [UInt8]) throws(TokenKeyError) -> [VerificationKey] {
        let elements = try read { () throws(EnvelopeError) in try JSONObject(text).array("keys") }
        guard let elements else { throw TokenKeyError("it has no array “keys”") }
        guard elements.count <= keysMax else { throw TokenKeyError("it has more than \(keysMax) keys") }
        var keys: [VerificationKey] = []
        for (index, element) in elements.enumerated() {
            do throws(TokenKeyError) {
                let object = try read { () throws(EnvelopeError) in try JSONObject(element) }
                if let key = try key(object) { keys.append(key) }
            } catch {
                throw TokenKeyError("key \(index + 1): \(error)")
            }
        }
        guard !keys.isEmpty else {
            throw TokenKeyError("it has no key for signatures by HS256, HS384, HS512, RS256, ES256 or EdDSA")
        }
        return keys
    }

    /// nil: to be passed over.
    private static func key(_ object: JSONObject) throws(TokenKeyError) -> VerificationKey? {
        if let use = try string("use", object), use != "sig" { return nil }
        let operations = try read { () throws(EnvelopeError) in try object.strings("key_ops") }
        if let operations, !operations.contains("verify") { return nil }
        guard let kind = try string("kty", object) else { throw TokenKeyError("kty is missing") }
        let possible: [SigningAlgorithm]
        switch (kind, try string("crv", object)) {
        case ("oct", _): possible = SigningAlgorithm.symmetric
        case ("RSA", _): possible = [.rs256]
        case ("EC", "P-256"): possible = [.es256]
        case ("OKP", "Ed25519"): possible = [.edDSA]
        default: return nil
        }
        let named = try string("alg", object)
        let algorithms = possible.filter { named == nil || named == $0.rawValue }
        guard !algorithms.isEmpty else { return nil }
        let id = try string("kid", object)
        if kind == "oct" {
            return try VerificationKey(secret: bytes("k", object), algorithms: algorithms, id: id)
        }
        guard !object.has("d") else { throw TokenKeyError("it is a private key: give the public half alone") }
        return VerificationKey(try AsymmetricKey(der: publicKey(algorithms[0], object)), id: id)
    }

    private static func publicKey(
        _ algorithm: SigningAlgorithm, _ object: JSONObject
    ) throws(TokenKeyError) -> [UInt8] {
        switch algorithm {
        case .rs256:
            let modulus = try bytes("n", object), exponent = try bytes("e", object)
            // A larger exponent only makes each check dear.
            guard exponent.count <= 8, modulus.count <= 1024 else { throw TokenKeyError("n or e is too long") }
            return DER.rsaKey(modulus: modulus, exponent: exponent)
        case .es256:
            return DER.p256Key(point: try bytes("x", object, count: 32) + bytes("y", object, count: 32))
        default: return DER.ed25519Key(try bytes("x", object, count: 32))
        }
    }

    /// A member in base64url.
    private static func bytes(
        _ name: String, _ object: JSONObject, count: Int? = nil
    ) throws(TokenKeyError) -> [UInt8] {
        let text = Array((try string(name, object) ?? "").utf8)
        let decoded = Base64.url.decode(text.span.bytes)
        guard let decoded, !decoded.isEmpty, count == nil || decoded.count == count else {
            throw TokenKeyError("\(name) is missing, or isn't base64url of its length")
        }
        return decoded
    }

    private static func string(_ name: String, _ object: JSONObject) throws(TokenKeyError) -> String? {
        try read { () throws(EnvelopeError) in try object.string(name) }
    }

    private static func read<Value>(_ body: () throws(EnvelopeError) -> Value) throws(TokenKeyError) -> Value {
        do throws(EnvelopeError) {
            return try body()
        } catch {
            throw TokenKeyError("it isn't the JSON of RFC 7517: \(error.reason)")
        }
    }
}
