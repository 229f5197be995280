import Base
import Core
import Logging
import Store
import Testing
import Tokens
import Wire

@testable import Server

private func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

private let alice: Identifier = {
    guard let id = Identifier("alice") else { fatalError("alice is an id") }
    return id
}()

struct PasswordHashTests {
    /// So cheap that it is for tests only.
    private let cheap = PasswordHash.Parameters(logRounds: 4, blockSize: 8, parallelism: 1)

    @Test("scrypt of the examples in RFC 7914, section 12")
    func vectors() {
        let examples: [(String, String, UInt32, UInt32, UInt32, String)] = [
            (
                "", "", 4, 1, 1,
                "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                    + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
            ),
            (
                "password", "NaCl", 10, 8, 16,
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                    + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
            ),
            (
                "pleaseletmein", "SodiumChloride", 14, 8, 1,
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                    + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
            ),
        ]
        for (password, salt, logRounds, blockSize, parallelism, expected) in examples {
            let parameters = PasswordHash.Parameters(
                logRounds: logRounds, blockSize: blockSize, parallelism: parallelism)
            let derived = Scrypt.derive(Array(password.utf8), salt: Array(salt.utf8), parameters, bytes: 64)
            #expect(hex(derived) == expected, "\(password)")
        }
    }

    @Test("A hash that was made elsewhere is read with its parameters, and matches its password only")
    func text() throws {
        // By Python's hashlib: n = 16, r = 8, p = 1.
        let text = "$scrypt$ln=4,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$Q7EcH175P_kcU7JE2HRU-qTRrq_BS6UbCRYPdBaC5y8"
        let hash = try #require(PasswordHash(text: text))
        #expect(hash.parameters == cheap)
        #expect(hash.text == text)
        #expect(hash.matches("correct horse"))
        for wrong in ["", "correct horsf", "correct horse ", "Correct horse"] { #expect(!hash.matches(wrong)) }
        #expect(hash.isOutdated)
    }

    @Test("Two hashes of one password have nothing in common but their parameters")
    func salt() {
        let one = PasswordHash(of: "the same", cheap), other = PasswordHash(of: "the same", cheap)
        #expect(one.salt != other.salt && one.digest != other.digest)
        #expect(one.matches("the same") && other.matches("the same"))
    }

    @Test("A new hash has the parameters of today")
    func current() {
        let hash = PasswordHash(of: "12345678")
        #expect(!hash.isOutdated && hash.matches("12345678"))
        #expect(hash.text.hasPrefix("$scrypt$ln=15,r=8,p=3$"))
    }

    @Test("What asks for too much memory, or isn't a hash, isn't read")
    func unreadable() {
        let digest = "Q7EcH175P_kcU7JE2HRU-qTRrq_BS6UbCRYPdBaC5y8"
        let parameters = [
            "", "ln=21,r=8,p=1", "ln=0,r=8,p=1", "ln=4,r=33,p=1", "ln=4,r=8,p=17", "ln=4,r=8", "ln=4,r=8,p=1,q=1",
            "ln=-4,r=8,p=1", "ln=4294967300,r=8,p=1",
        ]
        for text in parameters { #expect(PasswordHash(text: "$scrypt$\(text)$AAECAwQ$\(digest)") == nil, "\(text)") }
        for text in ["", "$", "$argon2id$ln=4,r=8,p=1$AAEC$\(digest)", "$scrypt$ln=4,r=8,p=1$AAEC$AAEC"] {
            #expect(PasswordHash(text: text) == nil, "\(text)")
        }
    }
}

struct LoginTokenTests {
    private let key = (0..<32).map { UInt8($0) }
    private let now: UInt64 = 1_700_000_000_000
    private let login = Login(id: 0x0102_0304_0506_0708, generation: 7, expires: 1_700_000_060_000)
    // Signed with Python's hmac.
    private static let token =
        "sb1.CAcGBQQDAgFgUubPiwEAAAcAAABhbGljZf_eTmZyDIYJB4ZnFbkoAxakw8yLKwb6KFLTqzHinwyB"

    @Test("A token is what another implementation makes of it, and is believed until it ends")
    func vector() {
        let tokens = LoginTokens(key: key)
        #expect(tokens.mint(alice, login) == LoginTokenTests.token)
        let credential = Credential(user: alice, login: login)
        #expect(tokens.verify(LoginTokenTests.token, now: now) == credential)
        #expect(tokens.verify(LoginTokenTests.token, now: now + 59_999) == credential)
        #expect(tokens.verify(LoginTokenTests.token, now: now + 60_000) == nil)
        #expect(LoginTokens(key: key.reversed()).verify(LoginTokenTests.token, now: now) == nil)
    }

    @Test("No letter of a token can be changed, left out or added")
    func forgeries() {
        let tokens = LoginTokens(key: key)
        let good = Array(LoginTokenTests.token)
        for index in good.indices {
            var changed = good
            changed[index] = changed[index] == "A" ? "B" : "A"
            #expect(tokens.verify(String(changed), now: now) == nil, "\(index)")
            #expect(tokens.verify(String(good[..<index]), now: now) == nil, "\(index)")
        }
        for text in [LoginTokenTests.token + "A", LoginTokenTests.token + "=", " " + LoginTokenTests.token] {
            #expect(tokens.verify(text, now: now) == nil)
        }
    }

    @Test("What is signed without the version, or for no user, isn't believed")
    func foreign() {
        let tokens = LoginTokens(key: key)
        let refused = [
            "sb1.CAcGBQQDAgFgUubPiwEAAAcAAABhbGljZYzkBNAyRyeYQvIGqn0TVWEK4i2GSL7c2Vh_01STrH4o",
            // The user is "a b".
            "sb1.CAcGBQQDAgFgUubPiwEAAAcAAABhIGKgJ70bvMik0ZTq0A30dE57spdCg91rOo-Fuq6ewSP1Mw",
            "sb1.", "", "sb1." + String(repeating: "A", count: 70), "sb1." + String(repeating: "A", count: 100_000),
        ]
        for token in refused { #expect(tokens.verify(token, now: now) == nil, "\(token.prefix(90))") }
    }

    @Test("It can be taken neither for a JWT nor for an id, and no id for it")
    func confusion() {
        #expect(LoginTokens.looksLikeToken(LoginTokenTests.token))
        #expect(!TokenVerifier.looksLikeToken(LoginTokenTests.token))
        #expect(Identifier(LoginTokenTests.token) == nil)
        let shortest = LoginTokens(key: key).mint(alice, Login(id: 0, generation: 0, expires: 0))
        #expect(shortest.utf8.count > Identifier.bytesMax)
        #expect(!LoginTokens.looksLikeToken("sb1." + String(repeating: "x", count: 60)))
    }
}

struct LoginsTests {
    private let now: UInt64 = 1_700_000_000_000

    private func logins(_ ends: [LoginEnd] = []) -> Logins { Logins(LoginState(key: [1, 2, 3], ends: ends)) }

    private func credential(_ id: UInt64, generation: UInt32? = 0) -> Credential {
        Credential(user: alice, login: Login(id: id, generation: generation, expires: now + 1000))
    }

    @Test("A login that was ended is ended, and no other")
    func one() {
        let logins = logins([.login(id: 1, expires: now + 1000)])
        logins.end(.login(id: 2, expires: now + 1000), now: now)
        #expect(logins.isEnded(credential(1)) && logins.isEnded(credential(2)))
        #expect(!logins.isEnded(credential(3)))
        #expect(!logins.isEnded(Credential(user: alice)))
    }

    @Test("A new password ends the logins of before, but for the one that changed it, and no JWT")
    func older() {
        let logins = logins()
        logins.end(.older(user: alice, generation: 1, kept: 5, expires: now + 1000), now: now)
        #expect(logins.isEnded(credential(4)) && !logins.isEnded(credential(5)))
        #expect(!logins.isEnded(credential(6, generation: 1)) && !logins.isEnded(credential(4, generation: nil)))
        logins.end(.older(user: alice, generation: 2, kept: 6, expires: now + 1000), now: now)
        #expect(logins.isEnded(credential(5)) && !logins.isEnded(credential(6, generation: 1)))
    }

    @Test("Ends are kept while they matter, however many others there are")
    func sweeping() {
        let logins = logins()
        logins.end(.login(id: 1, expires: now + 1_000_000), now: now)
        for id in 2..<10_000 as Range<UInt64> { logins.end(.login(id: id, expires: now + id), now: now + id) }
        #expect(logins.isEnded(credential(1)))
        #expect(!logins.isEnded(credential(2)))
    }

    @Test("An ended token isn't believed, a JWT neither")
    func authenticator() throws {
        var configuration = Configuration()
        configuration.jwtSecret = "a secret of 16 bytes or more"
        let logins = logins()
        let authenticator = try Authenticator(configuration, logins)
        let own = logins.make(alice, generation: 0, expires: now + 1000)
        let web = try TokenSigner(secret: Array("a secret of 16 bytes or more".utf8)).token(TokenClaims(subject: alice))
        for token in [own, web] {
            let believed = authenticator.credential(token, now: now)
            #expect(believed?.user == alice)
            #expect(authenticator.credential(of: alice, token: token, now: now) == believed)
            guard let login = believed?.login else { continue }
            logins.end(.login(id: login.id, expires: login.expires ?? .max), now: now)
            #expect(authenticator.credential(token, now: now) == nil)
            #expect(authenticator.credential(of: alice, token: token, now: now) == nil)
        }
    }

    @Test("JWTs that were issued before a time are ended by user, those without iat too, and logins aren't")
    func issued() {
        let logins = logins([.issued(user: alice, before: 100)])
        let token = { (issued: UInt64, generation: UInt32?) in
            Credential(user: alice, login: Login(id: 9, generation: generation, expires: nil, issued: issued))
        }
        #expect(logins.isEnded(token(0, nil)) && logins.isEnded(token(99, nil)) && !logins.isEnded(token(100, nil)))
        #expect(!logins.isEnded(token(0, 0)) && !logins.isEnded(Credential(user: alice)))
        var other = token(1, nil)
        if let bob = Identifier("bob") { other.user = bob }
        #expect(!logins.isEnded(other))
    }

    @Test("Spans say how long a login has left, in whole seconds")
    func left() {
        let span = { (expires: UInt64?) in LoginSpan(issued: 7, expires: expires) }
        #expect(span(nil).secondsLeft(at: now) == nil && LoginSpan().secondsLeft(at: now) == nil)
        let cases: [(UInt64, UInt64)] = [(now + 10_000, 10), (now + 9_001, 10), (now + 1, 1), (now, 0), (0, 0)]
        for (expires, left) in cases {
            #expect(span(expires).secondsLeft(at: now) == left, "\(expires)")
        }
        #expect(span(.max).secondsLeft(at: now) == nil)
    }

    @Test("Marks tell logins apart, and an account's from a JWT's")
    func marks() {
        #expect(LoginMark(nil as Login?) == .none)
        for id in [0, 1, 2, 3, 1 << 32] as [UInt64] {
            let own = LoginMark(credential(id).login), web = LoginMark(credential(id, generation: nil).login)
            #expect(own.hasAccount && !web.hasAccount)
            #expect(own != .none && web != .none && own != web)
        }
        #expect(LoginMark(credential(4).login) != LoginMark(credential(6).login))
    }
}

struct ThrottleTests {
    @Test("A burst is allowed, then one a while; what is given back doesn't count")
    func burst() {
        let throttle = Throttle(Allowance(burst: 3, refill: 1_000))
        let start: UInt64 = 5_000_000
        for _ in 0..<3 { #expect(throttle.take("a", now: start) == nil) }
        #expect(throttle.take("a", now: start) == 1_000)
        #expect(throttle.take("a", now: start + 400) == 600)
        #expect(throttle.take("a", now: start + 1_000) == nil)
        #expect(throttle.take("a", now: start + 1_000) == 1_000)
        throttle.giveBack("a")
        #expect(throttle.take("a", now: start + 1_000) == nil)
        // All is back after a long time, and not more.
        for _ in 0..<3 { #expect(throttle.take("a", now: start + 60_000) == nil) }
        #expect(throttle.take("a", now: start + 60_000) != nil)
    }

    @Test("A thousand keys in a few slots: none is allowed more than the burst")
    func bounded() {
        let throttle = Throttle(Allowance(burst: 2, refill: 1_000), slots: 16)
        var allowed = 0
        for index in 0..<1_000 where throttle.take("key \(index)", now: 1_000_000) == nil { allowed += 1 }
        #expect((2...32).contains(allowed))
    }

    @Test("Failures are counted by account and by address; an account that is closed costs the address nothing")
    func logins() {
        let throttle = LoginThrottle()
        for _ in 0..<10 { #expect(throttle.attempt(at: "anna", from: "1.2.3.4", now: 1_000_000) == nil) }
        for _ in 0..<1_000 { #expect(throttle.attempt(at: "anna", from: "1.2.3.4", now: 1_000_000) != nil) }
        for index in 0..<40 { #expect(throttle.attempt(at: "u\(index)", from: "1.2.3.4", now: 1_000_000) == nil) }
        #expect(throttle.attempt(at: "bert", from: "1.2.3.4", now: 1_000_000) == 3_000)
        #expect(throttle.attempt(at: "bert", from: "5.6.7.8", now: 1_000_000) == nil)
        throttle.giveBack(at: "anna", from: "1.2.3.4")
        #expect(throttle.attempt(at: "anna", from: "1.2.3.4", now: 1_000_000) == nil)
    }
}

struct BrowserTests {
    private func request(_ fields: [(String, String)]) throws -> HTTPRequest {
        var headers = HTTPHeaders()
        for (name, value) in fields { try headers.add(name, value) }
        return HTTPRequest(method: .post, target: try HTTPTarget("/", method: .post), headers: headers)
    }

    @Test("The own origin and those of the list may, all others may not")
    func origins() throws {
        let origins = Origins(allowed: ["https://chat.example"])
        let cases: [([(String, String)], Bool)] = [
            ([("Host", "a.example")], true),
            ([("Host", "a.example"), ("Origin", "http://a.example")], true),
            ([("Host", "A.example:80"), ("Origin", "http://a.EXAMPLE:80")], true),
            ([("Host", "a.example"), ("Origin", "https://chat.example")], true),
            ([("Host", "a.example"), ("Origin", "http://chat.example")], false),
            ([("Host", "a.example"), ("Origin", "http://a.example:81")], false),
            ([("Host", "a.example"), ("Origin", "http://a.example.evil")], false),
            ([("Host", "a.example"), ("Origin", "null")], false),
            ([("Host", "a.example"), ("Origin", "")], false),
            ([("Origin", "http://a.example")], false),
            ([("Host", "a.example"), ("Sec-Fetch-Site", "same-origin")], true),
            ([("Host", "a.example"), ("Sec-Fetch-Site", "same-site")], false),
            ([("Host", "a.example"), ("Sec-Fetch-Site", "cross-site")], false),
        ]
        for (fields, isAllowed) in cases { #expect(origins.allow(try request(fields)) == isAllowed, "\(fields)") }
    }

    @Test("An origin of the list is scheme, host and port")
    func originForm() {
        for text in ["https://a.example", "http://a:8080", "http://[::1]:80"] { #expect(Origins.isOrigin(text)) }
        for text in ["", "*", "a.example", "https://", "https://a/", "ftp://a", "https://u@a"] {
            #expect(!Origins.isOrigin(text), "\(text)")
        }
    }

    @Test("Attempts count by address, or by what a trusted proxy says it is")
    func addresses() throws {
        let addresses = ClientAddress(proxies: ["127.0.0.1", "10.0.0.1"])
        func key(_ peer: String, _ forwarded: String...) throws -> String {
            addresses.key(of: try request(forwarded.map { ("X-Forwarded-For", $0) }), peer: peer)
        }
        #expect(try key("9.9.9.9", "1.1.1.1") == "9.9.9.9")
        #expect(try key("127.0.0.1") == "127.0.0.1")
        #expect(try key("127.0.0.1", "1.1.1.1") == "1.1.1.1")
        #expect(try key("127.0.0.1", "8.8.8.8, 1.1.1.1", "10.0.0.1") == "1.1.1.1")
        #expect(ClientAddress.network("2001:db8:1:2:3:4:5:6") == ClientAddress.network("2001:db8:1:2::9"))
        #expect(ClientAddress.network("2001:db8:1:2::9") != ClientAddress.network("2001:db8:1:3::9"))
        #expect(ClientAddress.network("::ffff:1.2.3.4") == "1.2.3.4")
        #expect(ClientAddress.network("::1") == ClientAddress.network("0:0:0:0::1"))
    }

    @Test("A cookie says that no script may read it, and over TLS that it goes nowhere else")
    func cookie() {
        let plain = SessionCookie.set("T", seconds: 60, isSecure: false)
        #expect(plain == "switchboard_session=T; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
        #expect(SessionCookie.set("T", seconds: 60, isSecure: true) == plain + "; Secure")
        #expect(SessionCookie.clear(isSecure: false).hasPrefix("switchboard_session=; Path=/; Max-Age=0;"))
    }
}

struct AccountRuleTests {
    private func isGood(_ body: () throws -> some Any) -> Bool { (try? body()) != nil }

    @Test("An address has one @ with something on both sides, and no white space")
    func emails() {
        for text in ["a@b", "Anna.Müller+x@exämple.org", String(repeating: "a", count: 252) + "@b"] {
            #expect(isGood { try AccountRules.email(text) }, "\(text)")
        }
        let bad = [
            "", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b\n", "a@b\u{0}", "a\u{2003}@b", "a\u{202F}@b",
            String(repeating: "a", count: 253) + "@b",
        ]
        for text in bad { #expect(!isGood { try AccountRules.email(text) }, "\(text)") }
    }

    @Test("A name is what people call themselves")
    func names() {
        for text in ["a", "Anna Müller", "李小龙", "👩‍👩‍👧", String(repeating: "ä", count: 64)] {
            #expect(isGood { try AccountRules.name(text) }, "\(text)")
        }
        let bad = [
            "", " ", "a\nb", "a\u{7F}", "a\u{2028}b", String(repeating: "a", count: 65),
            "a" + String(repeating: "\u{0301}", count: 200),
        ]
        for text in bad { #expect(!isGood { try AccountRules.name(text) }, "\(text)") }
    }

    @Test("A password has 8 to 256 bytes")
    func passwords() {
        for count in [8, 256] { #expect(isGood { try AccountRules.newPassword(String(repeating: "x", count: count)) }) }
        for count in [0, 7, 257] {
            #expect(!isGood { try AccountRules.newPassword(String(repeating: "x", count: count)) })
        }
    }
}

struct PasswordWorkersTests {
    @Test("What is asked is done, and what is too much is refused")
    func bounded() async throws {
        let workers = PasswordWorkers(count: 2)
        let answers = await withTaskGroup(of: Int?.self) { group in
            for number in 0..<200 {
                group.addTask {
                    await workers.run {
                        _ = PasswordHash(of: "x", .init(logRounds: 10, blockSize: 8, parallelism: 1))
                        return number
                    }
                }
            }
            return await group.reduce(into: [Int?]()) { $0.append($1) }
        }
        let done = answers.compactMap(\.self)
        #expect(Set(done).count == done.count && done.count >= 32)
        #expect(await workers.run { 7 } == 7)
        workers.stop()
    }
}
