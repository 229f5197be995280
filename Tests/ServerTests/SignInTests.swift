import Base
import Store
import Testing
import Wire

@testable import Server

private func name(_ text: String) -> Identifier {
    guard let identifier = Identifier(text) else { fatalError("\(text) is not an identifier") }
    return identifier
}

struct SessionSignInTests {
    /// 2024-02-29 23:59:30 UTC.
    private let now: UInt64 = 1_709_251_170_000
    /// md5("geheim" + "user1" + yymmddhhmm) of the minutes around it, computed with Python's hashlib.
    private let digests = [
        -3: "2b4f677bc546d2e22bb6253888a2ce03", -2: "c70064b0062f7df12feaad88da585203",
        -1: "f767a66c861de24bd767f1698269935f", 0: "44341c7d34793e377ab026eeab47d365",
        1: "8c58a4dc8db14229c0013cb857376be7", 2: "9d0960fbe0602061f955dd74cf1e24fe",
        3: "01dc4c3daad10b640181b8e242ef49ab",
    ]

    private func authenticator(window: Int = 2, secret: String? = "geheim", dev: Bool = false) -> Authenticator {
        var configuration = Configuration()
        configuration.sessionSecret = secret
        configuration.sessionWindowMinutes = window
        configuration.dev = dev
        return Authenticator(configuration, Logins(LoginState(key: [1, 2, 3], ends: [])))
    }

    @Test("An md5 session is good for exactly the minutes of the window", arguments: 0...3)
    func window(minutes: Int) {
        let authenticator = authenticator(window: minutes)
        for (offset, digest) in digests {
            let isGood = authenticator.allows(name("user1"), session: digest, now: now)
            #expect(isGood == (abs(offset) <= minutes), "\(offset)")
        }
    }

    @Test("The window's edges lie between the seconds 59 and 0")
    func edges() throws {
        let authenticator = authenticator(window: 0)
        let digest = try #require(digests[0])
        let minute = now / 60_000 * 60_000
        for (instant, isGood) in [(minute - 1, false), (minute, true), (minute + 59_999, true), (minute + 60_000, false)] {
            #expect(authenticator.allows(name("user1"), session: digest, now: instant) == isGood)
        }
    }

    @Test("Another user, another case, a cut or an empty session is refused, and all without a secret")
    func refusals() throws {
        let digest = try #require(digests[0])
        let good = authenticator()
        #expect(good.allows(name("user1"), session: digest, now: now))
        #expect(!good.allows(name("user2"), session: digest, now: now))
        for session in ["", digest.uppercased(), String(digest.dropLast()), digest + "0", "0" + digest.dropFirst()] {
            #expect(!good.allows(name("user1"), session: session, now: now), "\(session)")
        }
        #expect(!authenticator(secret: nil).allows(name("user1"), session: digest, now: now))
        #expect(!authenticator(secret: "other").allows(name("user1"), session: digest, now: now))
        #expect(!authenticator(secret: nil, dev: true).allows(name("user1"), session: digest, now: now))
    }

    @Test("Minutes have the stamps that Python's datetime gives them")
    func stamps() {
        let known = [
            (0, "7001010000"), (15_778_079, "9912312359"), (15_863_040, "0002290000"), (15_864_480, "0003010000"),
            (27_960_479, "2302282359"), (27_960_480, "2303010000"), (28_486_834, "2402291234"),
            (28_928_159, "2412312359"), (29_920_973, "2611211053"), (35_791_394, "3801190314"),
            (68_374_079, "9912312359"), (68_459_039, "0002282359"), (68_459_040, "0003010000"),
        ]
        for (minutes, stamp) in known { #expect(UTCMinute(minutes: minutes).stamp == stamp) }
    }

    @Test("Every day of four centuries follows the one before")
    func calendar() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var expected = (year: 1970, month: 1, day: 1)
        for day in 0..<146_097 {
            #expect(UTCMinute.civil(days: day) == expected)
            let isLeap = expected.year % 4 == 0 && (expected.year % 100 != 0 || expected.year % 400 == 0)
            let length = expected.month == 2 && isLeap ? 29 : lengths[expected.month - 1]
            expected.day += 1
            if expected.day > length { expected = (expected.year, expected.month + 1, 1) }
            if expected.month > 12 { expected = (expected.year + 1, 1, 1) }
        }
        #expect(expected == (2370, 1, 1))
    }
}

