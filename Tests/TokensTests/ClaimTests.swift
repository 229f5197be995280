import Base
import Testing

@testable import Tokens

/// What a token that is signed rightly says, and whether it counts.
struct ClaimTests {
    private func verify(_ payload: String, _ rules: TokenVerifier.Rules = .init(), at instant: UInt64 = now) throws
        -> VerifiedToken?
    {
        try verifier(rules).verify(try signed(payload), now: instant)
    }

    @Test("A subject must be a user id, and the payload one JSON object")
    func subjects() throws {
        let bad = [
            "", "{}", "[]", "null", #""alice""#, #"{"sub":""}"#, #"{"sub":"a b"}"#, #"{"sub":"a:b"}"#, #"{"sub":1}"#,
            #"{"sub":null}"#, #"{"sub":["alice"]}"#, #"{"sub":{"sub":"alice"}}"#, #"{"x":{"sub":"alice"}}"#,
            #"{"sub":"alice","sub":"alice"}"#, #"{"sub":"bob","\u0073ub":"alice"}"#, #"{"sub":"alice"}{}"#,
            #"{"sub":"alice"},"#, #"{"sub":"alice","x":{"y":1,"y":1}}"#, #"{"sub":"\ud800"}"#, #"{"Sub":"alice"}"#,
            #"{"sub":"\#(String(repeating: "a", count: 65))"}"#, #"{"sub":"a\u0000"}"#,
        ]
        for payload in bad { #expect(try verify(payload) == nil, "\(payload)") }
        let nested = try signed(#"{"sub":"alice"}"#)
        #expect(try verify(nested) == nil)
        let many = #"{"sub":"alice""# + (0..<200).map { #","x\#($0)":{"sub":[\#($0)]}"# }.joined() + "}"
        for payload in [#"{"sub":"alice"}"#, #" {"sub" :"\u0061lice","x":[1e5]} "#, many] {
            #expect(try verify(payload)?.user == name("alice"), "\(payload)")
        }
    }

    @Test("exp, nbf and iat count, with a minute's leeway")
    func times() throws {
        let cases: [(String, UInt64, Bool)] = [
            (#""exp":1700000060"#, now + 119_999, true), (#""exp":1700000060"#, now + 120_000, false),
            (#""exp":1700000060.5"#, now + 120_499, true), (#""exp":1700000060.5"#, now + 120_500, false),
            (#""exp":17e8"#, now + 59_999, true), (#""exp":17e8"#, now + 60_000, false), (#""exp":0"#, now, false),
            (#""nbf":1700000100"#, now + 39_999, false), (#""nbf":1700000100"#, now + 40_000, true),
            (#""iat":1700000100"#, now + 39_999, false), (#""iat":1700000100"#, now + 40_000, true),
            (#""iat":1,"nbf":2"#, now, true), (#""exp":253402300799"#, now, true),
        ]
        for (claim, instant, isGood) in cases {
            #expect((try verify(#"{"sub":"alice",\#(claim)}"#, at: instant) != nil) == isGood, "\(claim) at \(instant)")
        }
        var strict = TokenVerifier.Rules()
        strict.leewaySeconds = 0
        #expect(try verify(#"{"sub":"alice","exp":1700000000}"#, strict) == nil)
        #expect(try verify(#"{"sub":"alice","exp":1700000001}"#, strict) != nil)
        #expect(try verify(#"{"sub":"alice","nbf":1700000001}"#, strict) == nil)
    }

    @Test("A time must be a number of seconds that can be meant")
    func strangeTimes() throws {
        for claim in ["exp", "nbf", "iat"] {
            let values = [
                #""1800000000""#, "null", "true", "[1800000000]", "{}", "-1", "-1e300", "1e300", "1e400", "1e999999999",
                "253402300800", "1800000000000", "18446744073709551616", String(repeating: "9", count: 400), "NaN",
                "Infinity", "-Infinity", "0x6B49D200", "1_800_000_000", "01800000000", "1800000000.", ".5", "1e", "+1",
            ]
            for value in values { #expect(try verify(#"{"sub":"alice","\#(claim)":\#(value)}"#) == nil, "\(claim) \(value)") }
        }
        #expect(try verify(#"{"sub":"alice","nbf":-0,"iat":0.0e0,"exp":1800000000.25}"#) != nil)
    }

    @Test("With an audience set a token must be for it; without, none is looked at")
    func audiences() throws {
        var rules = TokenVerifier.Rules()
        rules.audience = "chat"
        let cases = [
            (#""aud":"chat""#, true), (#""aud":["x","chat"]"#, true), (#""aud":["chat"]"#, true), (#""x":1"#, false),
            (#""aud":"Chat""#, false), (#""aud":"chats""#, false), (#""aud":[]"#, false), (#""aud":["x"]"#, false),
            (#""aud":["chat",1]"#, false), (#""aud":[["chat"]]"#, false), (#""aud":null"#, false), (#""aud":"""#, false),
            (#""aud":{"chat":1}"#, false), (#""aud":"ch\u0061t""#, true), (#""aud":[ "y" , "chat" ]"#, true),
        ]
        for (claim, isGood) in cases {
            #expect((try verify(#"{"sub":"alice",\#(claim)}"#, rules) != nil) == isGood, "\(claim)")
        }
        #expect(try verify(#"{"sub":"alice","aud":"other"}"#) != nil)
        #expect(try verify(#"{"sub":"alice","aud":7}"#) == nil)
    }

    @Test("With an issuer set a token must be from it")
    func issuers() throws {
        var rules = TokenVerifier.Rules()
        rules.issuer = "https://id.example"
        for (claim, isGood) in [
            (#""iss":"https://id.example""#, true), (#""iss":"https:\/\/id.example""#, true), (#""x":1"#, false),
            (#""iss":"https://id.example/""#, false), (#""iss":["https://id.example"]"#, false), (#""iss":null"#, false),
        ] {
            #expect((try verify(#"{"sub":"alice",\#(claim)}"#, rules) != nil) == isGood, "\(claim)")
        }
        #expect(try verify(#"{"sub":"alice","iss":"anyone"}"#) != nil)
    }

    @Test("What stands for a token is its jti, or else what is signed, however that is signed")
    func ids() throws {
        let one = try verify(#"{"sub":"alice","jti":"x","exp":1800000000}"#)
        #expect(one?.id == TokenVerifier.id(ofTokenNamed: "x"))
        #expect(try verify(#"{"sub":"bob","jti":"x"}"#)?.id == one?.id)
        #expect(try verify(#"{"sub":"alice","jti":"y"}"#)?.id != one?.id)
        #expect(one?.expires == 1_800_000_060_000 && one?.issued == 0)
        #expect(try verify(#"{"sub":"alice","iat":1600000000.9}"#)?.issued == 1_600_000_000)
        for id in [#""""#, "1", "null", #""\#(String(repeating: "x", count: 1025))""#] {
            #expect(try verify(#"{"sub":"alice","jti":\#(id)}"#) == nil)
        }
        // ECDSA draws a number for each signature.
        let signer = try TokenSigner(pem: TestKeys.p256)
        let tokens = [signer.token(TokenClaims(subject: name("alice"))), signer.token(TokenClaims(subject: name("alice")))]
        #expect(tokens[0] != tokens[1])
        let verifier = try verifier()
        #expect(verifier.verify(tokens[0], now: now) == verifier.verify(tokens[1], now: now))
        #expect(verifier.verify(tokens[0], now: now)?.id != one?.id)
    }

    @Test("What is minted says what it was told, in each algorithm, and names its key")
    func minting() throws {
        var claims = TokenClaims(subject: name("zoë\"\\"))
        claims.issued = 1_700_000_000
        claims.expires = 1_700_000_060
        claims.audience = ["chat"]
        claims.issuer = "a \"b\""
        claims.id = "id"
        var rules = TokenVerifier.Rules()
        (rules.audience, rules.issuer) = (claims.audience?[0], claims.issuer)
        for var signer in [
            try TokenSigner(secret: secret), try TokenSigner(secret: secret, algorithm: .hs384),
            try TokenSigner(secret: secret, algorithm: .hs512), try TokenSigner(pem: TestKeys.rsa),
            try TokenSigner(pem: TestKeys.p256), try TokenSigner(pem: TestKeys.ed25519),
        ] {
            signer.keyID = "k\""
            let text = signer.token(claims)
            let token = try #require(JSONWebToken(text))
            #expect(token.keyID == "k\"" && token.algorithm == signer.algorithm)
            #expect(try TokenClaims(token.payload) == claims)
            #expect(try verifier(rules).verify(text, now: now)?.user == claims.subject)
            #expect(try verifier(rules).verify(text, now: now + 121_000) == nil)
        }
        #expect(throws: TokenKeyError.self) { try TokenSigner(secret: secret, algorithm: .rs256) }
        #expect(throws: TokenKeyError.self) { try TokenSigner(secret: [1, 2, 3]) }
    }
}
