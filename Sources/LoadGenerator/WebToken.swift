internal import COpenSSL

/// A JWT of HS256 (RFC 7519), as a router with `--jwt-secret` wants it.
package enum WebToken {
    /// A token that says nothing but who the user is, and doesn't expire: it lives as long as the test.
    package static func make(_ user: String, secret: String) throws -> String {
        let head = base64URL(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
        let body = base64URL(Array(#"{"sub":"\#(user)"}"#.utf8))
        let signed = Array("\(head).\(body)".utf8)
        let key = Array(secret.utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 32
        guard HMAC(EVP_sha256(), key, Int32(key.count), signed, signed.count, &digest, &length) != nil else {
            throw BenchError("OpenSSL can't sign a token")
        }
        return "\(head).\(body).\(base64URL(digest))"
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        var bits = 0
        var word = 0
        for byte in bytes {
            word = (word << 8 | Int(byte)) & 0xFFFF
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(letters[word >> bits & 63])
            }
        }
        if bits > 0 { text.append(letters[word << (6 - bits) & 63]) }
        return String(decoding: text, as: UTF8.self)
    }
}
