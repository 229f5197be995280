import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// Edits and recalls: they count in the order of the journal, once, and what is recalled is gone.
@Suite(.timeLimit(.minutes(5)))
struct EditTests {
    private func text(_ number: Int) -> String { #"{"content":"secret \#(number)"}"# }
    private let recalled = #"{"recalled":true}"#

    private func append(
        _ kind: RecordKind, to arena: RecordArena, _ sender: String, _ destination: String, of message: Stored,
        _ body: String = "", in group: Group? = nil, reply: ReplyAddress?
    ) {
        let head = MessageHead(
            command: group == nil ? 10 : 11, content: 32, sender: name(sender), destination: name(destination))
        arena.appendChange(
            kind, head, of: message.id, at: message.cseq, to: group.map(ChangeAudience.members) ?? .both,
            body: Array(body.utf8).span.bytes, reply: reply)
    }

    @discardableResult
    private func change(
        _ kind: RecordKind, _ store: StoreHarness, _ sender: String, _ destination: String, of message: Stored,
        _ body: String = "", in group: Group? = nil
    ) throws -> Stored {
        let arena = RecordArena()
        let reply = store.address(0)
        append(kind, to: arena, sender, destination, of: message, body, in: group, reply: reply)
        store.store.submit(arena)
        return try store.answer(to: reply)
    }

    private func sendMembers(
        _ store: StoreHarness, _ sender: String, _ destination: String, _ body: String
    ) throws -> Stored {
        let arena = RecordArena()
        let reply = store.address(0)
        let head = MessageHead(command: 10, content: 32, sender: name(sender), destination: name(destination))
        arena.appendPrivateMessage(head, cid: RawSpan(), body: Array(body.utf8).span.bytes, reply: reply)
        store.store.submit(arena)
        return try store.answer(to: reply)
    }

    private func edits(_ store: StoreHarness, _ message: Stored, after: UInt64 = 0, limit: Int = 1_000) throws -> Page {
        try store.read(.edits(message: message.id, after: after, limit: limit))
    }

    @Test func anEditIsMergedAndTold() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory, mailboxes: 2)
        defer { store.close() }
        try store.attach("b", token: 5, mailbox: 1)
        let message = try sendMembers(store, "a", "b", #"{"content":"x","memo":"stays"}"#)
        let edit = try change(.edit, store, "a", "b", of: message, #"{"content":"y"}"#)
        #expect(edit.status == .stored && edit.cseq == message.cseq && edit.seq == 2 && edit.id > message.id)
        let told = store.pushed(5, mailbox: 1)
        #expect(told.map(\.seq) == [1, 2] && told[1].body == #"{"content":"y"}"#)
        let history = try store.history("a", "b")
        let time = try store.inbox("b").records[1].time
        #expect(history.bodies == [#"{"memo":"stays","content":"y","edited":\#(time)}"#])
        #expect(history.cseqs == [1] && history.records[0].id == message.id)
        let inbox = try store.inbox("b")
        #expect(inbox.records.map(\.kind) == [.message, .edit] && inbox.cseqs == [1, 1])
        #expect(inbox.bodies == [history.bodies[0], #"{"content":"y"}"#])
        try store.send("b", "a", "next")
        #expect(try store.history("a", "b").cseqs == [1, 2], "a change takes no place in the conversation")
    }

    @Test func versionsAreKeptUntilTheRecall() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let message = try sendMembers(store, "a", "b", text(0))
        var made = [message.id]
        for number in 1...Limits.editsKept + 5 {
            made.append(try change(.edit, store, "a", "b", of: message, text(number)).id)
        }
        let all = try edits(store, message)
        #expect(all.records.count == Limits.editsKept && !all.more)
        #expect(all.records.map(\.id) == Array(made[5..<made.count - 1]), "the oldest versions go")
        #expect(all.bodies[0].hasPrefix(#"{"content":"secret 5""#))
        let part = try edits(store, message, after: made[6], limit: 2)
        #expect(part.records.map(\.id) == Array(made[7...8]) && part.more)
        try change(.recall, store, "a", "b", of: message)
        #expect(try edits(store, message).records.isEmpty)
        let inbox = try store.inbox("b")
        #expect(inbox.bodies.dropLast() == Array(repeating: recalled, count: made.count)[...])
        #expect(try store.history("a", "b").bodies == [recalled])
    }

