/// As much of ASN.1's DER as keys and signatures are written in (X.690).
enum DER {
    static func sequence(_ parts: [UInt8]) -> [UInt8] { element(0x30, parts) }

    /// A number of at least 0, from its bytes with the most significant first.
    static func integer(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let digits = Array(bytes.drop { $0 == 0 })
        // The first bit is the sign.
        return element(0x02, digits.first.map { $0 < 0x80 } ?? false ? digits : [0] + digits)
    }

    static func bitString(_ bytes: [UInt8]) -> [UInt8] { element(0x03, [0] + bytes) }

    private static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        if content.count < 0x80 { return [tag, UInt8(content.count)] + content }
        var length: [UInt8] = []
        var rest = content.count
        while rest > 0 {
            length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }

    // MARK: Keys (SubjectPublicKeyInfo, RFC 5280)

    /// 1.2.840.113549.1.1.1 and NULL.
    private static let rsa: [UInt8] = sequence([
        0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
    ])
    /// 1.2.840.10045.2.1 and 1.2.840.10045.3.1.7.
    private static let p256: [UInt8] = sequence([
        0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
        0x03, 0x01, 0x07,
    ])
    /// 1.3.101.112.
    private static let ed25519: [UInt8] = sequence([0x06, 0x03, 0x2B, 0x65, 0x70])

    static func rsaKey(modulus: [UInt8], exponent: [UInt8]) -> [UInt8] {
        sequence(rsa + bitString(sequence(integer(modulus) + integer(exponent))))
    }

    /// - Parameter point: both coordinates, 32 bytes each.
    static func p256Key(point: [UInt8]) -> [UInt8] { sequence(p256 + bitString([0x04] + point)) }

    static func ed25519Key(_ bytes: [UInt8]) -> [UInt8] { sequence(ed25519 + bitString(bytes)) }
}
