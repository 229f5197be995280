import Base
import Testing
import Wire

@testable import Tokens

/// What isn't believed, however it is signed.
struct AttackTests {
    private let good = #"{"sub":"alice"}"#

    private func signer(_ algorithm: SigningAlgorithm) throws -> TokenSigner {
        switch algorithm {
        case .rs256: try TokenSigner(pem: TestKeys.rsa)
        case .es256: try TokenSigner(pem: TestKeys.p256)
        case .edDSA: try TokenSigner(pem: TestKeys.ed25519)
        default: try TokenSigner(secret: secret, algorithm: algorithm)
        }
    }

    @Test("No letter of a token can be changed, left out or added", arguments: SigningAlgorithm.allCases)
    func tampering(_ algorithm: SigningAlgorithm) throws {
        let verifier = try verifier()
        let token = Array(try signer(algorithm).token(TokenClaims(subject: name("alice"))))
        #expect(verifier.verify(String(token), now: now)?.user == name("alice"))
        for index in token.indices {
            var bad = token
            bad[index] = bad[index] == "A" ? "B" : "A"
            #expect(verifier.verify(String(bad), now: now) == nil, "\(index)")
            #expect(verifier.verify(String(token[..<index]), now: now) == nil, "\(index)")
        }
        for ending in ["A", "=", ".", " ", "\n", "AA", "AAAA"] {
            #expect(verifier.verify(String(token) + ending, now: now) == nil, "\(ending)")
            #expect(verifier.verify(ending + String(token), now: now) == nil, "\(ending)")
        }
    }

