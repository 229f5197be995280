import Base
import EmbeddedStore
import Foundation
import Store
import Synchronization
import Testing

/// What happens when the disk says no.
@Suite(.timeLimit(.minutes(5)))
struct FailureTests {
    /// A full journal gives back every number, and goes on where it stood when there is room again.
    @Test func fullDiskGivesNumbersBack() throws {
        let directory = TemporaryDirectory()
        var fold = try Fold(Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions()))
        let connection = try Connection(
            path: directory.path + "/journal.db", options: ConnectionOptions(isExclusive: true))
        try connection.execute("PRAGMA max_page_count=40")
        let file = try JournalFile(connection)
        let index = try Connection(
            path: directory.path + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
        var journal = try Journal(file: file, index: index, mailboxes: 1)
        let reply = ReplyAddress(mailbox: MailboxIndex(0), token: 5, form: 0)
        var now: UInt64 = 1_800_000_000_000
        var committed: [CommittedBatch] = []
        var stored: [String] = []
        var failures = 0
        var floor: UInt64 = 0
        for step in 0..<40 {
            let arena = RecordArena()
            let body = "\(step)" + String(repeating: ".", count: 9_000)
            arena.addPrivate("a", "user\(step)", body, cid: "\(step)", reply: reply)
            let confirm = UInt64(stored.count / 2)
            arena.appendConfirm(user: name("a"), device: name("d"), seq: confirm, reply: nil)
            now += 1
            let attach = AttachRequest(
                user: name("new\(step)"), device: name("d"), token: 1, mailbox: MailboxIndex(0), ticket: 1)
            let round = journal.process(
                [.attach(attach), .batch(arena)], now: now, foldedThrough: fold.position)
            committed += round.committed
            if !round.isFailed {
                stored.append(body)
                floor = confirm
                continue
            }
            failures += 1
            #expect(round.events[0].contains { if case .failed(let notice) = $0 { isFull(notice) } else { false } })
            #expect(
                round.events[0].contains {
                    if case .attached(_, .failure) = $0 { true } else { false }
                })
            // Room again: the index has everything, and the journal trims within its next commit.
            try fold.fold(committed, now: now)
            committed = []
        }
        #expect(failures > 1 && stored.count > 10)
        try fold.fold(committed, now: now)
        var reader = try fold.withConnection { (connection) throws(SQLiteError) in try Reader(connection) }
        let page = try reader.read(.inbox(user: name("a"), after: 0, limit: 1_000), now: now)
        let last = try reader.read(.unconfirmed(user: name("a"), device: name("d"), limit: 1_000), now: now)
        #expect(page.seqs == Array(floor + 1...UInt64(stored.count)))
        #expect(page.bodies == Array(stored.suffix(page.bodies.count)))
        #expect(last.seqs == page.seqs)
    }

    private func isFull(_ notice: FailureNotice) -> Bool {
        if case .unavailable(let text) = notice.error { text.contains("full") } else { false }
    }

    /// After a write error at a commit nobody knows what the disk holds: everything is refused until a restart, and
    /// after it the resend is either recognised or stored.
    @Test func writeErrorStopsTheJournal() async throws {
        let directory = TemporaryDirectory()
        let path = directory.path
        await #expect(processExitsWith: .success) { [path = path as String] in
            let mailbox = TestMailbox()
            var options = EmbeddedStoreOptions(directory: path)
            options.foldMilliseconds = 3_600_000
            let store = StoreHarness([mailbox], try EmbeddedStore(options, mailboxes: [mailbox]))
            try store.send("a", "b", "before", cid: "1")
            // A file may not grow beyond this: SQLite sees EFBIG, which isn't "disk full" to it.
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 256 << 10, rlim_max: rlim_t.max)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let large = String(repeating: "x", count: 1 << 20)
            do {
                try store.send("a", "b", large, cid: "2")
                exit(1)
            } catch StoreError.unknownOutcome {
            } catch StoreError.unavailable(let text) where text.contains("I/O") {}
            limit.rlim_cur = rlim_t.max
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            do {
                try store.send("a", "b", "after", cid: "3")
                exit(2)
            } catch StoreError.unavailable(let text) where text.contains("needs a restart") {}
            _exit(0)
        }
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(try store.send("a", "b", "before", cid: "1").status == .duplicate)
        try store.send("a", "b", "large", cid: "2")
        #expect(try store.send("a", "b", "after", cid: "3").status == .stored)
        let inbox = try store.inbox("b")
        #expect(inbox.seqs == [1, 2, 3] && inbox.bodies[2] == "after")
    }

    @Test func retentionDeletesOldEntriesAndKeepsHistory() throws {
        let directory = TemporaryDirectory()
        let clock = TestClock(1_800_000_000_000)
        let store = try StoreHarness.embedded(directory) { $0.now = { clock.now } }
        defer { store.close() }
        try store.attach("b")
        try store.send("a", "b", "old")
        clock.advance(days: 80)
        try store.send("a", "b", "newer")
        #expect(try store.inbox("b").bodies == ["old", "newer"])
        clock.advance(days: 11)
        try store.send("a", "b", "newest")
        #expect(try store.inbox("b").bodies == ["newer", "newest"])
        #expect(try store.history("a", "b").bodies == ["old", "newer", "newest"])
    }

    @Test func resendAfterADayIsANewMessage() throws {
        let directory = TemporaryDirectory()
        let clock = TestClock(1_800_000_000_000)
        let store = try StoreHarness.embedded(directory) { $0.now = { clock.now } }
        defer { store.close() }
        try store.send("a", "b", "1", cid: "x")
        clock.advance(hours: 23)
        #expect(try store.send("a", "b", "1", cid: "x").status == .duplicate)
        clock.advance(hours: 2)
        #expect(try store.send("a", "b", "1", cid: "x").status == .stored)
    }

    /// A clock that jumps back must not repeat an id, nor let time run backwards.
    @Test func clockThatGoesBackKeepsIdsIncreasing() throws {
        let directory = TemporaryDirectory()
        let clock = TestClock(1_800_000_000_000)
        var store = try StoreHarness.embedded(directory) { $0.now = { clock.now } }
        let first = try store.send("a", "b", "1", cid: "x")
        clock.advance(hours: -5)
        #expect(try store.send("a", "b", "2").id > first.id)
        store.close()
        store = try StoreHarness.embedded(directory) { $0.now = { clock.now } }
        defer { store.close() }
        #expect(try store.send("a", "b", "3").id > first.id + 1)
        #expect(try store.send("a", "b", "1", cid: "x").status == .duplicate)
    }

    @Test func closedStoreAnswersWithErrors() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        store.close()
        #expect(throws: StoreError.self) { try store.send("a", "b", "1") }
        #expect(throws: StoreError.self) { try store.attach("a") }
        #expect(throws: StoreError.self) { try store.inbox("a") }
        #expect(throws: StoreError.self) { try store.perform(.create(id: name("g"), name: "", members: [:], by: name("a"))) }
    }

    /// With a cache of two users everybody is forgotten as soon as they are folded, and numbers still go on.
    @Test func forgottenUsersGoOnWhereTheyStood() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.cachedUsersMax = 2 }
        defer { store.close() }
        for round in 1...5 {
            for user in 0..<20 {
                let stored = try store.send("u\(user)", "v\(user)", "\(round)", cid: "\(round)")
                #expect(stored.seq == UInt64(round) && stored.cseq == UInt64(round))
            }
            _ = try store.inbox("u0")
        }
        for user in 0..<20 {
            #expect(try store.send("u\(user)", "v\(user)", "2", cid: "2").seq == 2)
            #expect(try store.sendGroup("u\(user)", "g", to: ["u\(user)"], "g").cseq == UInt64(user) + 1)
            _ = try store.inbox("u0")
        }
    }
}

/// A clock that a test turns.
final class TestClock: Sendable {
    private let time: Mutex<UInt64>
    init(_ time: UInt64) { self.time = Mutex(time) }
    var now: UInt64 { time.withLock { $0 } }
    func advance(hours: Int) { time.withLock { $0 = UInt64(Int($0) + hours * 3_600_000) } }
    func advance(milliseconds: UInt64) { time.withLock { $0 += milliseconds } }
    func advance(days: Int) { advance(hours: days * 24) }
}
