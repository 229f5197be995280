import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// What is told of a user, and what an erasure leaves.
@Suite(.timeLimit(.minutes(5)))
struct UserDataTests {
    private let directory = TemporaryDirectory()
    private let recalled = #"{"recalled":true}"#
    private let mark = "quaggamark7351"

    private func open(_ change: (inout EmbeddedStoreOptions) -> Void = { _ in }) throws -> StoreHarness {
        try StoreHarness.embedded(directory) { options in
            options.fold.search = SearchOptions()
            change(&options)
        }
    }

    private func archive(_ user: String) throws -> UserArchive {
        try UserArchive(of: name(user), in: directory.path, inboxMembersMax: 500)
    }

    private func erase(_ user: String) throws -> Bool {
        try UserErasure.erase(name(user), in: directory.path, inboxMembersMax: 500, loginsExpire: 1 << 50)
    }

    /// The files that hold the mark.
    private func marked(_ other: TemporaryDirectory? = nil) throws -> [String] {
        let directory = other ?? directory
        return try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { file in
            let bytes = FileManager.default.contents(atPath: directory.path + "/" + file) ?? Data()
            return bytes.range(of: Data(mark.utf8)) != nil
        }
    }

    @Test func anArchiveHasAllPagesAndNothingOfOthers() throws {
        let store = try open()
        for number in 0..<1_200 { try store.send("anna", "bert", "a\(number)") }
        try store.send("bert", "carl", "not anna's")
        try store.hold("dora", "anna", "held")
        try store.hold("anna", "dora", "anna's own")
        try store.sendGroup("anna", "left", to: ["anna", "bert"], "to a group")
        try store.confirm("anna", "phone", 200)
        store.close()
        var archive = try archive("anna")
        #expect(try archive.isKnown() && !archive.isLive)
        #expect(try archive.conversations(after: 0).map(\.item.unread) == [0, 0])
        var bodies: [String] = []
        var through: UInt64 = 0
        let key = ConversationKey(command: 10, sender: name("anna"), destination: name("bert"))
        while true {
            let page = try archive.history(of: key, after: through)
            bodies += page.bodies
            through = page.through
            guard page.more else { break }
        }
        #expect(bodies == (0..<1_200).map { "a\($0)" })
        let dora = ConversationKey(command: 10, sender: name("anna"), destination: name("dora"))
        #expect(try archive.history(of: dora, after: 0).bodies == ["anna's own"])
        #expect(try archive.inbox(after: 0).seqs.first == 201)
        #expect(try archive.sentElsewhere(after: 0).bodies == ["to a group"])
        #expect(try archive.devices().map(\.device) == ["phone"])
        var nobody = try self.archive("nobody")
        #expect(try !nobody.isKnown())
    }

    @Test func anErasureLeavesPlacesAndNumbers() throws {
        var store = try open()
        for number in 0..<30 {
            try store.send("anna", "bert", "\(mark) \(number)", cid: "\(mark)\(number)")
            if number % 3 == 0 { try store.send("bert", "anna", "b\(number)") }
        }
        try store.markRead("bert", "anna", 11)
        let list = try store.chatList("bert")
        let before = try store.history("anna", "bert", .after(0), limit: 1_000)
        let inbox = try store.inbox("bert")
        store.close()
        #expect(try !marked().isEmpty)
        #expect(try erase("anna"))
        #expect(try marked().isEmpty)
        #expect(try !erase("anna"), "it is done")
        store = try open()
        defer { store.close() }
        let after = try store.history("anna", "bert", .after(0), limit: 1_000)
        #expect(after.cseqs == before.cseqs && after.records.map(\.id) == before.records.map(\.id))
        for (old, new) in zip(before.records, after.records) {
            #expect(new.text == (old.sender == name("anna") ? recalled : old.text) && new.sender == old.sender)
        }
        #expect(try store.chatList("bert").items.map(\.unread) == list.items.map(\.unread))
        #expect(try store.inbox("bert").seqs == inbox.seqs)
        #expect(try store.inbox("anna").records.isEmpty && store.chatList("anna").items.isEmpty)
        // The id goes on: numbers aren't given twice, and an old cid is nobody's.
        let next = try store.send("anna", "bert", "new", cid: "\(mark)29")
        #expect(next.status == .stored && next.cseq == before.cseqs.last.map { $0 + 1 } && next.seq == 41)
        let key = ConversationKey(command: 10, sender: name("anna"), destination: name("bert"))
        for range in [HistoryRange.newest, .after(0), .before(1_000)] {
            let seen = try store.read(.history(key, range, limit: 100, viewer: name("anna")))
            #expect(seen.bodies == ["new"] && !seen.more)
        }
        #expect(try store.chatList("anna").items.map(\.unread) == [0])
    }

    @Test func whatWasBegunIsFinishedByTheNextStart() throws {
        var store = try open()
        for number in 0..<2_500 { try store.send("anna", number % 2 == 0 ? "bert" : "carl", "\(mark) \(number)") }
        store.close()
        #expect(try UserErasure.begin(name("anna"), in: directory.path, inboxMembersMax: 500, loginsExpire: 1 << 50))
        #expect(try !marked().isEmpty)
        store = try open()
        defer { store.close() }
        #expect(try marked().isEmpty)
        let bodies = try store.history("anna", "carl", .after(0), limit: 1_000).bodies
        #expect(bodies.count == 1_000 && bodies.allSatisfy { $0 == recalled })
    }