    @Test func whatCountsIsDecidedInTheJournal() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory, mailboxes: 2)
        defer { store.close() }
        try store.attach("b", token: 5, mailbox: 1)
        let message = try sendMembers(store, "a", "b", text(0))
        // In one batch, so that nothing is folded between.
        let arena = RecordArena()
        let replies = (0..<5).map { _ in store.address(0) }
        append(.edit, to: arena, "a", "b", of: message, text(1), reply: replies[0])
        append(.recall, to: arena, "a", "b", of: message, reply: replies[1])
        append(.edit, to: arena, "a", "b", of: message, text(2), reply: replies[2])
        append(.recall, to: arena, "a", "b", of: message, reply: replies[3])
        arena.addPrivate("a", "b", "after", reply: replies[4])
        store.store.submit(arena)
        let answers = try replies.map { try store.answer(to: $0).status }
        #expect(answers == [.stored, .stored, .refused, .duplicate, .stored])
        #expect(store.pushed(5, mailbox: 1).map(\.seq) == [1, 2, 3, 4])
        #expect(try store.inbox("b").bodies == [recalled, recalled, "", "after"])
        #expect(try store.history("a", "b").cseqs == [1, 2])
        // Folded by now: the journal asks the index.
        #expect(try change(.edit, store, "a", "b", of: message, text(3)).status == .refused)
        #expect(try change(.recall, store, "a", "b", of: message).status == .duplicate)
        #expect(try store.inbox("a").seqs == [1, 2, 3, 4])
    }

    @Test func membersOfAGroupAreTold() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let group = Group(
            id: name("g"), name: "g", version: 1, members: [name("a"): .admin, name("b"): .member, name("c"): .member])
        let message = try store.sendGroup("b", "g", to: ["a", "b", "c"], "text")
        try change(.edit, store, "a", "g", of: message, #"{"content":"by a"}"#, in: group)
        try change(.recall, store, "a", "g", of: message, in: group)
        for user in ["a", "b", "c"] {
            let page = try store.inbox(user)
            #expect(page.records.map(\.kind) == [.message, .edit, .recall] && page.seqs == [1, 2, 3])
            #expect(page.records.map(\.sender) == [name("b"), name("a"), name("a")])
            #expect(page.records.allSatisfy { $0.destination == name("g") })
        }
    }

    @Test func editsThatAreTooLargeTogetherDontGrow() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let message = try sendMembers(store, "a", "b", #"{"content":"x"}"#)
        for field in ["f", "g", "h", "i"] {
            let value = String(repeating: "y", count: 1 << 20)
            try change(.edit, store, "a", "b", of: message, #"{"\#(field)":"\#(value)"}"#)
        }
        let body = try store.history("a", "b").bodies[0]
        #expect(body.utf8.count < Limits.composedBytesMax && body.hasPrefix(#"{"i":"yy"#))
    }

    @Test func aFailedRoundTakesItsRecallBack() throws {
        let directory = TemporaryDirectory()
        var fold = try Fold(Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions()))
        let connection = try Connection(
            path: directory.path + "/journal.db", options: ConnectionOptions(isExclusive: true))
        try connection.execute("PRAGMA max_page_count=20")
        let index = try Connection(
            path: directory.path + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
        var journal = try Journal(file: try JournalFile(connection), index: index, mailboxes: 1)
        let reply = ReplyAddress(mailbox: MailboxIndex(0), token: 5, form: 0)
        var message = Stored(status: .pending, id: 0, cseq: 0, seq: 0, body: "")

        func round(_ fill: (RecordArena) -> Void) throws -> RecordStatus? {
            let arena = RecordArena()
            fill(arena)
            let round = journal.process([.batch(arena)], now: 1, foldedThrough: fold.position)
            try fold.fold(round.committed, now: 1)
            let record = arena.record(at: 0)
            if record.kind == .message {
                message = Stored(status: record.status, id: record.id, cseq: record.cseq, seq: 0, body: "")
            }
            return round.isFailed ? nil : record.status
        }
        #expect(try round { $0.addPrivate("a", "b", "x", reply: reply) } == .stored)
        let full = try round { arena in
            append(.recall, to: arena, "a", "b", of: message, reply: reply)
            arena.addPrivate("a", "b", String(repeating: ".", count: 100_000), reply: reply)
        }
        #expect(full == nil)
        let edit: (RecordArena) -> Void = { append(.edit, to: $0, "a", "b", of: message, text(1), reply: reply) }
        #expect(try round(edit) == .stored, "nothing was recalled")
        #expect(try round { append(.recall, to: $0, "a", "b", of: message, reply: reply) } == .stored)
        #expect(try round(edit) == .refused)
    }

    /// A copy of the files at any moment has each answered change once, with what follows from it.
    @Test func everyMomentCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 1 }
        defer { store.close() }
        let first = try sendMembers(store, "a", "b", text(0))
        let second = try sendMembers(store, "a", "b", text(0))
        for number in 1...8 {
            try change(.edit, store, "a", "b", of: first, text(number))
            if number == 4 { try change(.recall, store, "a", "b", of: second) }
            if number < 4 { try change(.edit, store, "a", "b", of: second, text(number)) }
            for _ in 0..<2 {
                let copy = try directory.copy()
                let copied = try StoreHarness.embedded(copy)
                let bodies = try copied.history("a", "b").bodies
                #expect(bodies[0].hasPrefix(String(text(number).dropLast())))
                #expect(try edits(copied, first).records.count == number)
                let inbox = try copied.inbox("b")
                #expect(inbox.seqs == Array(1...UInt64(inbox.seqs.count)))
                #expect(inbox.seqs.count == 2 + number + min(number, 4))
                if number >= 4 {
                    #expect(bodies[1] == recalled)
                    #expect(try change(.edit, copied, "a", "b", of: second, text(9)).status == .refused)
                    #expect(try change(.recall, copied, "a", "b", of: second).status == .duplicate)
                } else {
                    #expect(try edits(copied, second).records.count == number)
                }
                copied.close()
                usleep(2_000)
            }
        }
    }
}
