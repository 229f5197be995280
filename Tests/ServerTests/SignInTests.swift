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

    private func authenticator(
        window: Int = 2, secret: String? = "geheim", dev: Bool = false
    ) throws -> Authenticator {
        var configuration = Configuration()
        configuration.sessionSecret = secret
        configuration.sessionWindowMinutes = window
        configuration.dev = dev
        return try Authenticator(configuration, Logins(LoginState(key: [1, 2, 3], ends: [])))
    }

    @Test("An md5 session is good for exactly the minutes of the window", arguments: 0...3)
    func window(minutes: Int) throws {
        let authenticator = try authenticator(window: minutes)
        for (offset, digest) in digests {
            let isGood = authenticator.allows(name("user1"), session: digest, now: now)
            #expect(isGood == (abs(offset) <= minutes), "\(offset)")
        }
    }

    @Test("The window's edges lie between the seconds 59 and 0")
    func edges() throws {
        let authenticator = try authenticator(window: 0)
        let digest = try #require(digests[0])
        let minute = now / 60_000 * 60_000
        for (instant, isGood) in [(minute - 1, false), (minute, true), (minute + 59_999, true), (minute + 60_000, false)] {
            #expect(authenticator.allows(name("user1"), session: digest, now: instant) == isGood)
        }
    }

    @Test("Another user, another case, a cut or an empty session is refused, and all without a secret")
    func refusals() throws {
        let digest = try #require(digests[0])
        let good = try authenticator()
        #expect(good.allows(name("user1"), session: digest, now: now))
        #expect(!good.allows(name("user2"), session: digest, now: now))
        for session in ["", digest.uppercased(), String(digest.dropLast()), digest + "0", "0" + digest.dropFirst()] {
            #expect(!good.allows(name("user1"), session: session, now: now), "\(session)")
        }
        #expect(try !authenticator(secret: nil).allows(name("user1"), session: digest, now: now))
        #expect(try !authenticator(secret: "other").allows(name("user1"), session: digest, now: now))
        #expect(try !authenticator(secret: nil, dev: true).allows(name("user1"), session: digest, now: now))
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
    private let now: UInt64 = 1_700_000_000_000
    /// {"sub":"alice"}, signed with Python's hmac.
    private static let forever =
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.-GgpYLZkJnXOfD7VEdMe-meVt0yg2ExvOkD1QI0EcGM"

    // MARK: Who is believed

    private func authenticator(dev: Bool, jwt: Bool = true, key: String? = nil) throws -> Authenticator {
        var configuration = Configuration()
        configuration.dev = dev
        configuration.jwtSecret = jwt ? TokenSignInTests.secret : nil
        configuration.apiKey = key
        return try Authenticator(configuration, Logins(LoginState(key: [1, 2, 3], ends: [])))
    }

    @Test("Without dev only a good token of that user counts")
    func production() throws {
        let authenticator = try authenticator(dev: false)
        let good = TokenSignInTests.forever
        #expect(authenticator.credential(good, now: now)?.user == name("alice"))
        #expect(authenticator.credential("alice", now: now) == nil)
        #expect(authenticator.credential(of: name("alice"), token: good, now: now)?.user == name("alice"))
        #expect(authenticator.credential(of: name("bob"), token: good, now: now) == nil)
        for token in [nil, "", "alice", "a.b.c"] {
            #expect(authenticator.credential(of: name("alice"), token: token, now: now) == nil)
        }
        let without = try self.authenticator(dev: false, jwt: false)
        #expect(without.credential(of: name("alice"), token: good, now: now) == nil)
        #expect(without.credential(good, now: now) == nil)
    }

    @Test("In dev an id is believed, but a token that is given must be good")
    func development() throws {
        let authenticator = try authenticator(dev: true)
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
    func service() throws {
        for bearer in [nil, "", "key", "other"] {
            #expect(try authenticator(dev: true).allowsService(bearer: bearer))
            #expect(try authenticator(dev: false, key: "key").allowsService(bearer: bearer) == (bearer == "key"))
            #expect(try !authenticator(dev: false).allowsService(bearer: bearer))
        }
    }
}