    @Test func whatACrashLeftInTheJournalGoesToo() throws {
        let store = try open()
        defer { store.close() }
        for number in 0..<50 { try store.send("anna", "bert", "\(mark) \(number)") }
        // In the index, and still in the journal.
        #expect(try store.inbox("bert").records.count == 50)
        let folded = try directory.copy()
        for number in 0..<50 { try store.send("anna", "bert", "\(mark) \(number)") }
        for copy in [folded, try directory.copy()] {
            #expect(try marked(copy).contains { $0.hasPrefix("journal.db") })
            #expect(
                try UserErasure.erase(name("anna"), in: copy.path, inboxMembersMax: 500, loginsExpire: 1 << 50))
            #expect(try marked(copy).isEmpty)
        }
    }

    @Test func heldMessagesDontComeToTheNextUserOfTheID() throws {
        var store = try open()
        try store.perform(.request(by: name("anna"), to: name("bert"), text: "\(mark) hello", isImplied: false))
        try store.hold("anna", "bert", "\(mark) a")
        try store.hold("bert", "anna", "for the old one")
        store.close()
        #expect(try erase("anna"))
        #expect(try marked().isEmpty)
        store = try open()
        defer { store.close() }
        try store.perform(.request(by: name("anna"), to: name("bert"), text: "", isImplied: false))
        try store.perform(.accept(by: name("bert"), from: name("anna")))
        try store.send("bert", "anna", "for the new one")
        #expect(try store.inbox("anna").bodies.filter { !$0.contains("contact.") } == ["for the new one"])
        #expect(try store.inbox("bert").bodies.allSatisfy { !$0.contains(mark) })
    }

    @Test func groupsGetAnAdminOrGo() throws {
        var store = try open()
        let roles: [[String: GroupRole]] = [
            ["anna": .admin], ["anna": .admin, "carl": .member, "bert": .member],
            ["anna": .admin, "bert": .member, "dora": .moderator], ["anna": .admin, "emil": .admin, "bert": .member],
            ["anna": .member, "bert": .admin], ["anna": .admin, "bert": .silent],
        ]
        for (index, members) in roles.enumerated() {
            let named = Dictionary(uniqueKeysWithValues: members.map { (name($0.key), $0.value) })
            _ = try store.perform(.create(id: name("g\(index)"), name: "G", members: named, by: name("anna")))
        }
        store.close()
        #expect(try erase("anna"))
        store = try open()
        defer { store.close() }
        #expect(throws: StoreError.notFound) { try store.group("g0") }
        let admins = try (1..<roles.count).map { index in
            try store.group("g\(index)").members.filter { $0.value == .admin }.map(\.key.description)
        }
        #expect(admins == [["bert"], ["dora"], ["emil"], ["bert"], ["bert"]])
        let told = try store.inbox("bert").bodies
        #expect(told.count { $0.contains("group.removed") } == 5 && told.count { $0.contains("group.role") } == 3)
        #expect(try store.inbox("bert").seqs == Array(1...UInt64(told.count)))
        #expect(try store.inbox("anna").records.isEmpty)
    }

    @Test func othersEntriesStayWhereTheyAreInTheRuns() throws {
        // Small blocks and runs: the erased user's entries lie in many, beside those of others.
        let small: (inout EmbeddedStoreOptions) -> Void = { options in
            options.fold.runs.blockEntries = 4
            options.fold.runs.openEntries = 8
            options.fold.runs.fanIn = 2
            options.fold.runs.stepEntries = 8
        }
        var store = try open(small)
        var expected: [String: [String]] = [:]
        for number in 0..<400 {
            let (from, to) = ("user\(number % 7)", "user\(number * 3 % 5)")
            try store.send(from, to, "m\(number)", cid: "c\(number)")
            for user in Set([from, to]) {
                expected[user, default: []].append(from == "user3" ? recalled : "m\(number)")
            }
            // Each of these is a fold of its own.
            if number % 10 == 0 { _ = try store.inbox("user1") }
        }
        store.close()
        #expect(try erase("user3"))
        store = try open(small)
        defer { store.close() }
        for (user, bodies) in expected where user != "user3" {
            let inbox = try store.inbox(user)
            #expect(inbox.bodies == bodies && inbox.seqs == Array(1...UInt64(bodies.count)), "\(user)")
        }
        #expect(try store.inbox("user3").records.isEmpty)
        for number in 0..<200 { try store.send("user\(number % 7)", "user3", "later") }
        #expect(try store.inbox("user3").bodies == Array(repeating: "later", count: 200))
    }

    @Test func theNextAccountBeginsWithAnotherGeneration() throws {
        var store = try open()
        let account = Account(id: name("anna"), name: mark, email: "\(mark)@example.org")
        for generation in UInt32(0)...2 {
            #expect(try create(account, store) == generation)
            store.close()
            #expect(try erase("anna"))
            #expect(try marked().isEmpty)
            store = try open()
            let ends = try #require((store.store as? EmbeddedStore)?.logins.ends)
            #expect(ends == [.older(user: name("anna"), generation: generation + 1, kept: 0, expires: 1 << 50)])
        }
        try store.send("bert", "anna", "waits for the next one")
        #expect(try store.inbox("anna").bodies == ["waits for the next one"])
        #expect(throws: StoreError.self) { try create(account, store) }
        store.close()
    }

    private func create(_ account: Account, _ store: StoreHarness) throws -> UInt32? {
        let command = AccountCommand.create(account, password: "hash", takesInbox: false, time: 1)
        let wanted = store.nextTicket()
        store.store.perform(.account(command), mailbox: MailboxIndex(0), ticket: wanted)
        let answer = try store.mailboxes[0].wait { event -> Result<DirectoryAnswer, StoreError>? in
            if case .directory(wanted, let result) = event { result } else { nil }
        }.get()
        guard case .account(.created(let generation)) = answer else { return nil }
        return generation
    }
}