struct TokenSignInTests {
    private static let secret = "a secret of 16 bytes or more"
    /// What all tokens here are judged at: 1,700,000,000 s.
    private let now: UInt64 = 1_700_000_000_000
    private let tokens = JSONWebTokens(secret: TokenSignInTests.secret)

    // Signed with Python's hmac.
    private static let head = "eyJhbGciOiJIUzI1NiJ9."
    /// {"sub":"alice"}
    private static let forever = head + "eyJzdWIiOiJhbGljZSJ9.-GgpYLZkJnXOfD7VEdMe-meVt0yg2ExvOkD1QI0EcGM"
    /// {"sub":"alice","exp":1700000060}
    private static let expiring =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTcwMDAwMDA2MH0"
        + ".jxLe1OTE_L0kgVMJcb1St1FmYHzpX1lxbp3p3TkbZpY"
    /// {"sub":"alice","nbf":1700000100}
    private static let early =
        head + "eyJzdWIiOiJhbGljZSIsIm5iZiI6MTcwMDAwMDEwMH0.zqJm2zn7SirfkcXQ0rhbBUuipJGoX8Ay-D3UWwM2h5s"

    @Test("HMAC-SHA256 of the example in RFC 7515, A.1")
    func vector() throws {
        let keyText = Array(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow".utf8)
        let decoded = Base64.url.decode(keyText.span.bytes)
        let key = try #require(decoded)
        #expect(key.count == 64)
        let signed =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            + ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        let signature = Array("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".utf8)
        let expected = Base64.url.decode(signature.span.bytes)
        #expect(Digests.hmacSHA256(key: key, Array(signed.utf8)) == expected)
    }

    @Test("MD5 of the examples in RFC 1321, A.5")
    func md5() {
        let examples = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ]
        for (text, digest) in examples {
            let bytes = Digests.md5(Array(text.utf8))
            #expect(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == digest)
        }
    }

    @Test("A token signed elsewhere speaks for its subject, within its time and 30 s of leeway")
    func times() {
        let second: UInt64 = 1_000
        let cases: [(String, UInt64, Bool)] = [
            (TokenSignInTests.forever, 0, true), (TokenSignInTests.forever, now * 2, true),
            (TokenSignInTests.expiring, now, true), (TokenSignInTests.expiring, now + 89 * second, true),
            (TokenSignInTests.expiring, now + 90 * second, false), (TokenSignInTests.early, now, false),
            (TokenSignInTests.early, now + 69 * second, false), (TokenSignInTests.early, now + 70 * second, true),
        ]
        for (token, instant, isGood) in cases {
            #expect(tokens.verify(token, now: instant)?.user == (isGood ? name("alice") : nil), "\(token) at \(instant)")
        }
    }

