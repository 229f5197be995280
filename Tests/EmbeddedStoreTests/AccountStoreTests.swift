import Base
import EmbeddedStore
import Store
import Testing

/// Accounts and the ends of logins, as any store must keep them.
@Suite(.timeLimit(.minutes(5)))
struct AccountStoreTests {
    private let directory = TemporaryDirectory()

    private func account(_ id: String, _ email: String = "") -> Account {
        Account(id: name(id), name: "Name of \(id)", email: email.isEmpty ? "\(id)@example.org" : email)
    }

    private func create(_ account: Account, takesInbox: Bool = false) -> AccountCommand {
        .create(account, password: "hash of \(account.id)", takesInbox: takesInbox, time: 1)
    }

    @Test func anAccountIsFoundByItsIDAndItsAddress() throws {
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let anna = account("anna", "Änna@Example.ORG")
        _ = try store.perform(create(anna))
        for name in [AccountName.id(name("anna")), .email("änna@example.org"), .email("ÄNNA@EXAMPLE.ORG")] {
            let secret = try #require(try store.secret(name))
            #expect(secret.account == anna && secret.password == "hash of anna" && secret.generation == 0)
        }
        #expect(try store.secret(.id(name("bert"))) == nil)
        #expect(try store.secret(.email("anna")) == nil)
    }

    @Test func anIDOrAddressThatIsTakenChangesNothing() throws {
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        _ = try store.perform(create(account("anna")))
        for other in [account("anna", "other@example.org"), account("bert", "ANNA@example.org")] {
            #expect(throws: StoreError.self) { try store.perform(create(other, takesInbox: true)) }
        }
        #expect(try store.secret(.id(name("bert"))) == nil)
        #expect(try store.secret(.id(name("anna")))?.account.email == "anna@example.org")
    }

    @Test func anIDWithAnInboxIsTaken() throws {
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(try !store.isTaken("bert"))
        // Not folded yet when the question comes.
        try store.send("anna", "bert", "hello")
        #expect(try store.isTaken("bert") && store.isTaken("anna") && !store.isTaken("carl"))
        #expect(throws: StoreError.self) { try store.perform(create(account("bert"))) }
        _ = try store.perform(create(account("bert"), takesInbox: true))
        #expect(try store.secret(.id(name("bert"))) != nil)
    }

    @Test func aPasswordIsReplacedOnlyInThePlaceOfTheOldOne() throws {
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        _ = try store.perform(create(account("anna")))
        let anna = name("anna")
        _ = try store.perform(.rehash(anna, old: "another", new: "x"))
        #expect(try store.secret(.id(anna))?.password == "hash of anna")
        _ = try store.perform(.rehash(anna, old: "hash of anna", new: "y"))
        #expect(try store.secret(.id(anna))?.password == "y")
        let change = AccountCommand.setPassword(anna, old: "y", new: "z", keeping: 7, expires: 99)
        guard case .ended(let ends) = try store.perform(change) else { throw StoreError.notFound }
        #expect(ends == [.older(user: anna, generation: 1, kept: 7, expires: 99)])
        #expect(throws: StoreError.self) { try store.perform(change) }
        let secret = try #require(try store.secret(.id(anna)))
        #expect(secret.password == "z" && secret.generation == 1)
    }

    @Test func endsAreKnownAtTheNextStartUntilTheyExpire() throws {
        let open = { (now: UInt64) in try StoreHarness.embedded(directory) { $0.now = { now } } }
        let anna = name("anna")
        var store = try open(1_000)
        let key = try #require(store.logins).key
        #expect(key.count == 32)
        _ = try store.perform(create(account("anna")))
        let ids: [(UInt64, UInt64)] = [(1, 2_000), (.max, 3_000), (5, UInt64(Int64.max))]
        for (id, expires) in ids {
            _ = try store.perform(.end(login: id, of: anna, expires: expires, time: 1_000))
        }
        _ = try store.perform(.setPassword(anna, old: "hash of anna", new: "z", keeping: .max, expires: 2_500))
        // What is answered is there after a crash.
        let copy = try StoreHarness.embedded(try directory.copy()) { $0.now = { 1_000 } }
        #expect(copy.logins?.ends.count == 4 && copy.logins?.key == key)
        copy.close()
        store.close()
        for (now, count) in [(1_999, 4), (2_000, 3), (2_500, 2), (3_000, 1)] as [(UInt64, Int)] {
            store = try open(now)
            #expect(store.logins?.ends.count == count && store.logins?.key == key, "\(now)")
            store.close()
        }
        store = try open(2_000)
        let ends = try #require(store.logins).ends
        #expect(ends.contains(.login(id: .max, expires: 3_000)))
        #expect(ends.contains(.older(user: anna, generation: 1, kept: .max, expires: 2_500)))
        store.close()
        #expect(try StoreHarness.embedded(TemporaryDirectory()).closing { $0.logins?.key } != key)
    }

