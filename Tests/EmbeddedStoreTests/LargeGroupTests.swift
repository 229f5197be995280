import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// Messages of groups that are too large for their members' inboxes, and the marks that tell of them.
@Suite(.timeLimit(.minutes(5)))
struct LargeGroupTests {
    private func open(
        _ directory: TemporaryDirectory, mailboxes: Int = 1, _ change: (inout EmbeddedStoreOptions) -> Void = { _ in }
    ) throws -> StoreHarness {
        try StoreHarness.embedded(directory, mailboxes: mailboxes) {
            $0.fold.inboxMembersMax = 3
            change(&$0)
        }
    }

    private func create(_ id: String, _ members: [String], in store: StoreHarness) throws -> Group {
        let members = Dictionary(uniqueKeysWithValues: members.map { (name($0), GroupRole.member) })
        let group = try store.perform(.create(id: name(id), name: "G", members: members, by: name("a")))
        // The invitations are in the inboxes before anything else is.
        for member in members.keys { try store.wait(for: 1, in: member.description) }
        return group
    }

    /// What the marks in an inbox say.
    private func marks(_ user: String, _ store: StoreHarness) throws -> [String] {
        try store.inbox(user).bodies.filter { $0.contains("group.changed") }
    }

    private func mark(_ group: String, _ cseq: Int) -> String {
        #""name":"group.changed","conv":"\#(group)","cseq":\#(cseq)"#
    }

    @Test func aMessageHasAPlaceForItsSenderAlone() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        let group = try create("g", ["a", "b", "c", "d"], in: store)
        #expect(group.isLarge)
        let first = try store.send("a", to: group, "one")
        let second = try store.send("b", to: group, "two")
        #expect([first.seq, first.cseq, second.seq, second.cseq] == [2, 1, 2, 2])
        #expect(try store.inbox("a").bodies.last == "one")
        #expect(try store.inbox("c").records.count == 1)
        #expect(try store.read(.history(.group(name("g")), .newest, limit: 10, viewer: nil)).bodies == ["one", "two"])
        #expect(try store.send("a", to: group, "one", cid: "x").status == .stored)
        #expect(try store.send("a", to: group, "one", cid: "x").status == .duplicate)
    }

    @Test func everyMailboxHearsOfEachMessageOnceAndInOrder() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory, mailboxes: 3)
        defer { store.close() }
        let group = try create("g", ["a", "b", "c", "d"], in: store)
        for index in 0..<20 { try store.send(["a", "b"][index % 2], to: group, "\(index)", mailbox: index % 3) }
        for mailbox in 0..<3 { #expect(store.heardByMembers(mailbox) == (0..<20).map { "\($0)" }) }
    }

    @Test func whoComesIsToldOncePerGroupOfTheNewest() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        let group = try create("g", ["a", "b", "c", "d"], in: store)
        let other = try create("h", ["a", "b", "c", "d"], in: store)
        for text in ["one", "two", "three"] { try store.send("a", to: group, text) }
        #expect(try store.attach("c", token: 7).head == 3, "the head includes the mark")
        #expect(try marks("c", store) == [mark("g", 3)])
        #expect(try store.attach("c", device: "e", token: 7).head == 3, "nothing changed since")
        try store.send("a", to: other, "four")
        try store.send("a", to: group, "five")
        #expect(try store.attach("c", token: 7).head == 5)
        #expect(try Set(marks("c", store).suffix(2)) == [mark("g", 4), mark("h", 1)])
        #expect(store.pushed(7).map(\.seq) == [3, 4, 5], "sessions that are there get the mark as an entry")
        #expect(try store.attach("stranger").head == 0)
        #expect(!store.store.mayOweMarks(to: name("stranger")))
    }

    @Test func whoNeverComesIsToldWhenAsked() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        let group = try create("g", ["a", "b", "c", "d"], in: store)
        #expect(try store.mark("d") == nil)
        try store.send("a", to: group, "one")
        #expect(store.store.mayOweMarks(to: name("d")))
        for _ in 0..<3 { #expect(try store.mark("d") == nil) }
        #expect(try marks("d", store) == [mark("g", 1)])
    }

    @Test func marksAreKeptAcrossRestarts() throws {
        let directory = TemporaryDirectory()
        do {
            let store = try open(directory)
            defer { store.close() }
            let group = try create("g", ["a", "b", "c", "d"], in: store)
            try store.send("a", to: group, "one")
            try store.attach("b")
        }
        for _ in 0..<3 {
            let store = try open(directory)
            defer { store.close() }
            #expect(try store.attach("b").head == 2)
            #expect(try store.attach("c").head == 2)
            #expect(try marks("b", store) == [mark("g", 1)])
            #expect(try marks("c", store) == [mark("g", 1)])
        }
        let store = try open(directory)
        defer { store.close() }
        try store.send("a", to: store.group("g"), "two")
        #expect(try store.attach("b").head == 3)
    }

    @Test func membersWhoJoinedLaterAreToldAndThoseWhoLeftAreNot() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        let small = try create("g", ["a", "b", "c"], in: store)
        #expect(!small.isLarge)
        try store.send("a", to: small, "to everyone")
        let large = try store.perform(.setMember(group: name("g"), user: name("d"), role: .member, by: name("a")))
        #expect(large.isLarge)
        try store.wait(for: 1, in: "d")
        try store.send("a", to: large, "to the history")
        _ = try store.perform(.removeMember(group: name("g"), user: name("b"), by: name("a")))
        try store.wait(for: 3, in: "b")
        let again = try store.group("g")
        #expect(!again.isLarge)
        try store.send("a", to: again, "to everyone again")
        #expect(try store.attach("b").head == 3, "who left isn't told")
        try store.attach("c")
        try store.attach("d")
        #expect(try marks("c", store) == [mark("g", 3)])
        #expect(try marks("d", store) == [mark("g", 3)])
        #expect(try store.inbox("c").bodies.contains("to everyone again"))
    }

    /// A copy of the files at any moment has marks without gaps, and whoever comes is told of all that was acked.
    @Test func everyMomentCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory) { $0.foldMilliseconds = 1 }
        defer { store.close() }
        let group = try create("g", ["a", "b", "c", "d"], in: store)
        for round in 1...12 {
            try store.send("a", to: group, "\(round)")
            try store.attach("b")
            let copy = try directory.copy()
            let copied = try open(copy)
            defer { copied.close() }
            try copied.attach("b")
            try copied.attach("c")
            #expect(try marks("b", copied) == (1...round).map { mark("g", $0) })
            #expect(try marks("c", copied) == [mark("g", round)])
        }
    }
}