    @Test("A good signature under the name of another algorithm is worth nothing")
    func renamed() throws {
        let verifier = try verifier()
        for real in SigningAlgorithm.allCases {
            for claimed in SigningAlgorithm.allCases.map(\.rawValue) + ["none", "None", "hs256", "RS384", "PS256", ""] {
                let header = Array(#"{"alg":"\#(claimed)"}"#.utf8)
                let token = try signer(real).token(header: header, payload: Array(good.utf8))
                #expect((verifier.verify(token, now: now) != nil) == (claimed == real.rawValue), "\(real) as \(claimed)")
            }
        }
    }

    @Test("Without a signature nothing is believed")
    func none() throws {
        let verifier = try verifier()
        for algorithm in ["none", "None", "NONE", "nOnE", "HS256", "RS256", "ES256", "EdDSA"] {
            let unsigned = base64(Array(#"{"alg":"\#(algorithm)"}"#.utf8)) + "." + base64(Array(good.utf8)) + "."
            #expect(verifier.verify(unsigned, now: now) == nil, "\(algorithm)")
        }
    }

    @Test("A public key is no secret: whoever signs by HMAC with it isn't believed")
    func confusion() throws {
        let forms = [TestKeys.rsaPublic, TestKeys.p256Public, TestKeys.ed25519Public]
        let verifier = TokenVerifier(keys: try forms.map { try VerificationKey(pem: $0) })
        for form in forms {
            for algorithm in SigningAlgorithm.symmetric {
                // As it stands, without the last line's end, and as DER.
                let inside = String(decoding: form, as: UTF8.self).split(separator: "\n").dropFirst().dropLast().joined()
                let der = Array(inside.utf8)
                let bytes = try #require({ Base64.standard.decode(der.span.bytes) }())
                for key in [form, form.dropLast(), bytes] {
                    let token = try TokenSigner(secret: key, algorithm: algorithm).token(
                        TokenClaims(subject: name("alice")))
                    #expect(verifier.verify(token, now: now) == nil)
                }
            }
        }
    }

    @Test("An ES256 signature of zeros, of numbers too large, in DER or of another length is refused")
    func ellipticSignatures() throws {
        let verifier = try verifier()
        let token = try signer(.es256).token(TokenClaims(subject: name("alice")))
        let parts = token.split(separator: ".")
        let signature = try decoded(String(parts[2]))
        // The order of P-256.
        let order: [UInt8] = [
            0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
            0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
        ]
        let zeros = [UInt8](repeating: 0, count: 32), most = [UInt8](repeating: 0xFF, count: 32)
        let first = Array(signature[..<32]), second = Array(signature[32...])
        let der = DER.sequence(DER.integer(first) + DER.integer(second))
        let bad = [
            zeros + zeros, first + zeros, zeros + second, order + second, first + order, most + most, order + order,
            der, signature + [0], [0] + signature, signature.dropLast(), first, [0] + first + [0] + second,
            second + first, [UInt8](repeating: 0, count: 4096),
        ]
        for signature in bad {
            #expect(verifier.verify("\(parts[0]).\(parts[1]).\(base64(signature))", now: now) == nil)
        }
        #expect(verifier.verify("\(parts[0]).\(parts[1]).\(base64(signature))", now: now) != nil)
    }

    @Test("A kid chooses among keys, it brings none")
    func keyIDs() throws {
        let set = #"{"keys":[{"kty":"oct","k":"\#(base64(secret))","kid":"a"},"#
            + #"{"kty":"oct","k":"\#(base64(Array("another secret, quite long".utf8)))","kid":"b"}]}"#
        let named = TokenVerifier(keys: try JSONWebKeySet.keys(Array(set.utf8)))
        let cases = [
            (#"{"alg":"HS256"}"#, true), (#"{"alg":"HS256","kid":"a"}"#, true), (#"{"alg":"HS256","kid":"b"}"#, false),
            (#"{"alg":"HS256","kid":"c"}"#, false), (#"{"alg":"HS256","kid":""}"#, false),
            (#"{"alg":"HS256","kid":"../../dev/null"}"#, false), (#"{"alg":"HS256","kid":1}"#, false),
            (#"{"alg":"HS256","kid":null}"#, false), (#"{"alg":"HS256","kid":["a"]}"#, false),
        ]
        for (header, isGood) in cases {
            #expect((named.verify(try signed(good, header: header), now: now) != nil) == isGood, "\(header)")
        }
        // A key that has no name is meant by any.
        #expect(try verifier().verify(try signed(good, header: #"{"alg":"HS256","kid":"c"}"#), now: now) != nil)
        // A key in the header is the sender's own.
        let own = #"{"alg":"HS256","jwk":{"kty":"oct","k":"\#(base64(secret))"},"jku":"http://127.0.0.1/"}"#
        let other = TokenVerifier(keys: [try VerificationKey(secret: Array("some other secret".utf8))])
        #expect(other.verify(try signed(good, header: own), now: now) == nil)
    }

    @Test("A header must be one JSON object, without a key twice and without crit")
    func headers() throws {
        let verifier = try verifier()
        let bad = [
            "", "{}", "null", "[]", "1", #""HS256""#, #"{"alg":null}"#, #"{"alg":["HS256"]}"#, #"{"alg":{"alg":"HS256"}}"#,
            #"{"alg":"HS256","alg":"HS256"}"#, #"{"alg":"none","alg":"HS256"}"#, #"{"alg":"HS256","\u0061lg":"none"}"#,
            #"{"alg":"HS256"} "alg""#, #"{"alg":"HS256"}{}"#, #"{"alg":"HS256","x":{"a":1,"a":2}}"#, #"{"alg":"HS256""#,
            #"{"alg":"HS256","crit":["exp"]}"#, #"{"alg":"HS256","crit":[]}"#, #"{"alg":"HS256","crit":null}"#,
            #"{"alg":"HS256","crit":["b64"],"b64":false}"#, #"{"Alg":"HS256"}"#, #"{'alg':'HS256'}"#,
            #"{"alg":"HS256","x":NaN}"#, "\u{FEFF}{\"alg\":\"HS256\"}",
        ]
        for header in bad { #expect(verifier.verify(try signed(good, header: header), now: now) == nil, "\(header)") }
        let broken = try TokenSigner(secret: secret).token(
            header: Array(#"{"alg":"HS256","x":""#.utf8) + [0xFF] + Array(#""}"#.utf8), payload: Array(good.utf8))
        #expect(verifier.verify(broken, now: now) == nil)
        let deep = #"{"alg":"HS256","x":"# + String(repeating: "[", count: 500) + String(repeating: "]", count: 500) + "}"
        #expect(verifier.verify(try signed(good, header: deep), now: now) == nil)
        for header in [#" { "\u0061lg" : "HS\u003256" , "typ":"at+jwt", "cty":"x" } "#, #"{"alg":"HS256","typ":"JWT"}"#] {
            #expect(verifier.verify(try signed(good, header: header), now: now) != nil, "\(header)")
        }
    }

    @Test("Base64url has one spelling: no padding, no other alphabet, no stray bits, no spaces")
    func spelling() throws {
        let verifier = try verifier()
        let token = try signed(good)
        let parts = token.split(separator: ".").map(String.init)
        #expect(verifier.verify(token, now: now) != nil)
        // The last letter of the signature has two bits of nothing.
        let last = try #require(parts[2].last)
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let index = try #require(letters.firstIndex(of: last))
        let stray = parts[2].dropLast() + String(letters[index ^ 1])
        let bad = [
            "\(parts[0]).\(parts[1]).\(stray)", "\(parts[0])=.\(parts[1]).\(parts[2])", token + "=", token + "==",
            "\(parts[0]).\(parts[1])\n.\(parts[2])", "\(parts[0]). \(parts[1]).\(parts[2])", token + "\0",
            parts.joined(separator: ".."), "\(parts[0]).\(parts[1])", "..", "...", ".", "", "a.b.c", token + "." + token,
            "\(parts[1]).\(parts[0]).\(parts[2])", token.uppercased(),
        ]
        for token in bad { #expect(verifier.verify(token, now: now) == nil, "\(token)") }
        let unusual = try signed(#"{"sub":"alice","x":"<<???>>~~~"}"#)
        let swapped = unusual.replacing("-", with: "+").replacing("_", with: "/")
        #expect(swapped != unusual && verifier.verify(unusual, now: now) != nil)
        #expect(verifier.verify(swapped, now: now) == nil)
    }

    @Test("A token has at most 8 KiB")
    func length() throws {
        let verifier = try verifier()
        let around = try signed(#"{"sub":"alice","x":""}"#).utf8.count
        for extra in [(8192 - around) * 3 / 4 - 2, 8192, 100_000] {
            let token = try signed(#"{"sub":"alice","x":"\#(String(repeating: "x", count: extra))"}"#)
            #expect((verifier.verify(token, now: now) != nil) == (token.utf8.count <= 8192), "\(token.utf8.count)")
        }
        #expect(verifier.verify(String(repeating: ".", count: 8192), now: now) == nil)
    }
}
