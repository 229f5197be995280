import Testing

@testable import Tokens

/// Which keys are taken, and what for.
struct KeyTests {
    private func keys(_ set: String) throws -> [VerificationKey] { try JSONWebKeySet.keys(Array(set.utf8)) }

    private static let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    private static let px = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
    private static let py = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    private static let k = "AyM1SysPpbyDfgZld3umjw"
    private static let ed = #""kty":"OKP","crv":"Ed25519","x":"\#(x)""#
    private static let ec = #""kty":"EC","crv":"P-256","x":"\#(px)","y":"\#(py)""#

    @Test("PEM: the kind of a key says its algorithm")
    func pem() throws {
        #expect(try VerificationKey(pem: TestKeys.rsaPublic).algorithms == [.rs256])
        #expect(try VerificationKey(pem: TestKeys.p256Public).algorithms == [.es256])
        #expect(try VerificationKey(pem: TestKeys.ed25519Public).algorithms == [.edDSA])
        #expect(try TokenSigner(pem: TestKeys.rsa).algorithm == .rs256)
    }

    @Test("PEM: short RSA, other curves, private keys, several keys and no keys are refused")
    func wrongPEM() throws {
        let text = String(decoding: TestKeys.p256Public, as: UTF8.self)
        let wrong = [
            TestKeys.smallRSA, TestKeys.p384, TestKeys.rsa, TestKeys.ed25519, TestKeys.rsaPublic + TestKeys.p256Public,
            [], Array("hello".utf8), Array(text.dropLast(40).utf8), Array(text.replacing("MFkw", with: "MFkx").utf8),
            [UInt8](repeating: 0, count: 10_000),
        ]
        for pem in wrong { #expect(throws: TokenKeyError.self) { try VerificationKey(pem: pem) } }
        for pem in [TestKeys.rsaPublic, TestKeys.locked, [], TestKeys.rsa + TestKeys.p256] {
            #expect(throws: TokenKeyError.self) { try TokenSigner(pem: pem) }
        }
    }

    @Test("A set gives its keys for signatures with their names, and leaves others out")
    func set() throws {
        let found = try keys(
            """
            {"keys":[{\(KeyTests.ed),"kid":"a","use":"sig","alg":"EdDSA","x5t":"?"},
              {\(KeyTests.ec),"key_ops":["verify"]},
              {"kty":"oct","k":"\(KeyTests.k)","alg":"HS384"}, {"kty":"oct","k":"\(KeyTests.k)"},
              {\(KeyTests.ec),"use":"enc"}, {\(KeyTests.ed),"key_ops":["sign"]}, {\(KeyTests.ed),"alg":"ES256"},
              {"kty":"RSA","alg":"RSA-OAEP","use":"enc","n":"","e":""}, {"kty":"EC","crv":"P-521"}, {"kty":"new"},
              {"kty":"RSA","alg":"PS256","n":"AQAB","e":"AQAB"}, {"kty":"oct","k":"AA","alg":"A128KW"}],
             "more":1}
            """)
        #expect(found.map(\.algorithms) == [[.edDSA], [.es256], [.hs384], SigningAlgorithm.symmetric])
        #expect(found.map(\.id) == ["a", nil, nil, nil])
    }

    @Test("A key of a set that can't be right makes the set wrong")
    func wrongSets() {
        let zeros = String(repeating: "A", count: 43)
        let wrong = [
            #"{"kty":"OKP","crv":"Ed25519"}"#, #"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
            #"{"kty":"OKP","crv":"Ed25519","x":"\#(KeyTests.x)="}"#, #"{"kty":"OKP","crv":"Ed25519","x":1}"#,
            #"{"kty":"EC","crv":"P-256","x":"\#(KeyTests.px)"}"#,
            // Not on the curve.
            #"{"kty":"EC","crv":"P-256","x":"\#(KeyTests.px)","y":"\#(KeyTests.px)"}"#,
            #"{"kty":"EC","crv":"P-256","x":"\#(zeros)","y":"\#(zeros)"}"#,
            #"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, #"{"kty":"RSA","e":"AQAB"}"#,
            #"{"kty":"RSA","n":"\#(String(repeating: "_", count: 342))","e":"AQ"}"#,
            #"{"kty":"RSA","n":"\#(String(repeating: "_", count: 342))","e":"AgAA"}"#,
            #"{"kty":"RSA","n":"\#(String(repeating: "_", count: 100_000))","e":"AQAB"}"#,
            #"{"kty":"oct","k":"AyM1SysPpbyDfgZld3um"}"#, #"{"kty":"oct"}"#, #"{"kty":"oct","k":"a b"}"#, "{}", "1",
            #"{\#(KeyTests.ed),"d":"\#(KeyTests.x)"}"#, #"{\#(KeyTests.ed),"kid":1}"#, #"{\#(KeyTests.ed),"alg":1}"#,
            #"{\#(KeyTests.ed),"kty":"OKP"}"#, #"{\#(KeyTests.ed),"use":["sig"]}"#,
        ]
        for key in wrong {
            #expect(throws: TokenKeyError.self, "\(key.prefix(90))") { try keys(#"{"keys":[{\#(KeyTests.ed)},\#(key)]}"#) }
        }
        let many = Array(repeating: "{\(KeyTests.ed)}", count: 65).joined(separator: ",")
        for set in [
            "", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"kty":"new"}]}"#, #"{"keys":[{\#(KeyTests.ed)}]"#,
            #"{"keys":[{\#(KeyTests.ed)}],"keys":[]}"#, #"{"keys":[\#(many)]}"#, "{\(KeyTests.ed)}",
        ] {
            #expect(throws: TokenKeyError.self, "\(set.prefix(90))") { try keys(set) }
        }
    }
}