extension StoreHarness {
    /// Sends as a hub does: to everyone's inbox, or to a large group's history.
    @discardableResult
    fileprivate func send(
        _ sender: String, to group: Group, _ body: String, cid: String = "", mailbox: Int = 0
    ) throws -> Stored {
        let arena = RecordArena()
        let reply = address(mailbox)
        let head = MessageHead(command: 11, content: 0, sender: name(sender), destination: group.id)
        arena.appendMessage(
            head, to: group, cid: Array(cid.utf8).span.bytes, body: Array(body.utf8).span.bytes, reply: reply)
        store.submit(arena)
        return try answer(to: reply)
    }

    fileprivate func mark(_ user: String) throws -> StoreError? {
        let wanted = nextTicket()
        store.mark(name(user), mailbox: MailboxIndex(0), ticket: wanted)
        return mailboxes[0].wait { event -> StoreError?? in
            if case .marked(wanted, let failure) = event { .some(failure) } else { nil }
        }
    }

    /// The messages that a mailbox got for the members of large groups.
    fileprivate func heardByMembers(_ mailbox: Int) -> [String] {
        mailboxes[mailbox].events.flatMap { event -> [String] in
            guard case .committed(let notice) = event else { return [] }
            return notice.items.filter(\.isForMembers).map { notice.arena.record(at: $0.record).text }
        }
    }

    fileprivate func wait(for count: Int, in user: String) throws {
        for _ in 0..<2_000 {
            if try inbox(user).records.count >= count { return }
            usleep(2_000)
        }
        Issue.record("\(user) has no \(count) entries")
    }
}