    @Test func revokingEndsAllOfAUserForGood() throws {
        var store = try StoreHarness.embedded(directory) { $0.now = { 1_000 } }
        let anna = name("anna"), bert = name("bert")
        _ = try store.perform(create(account("anna")))
        let revoke = { (store: StoreHarness, user: Identifier, before: UInt64) in
            guard case .ended(let ends) = try store.perform(.revoke(user, before: before, expires: 5_000)) else {
                throw StoreError.notFound
            }
            return ends
        }
        let first = LoginEnd.older(user: anna, generation: 1, kept: 0, expires: 5_000)
        #expect(try revoke(store, anna, 50) == [.issued(user: anna, before: 50), first])
        #expect(try store.secret(.id(anna))?.generation == 1)
        // Nobody's account; and what was revoked stays so.
        #expect(try revoke(store, bert, 70) == [.issued(user: bert, before: 70)])
        #expect(try revoke(store, bert, 60) == [.issued(user: bert, before: 70)])
        _ = try store.perform(.end(login: 9, of: nil, expires: 3_000, time: 1_000))
        let copy = try StoreHarness.embedded(try directory.copy()) { $0.now = { 1_000 } }
        let all: [LoginEnd] = [
            .login(id: 9, expires: 3_000), first, .issued(user: anna, before: 50), .issued(user: bert, before: 70),
        ]
        #expect(copy.logins?.ends == all)
        copy.close()
        store.close()
        store = try StoreHarness.embedded(directory) { $0.now = { 5_000 } }
        #expect(store.logins?.ends == Array(all[2...]))
        store.close()
    }

    @Test func searchFindsNamesByTheirBeginningAndShowsNoAddresses() throws {
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        for index in 0..<30 { _ = try store.perform(create(account("user\(index)"))) }
        _ = try store.perform(create(Account(id: name("x"), name: "Ünique", email: "x@example.org")))
        let all = try store.search("NAME OF USER", by: "user3", limit: 20)
        #expect(all.count == 20)
        let known = all.filter { $0.email != nil }
        #expect(known.allSatisfy { $0.id == name("user3") })
        #expect(try store.search("name of user29", by: "user29", limit: 20).map(\.email) == ["user29@example.org"])
        #expect(try store.search("ünI", by: "user1", limit: 20).map(\.id) == [name("x")])
        #expect(try store.search("X@example.org", by: "user1", limit: 20).map(\.id) == [name("x")])
        #expect(try store.search("user7", by: "user1", limit: 20).map(\.id) == [name("user7")])
        for text in ["nique", "@example.org", "x@example.or", "%", "_"] {
            #expect(try store.search(text, by: "user1", limit: 20).isEmpty, "\(text)")
        }
    }
}

extension StoreHarness {
    fileprivate var logins: LoginState? { (store as? EmbeddedStore)?.logins }

    fileprivate func closing<Value>(_ body: (StoreHarness) -> Value) -> Value {
        defer { close() }
        return body(self)
    }

    fileprivate func perform(_ command: AccountCommand) throws -> AccountAnswer {
        let wanted = nextTicket()
        store.perform(.account(command), mailbox: MailboxIndex(0), ticket: wanted)
        let answer = try mailboxes[0].wait { event -> Result<DirectoryAnswer, StoreError>? in
            if case .directory(wanted, let result) = event { result } else { nil }
        }.get()
        guard case .account(let answer) = answer else { throw StoreError.notFound }
        return answer
    }

    private func ask(_ question: AccountQuestion) throws -> AccountAnswer {
        guard case .account(let answer) = try ask(.account(question)) else { throw StoreError.notFound }
        return answer
    }

    fileprivate func secret(_ name: AccountName) throws -> AccountSecret? {
        do {
            guard case .secret(let secret) = try ask(.find(name)) else { return nil }
            return secret
        } catch StoreError.notFound {
            return nil
        }
    }

    fileprivate func isTaken(_ id: String) throws -> Bool {
        guard case .flag(let isTaken) = try ask(.isTaken(name(id))) else { throw StoreError.notFound }
        return isTaken
    }

    fileprivate func search(_ text: String, by viewer: String, limit: Int) throws -> [Profile] {
        guard case .profiles(let found) = try ask(.search(text, viewer: name(viewer), limit: limit)) else { return [] }
        return found
    }
}
