internal import COpenSSL

/// The digests that signing needs, by OpenSSL.
package enum Digests {
    /// 16 bytes; for the sign-in that is made of it, and nothing else.
    package static func md5(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 16)
        precondition(EVP_Digest(bytes, bytes.count, &digest, nil, EVP_md5(), nil) == 1, "no MD5 in this OpenSSL")
        return digest
    }

    /// 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        precondition(EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil) == 1, "no SHA-256 in this OpenSSL")
        return digest
    }

    /// 32 bytes.
    package static func hmacSHA256(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        hmac(EVP_sha256(), bytes: 32, key: key, bytes)
    }

    /// 48 bytes.
    package static func hmacSHA384(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        hmac(EVP_sha384(), bytes: 48, key: key, bytes)
    }

    /// 64 bytes.
    package static func hmacSHA512(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        hmac(EVP_sha512(), bytes: 64, key: key, bytes)
    }

    private static func hmac(
        _ function: OpaquePointer?, bytes byteCount: Int, key: [UInt8], _ bytes: [UInt8]
    ) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        var count = UInt32(byteCount)
        let result = HMAC(function, key, Int32(key.count), bytes, bytes.count, &digest, &count)
        precondition(result != nil && count == byteCount, "no SHA-2 in this OpenSSL")
        return digest
    }

    /// In lower case.
    package static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Compares in a time that doesn't tell where they differ.
    package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }
}