    @Test("Other algorithms, critical extensions, other keys, bad subjects and non-tokens are refused")
    func refusals() {
        let refused = [
            // {"alg":"none"} with a good HMAC, and with none at all.
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.VBWuW_FJHmweVzzSqKbya20qInCFPPp2WgzTv-nFeZ0",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
            // HS512 in name only, and in truth.
            "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhbGljZSJ9.0D2BMBQXiZZYY8lGgNKY52WhcxoZv3l4iSKD4JLxx54",
            "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhbGljZSJ9.bPulmWcWGdiKBbCgnjHJ21XUPrcBKe0RFgm-YhXgAXL0pGf8NFkbMsbqdM9Yf"
                + "unAy82DE_Rd_56OIg9f5A9X3A",
            // {"alg":"HS256","crit":["b64"],"b64":false}
            "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9.eyJzdWIiOiJhbGljZSJ9"
                + ".SE-mkpPpjwqB_dt9KD2CFZzoIImHsuedjoX5S-A8I5o",
            // {"sub":"a b"}, no sub, and a good token of another key.
            TokenSignInTests.head + "eyJzdWIiOiJhIGIifQ.zF5JOLOS7l-rdcqXddeW7O7mhUPuj9RlLO52UvyUH8A",
            TokenSignInTests.head + "eyJleHAiOjE4MDAwMDAwMDB9.Q23poAy3gDY-hyKd3v6Cvo9Kt7UcrntiraK3Bf_IkmU",
            TokenSignInTests.head + "eyJzdWIiOiJhbGljZSJ9.KPsHZiefiG60JJeJdmIPCTOxV-H5LFNwbRrBB_UD4mg",
            "", ".", "..", "...", "alice", TokenSignInTests.forever + ".", TokenSignInTests.forever + "=",
        ]
        for token in refused { #expect(tokens.verify(token, now: now) == nil, "\(token)") }
    }

    @Test("No letter of a token can be changed")
    func tampering() {
        let good = Array(TokenSignInTests.expiring)
        for index in good.indices {
            var bad = good
            bad[index] = bad[index] == "A" ? "B" : "A"
            #expect(tokens.verify(String(bad), now: now) == nil, "\(index)")
        }
    }

    @Test("A minted token is believed until it ends, and only with its key")
    func minting() {
        let token = tokens.mint(name("zoë"), now: now, seconds: 60)
        #expect(JSONWebTokens.looksLikeToken(token))
        #expect(tokens.verify(token, now: now)?.user == name("zoë"))
        #expect(tokens.verify(token, now: now + 91_000) == nil)
        #expect(JSONWebTokens(secret: "another secret, long").verify(token, now: now) == nil)
    }

    // MARK: Who is believed

    private func authenticator(dev: Bool, jwt: Bool = true, key: String? = nil) -> Authenticator {
        var configuration = Configuration()
        configuration.dev = dev
        configuration.jwtSecret = jwt ? TokenSignInTests.secret : nil
        configuration.apiKey = key
        return Authenticator(configuration, Logins(LoginState(key: [1, 2, 3], ends: [])))
    }

    @Test("Without dev only a good token of that user counts")
    func production() {
        let authenticator = authenticator(dev: false)
        let good = TokenSignInTests.forever
        #expect(authenticator.credential(good, now: now)?.user == name("alice"))
        #expect(authenticator.credential("alice", now: now) == nil)
        #expect(authenticator.credential(of: name("alice"), token: good, now: now)?.user == name("alice"))
        #expect(authenticator.credential(of: name("bob"), token: good, now: now) == nil)
        for token in [nil, "", "alice", "a.b.c"] {
            #expect(authenticator.credential(of: name("alice"), token: token, now: now) == nil)
        }
        let without = self.authenticator(dev: false, jwt: false)
        #expect(without.credential(of: name("alice"), token: good, now: now) == nil)
        #expect(without.credential(good, now: now) == nil)
    }

    @Test("In dev an id is believed, but a token that is given must be good")
    func development() {
        let authenticator = authenticator(dev: true)
        for token in [nil, "", "anything", TokenSignInTests.forever] {
            #expect(authenticator.credential(of: name("alice"), token: token, now: now)?.user == name("alice"))
        }
        #expect(authenticator.credential(of: name("bob"), token: TokenSignInTests.forever, now: now) == nil)
        #expect(authenticator.credential(of: name("alice"), token: "a.b.c", now: now) == nil)
        #expect(authenticator.credential("bob", now: now)?.user == name("bob"))
        #expect(authenticator.credential(TokenSignInTests.forever, now: now)?.user == name("alice"))
        #expect(authenticator.credential("a.b.c", now: now) == nil)
        #expect(authenticator.credential("a b", now: now) == nil)
    }

    @Test("The timeline is open in dev, else for the API key, else for nobody")
    func service() {
        for bearer in [nil, "", "key", "other"] {
            #expect(authenticator(dev: true).allowsService(bearer: bearer))
            #expect(authenticator(dev: false, key: "key").allowsService(bearer: bearer) == (bearer == "key"))
            #expect(!authenticator(dev: false).allowsService(bearer: bearer))
        }
    }
}
