import Base
import Testing
import Wire

@testable import Tokens

/// The examples of the RFCs.
struct VectorTests {
    private static let payload =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    private static let modulus =
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
        + "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2"
        + "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD"
        + "TW9gb54h4FRWyuXpoQ"
    private static let rsaSignature =
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
        + "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
        + "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
        + "cN_IoypGlUPQGe77Rw"

    struct Vector: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let algorithm: SigningAlgorithm
        let key: String
        let signed: String
        let signature: String
    }

    static let vectors = [
        Vector(
            testDescription: "RFC 7515, A.1", algorithm: .hs256,
            key: #"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            signed: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + payload,
            signature: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        Vector(
            testDescription: "RFC 7515, A.2", algorithm: .rs256, key: #"{"kty":"RSA","n":"\#(modulus)","e":"AQAB"}"#,
            signed: "eyJhbGciOiJSUzI1NiJ9." + payload, signature: rsaSignature),
        Vector(
            testDescription: "RFC 7515, A.3", algorithm: .es256,
            key: #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#
                + #""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            signed: "eyJhbGciOiJFUzI1NiJ9." + payload,
            signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
        Vector(
            testDescription: "RFC 8037, A.4", algorithm: .edDSA,
            key: #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            signed: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            signature: "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
    ]

    @Test("The signatures of the RFCs' examples are right, and with any byte changed they aren't", arguments: vectors)
    func vector(_ vector: Vector) throws {
        let keys = try JSONWebKeySet.keys(Array(#"{"keys":[\#(vector.key)]}"#.utf8))
        let key = try #require(keys.first)
        #expect(keys.count == 1 && key.algorithms.contains(vector.algorithm))
        let signed = Array(vector.signed.utf8), signature = try decoded(vector.signature)
        #expect(key.isSignature(signature, of: signed, by: vector.algorithm))
        for index in signature.indices {
            var bad = signature
            bad[index] ^= 1
            #expect(!key.isSignature(bad, of: signed, by: vector.algorithm), "\(index)")
            #expect(!key.isSignature(Array(signature[..<index]), of: signed, by: vector.algorithm), "\(index)")
        }
        for bad in [signature + [0], [0] + signature, [], [UInt8](repeating: 0, count: signature.count)] {
            #expect(!key.isSignature(bad, of: signed, by: vector.algorithm))
        }
        #expect(!key.isSignature(signature, of: signed + [0], by: vector.algorithm))
        // The one key for HMAC is for its longer forms too.
        for other in SigningAlgorithm.allCases where other != vector.algorithm {
            #expect(!key.isSignature(signature, of: signed, by: other))
            #expect(key.algorithms.contains(other) == (vector.algorithm == .hs256 && other.isSymmetric))
        }
    }

    @Test("HMAC of RFC 4231, case 2")
    func longerMACs() {
        let key = Array("Jefe".utf8), text = Array("what do ya want for nothing?".utf8)
        #expect(
            Digests.hexadecimal(Digests.hmacSHA384(key: key, text))
                == "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649")
        #expect(
            Digests.hexadecimal(Digests.hmacSHA512(key: key, text))
                == "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
                + "caeab1a34d4a6b4b636e070a38bce737")
    }

    @Test("MD5 of the examples in RFC 1321, A.5")
    func md5() {
        let examples = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ]
        for (text, digest) in examples { #expect(Digests.hexadecimal(Digests.md5(Array(text.utf8))) == digest) }
    }
}
