import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// What was acknowledged is there after any end of the process, exactly once.
@Suite(.timeLimit(.minutes(5)))
struct CrashTests {
    /// A child sends from three threads and notes each ack; it is killed in the middle, three times on the same files.
    @Test func acknowledgedSurvivesKill() async throws {
        let directory = TemporaryDirectory()
        let path = directory.path
        for round in 0..<3 {
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, round = round as Int] in
                var options = EmbeddedStoreOptions(directory: path + "/data")
                options.foldMilliseconds = 3
                let mailboxes = (0..<3).map { _ in TestMailbox() }
                let store = StoreHarness(mailboxes, try EmbeddedStore(options, mailboxes: mailboxes))
                let acks = open(path + "/acks", O_WRONLY | O_CREAT | O_APPEND, 0o600)
                DispatchQueue.concurrentPerform(iterations: 3) { caller in
                    for index in 0..<1_000_000 {
                        let body = "\(round)-\(caller)-\(index)"
                        guard (try? store.send("s\(caller)", "b", body, cid: body, mailbox: caller)) != nil else {
                            return
                        }
                        write(acks, body + "\n", body.utf8.count + 1)
                        if index == 40 + 20 * round, caller == 0 { kill(getpid(), SIGKILL) }
                    }
                }
            }
        }
        let acks = try String(contentsOfFile: path + "/acks", encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(acks.count > 100)
        let mailbox = TestMailbox()
        let store = StoreHarness(
            [mailbox], try EmbeddedStore(EmbeddedStoreOptions(directory: path + "/data"), mailboxes: [mailbox]))
        defer { store.close() }
        var stored: [String] = []
        var seqs: [UInt64] = []
        while true {
            let page = try store.inbox("b", after: UInt64(stored.count))
            stored += page.bodies
            seqs += page.seqs
            if !page.more { break }
        }
        #expect(seqs == Array(1...UInt64(seqs.count)))
        #expect(Set(stored).count == stored.count, "nothing is stored twice")
        #expect(Set(acks).subtracting(stored).isEmpty)
        for body in acks.prefix(5) {
            #expect(
                try store.send("s" + body.split(separator: "-")[1], "b", body, cid: body)
                    .status == .duplicate)
        }
    }

    /// The files as a crash would leave them between any two steps of journal, fold and trim.
    @Test func everyStepCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        var fold = try Fold(Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions()))
        let file = try JournalFile(
            Connection(path: directory.path + "/journal.db", options: ConnectionOptions(isExclusive: true)))
        try agree(directory, file)
        let index = try Connection(
            path: directory.path + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
        var journal = try Journal(file: file, index: index, mailboxes: 1)
        var now: UInt64 = 1_800_000_000_000
        var sent = 0
        for step in 0..<12 {
            let arena = RecordArena()
            for _ in 0..<5 {
                sent += 1
                arena.addPrivate("a", "b\(sent % 3)", "\(sent)", cid: "\(sent)", reply: nil)
            }
            arena.appendConfirm(user: name("b0"), device: name("d"), seq: UInt64(sent / 6), reply: nil)
            now += 1
            let round = journal.process([.batch(arena)], now: now, foldedThrough: fold.position)
            #expect(round.committed.count == 1 && !round.isFailed)
            try check(directory.copy(), sent: sent)
            guard step % 3 != 0 else {
                journal.tidy()
                continue
            }
            try fold.fold(pending(from: fold.position, upTo: round.committed, file: directory), now: now)
            try check(directory.copy(), sent: sent)
        }
    }

    /// A fold that is given what the index has already takes only the rest.
    @Test func overlappingBatchesAreFoldedOnce() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/switchboard.db"
        var fold = try Fold(Connection(path: path, options: ConnectionOptions()))
        let file = try JournalFile(Connection(path: directory.path + "/journal.db", options: ConnectionOptions()))
        let index = try Connection(path: path, options: ConnectionOptions(isReadOnly: true))
        var journal = try Journal(file: file, index: index, mailboxes: 1)
        var committed: [CommittedBatch] = []
        for number in 1...4 {
            let arena = RecordArena()
            arena.addPrivate("a", "b", "\(number)", cid: "\(number)", reply: nil)
            committed += journal.process([.batch(arena)], now: 1_800_000_000_000, foldedThrough: 0).committed
        }
        try fold.fold(Array(committed[..<3]), now: 1_800_000_000_000)
        try fold.fold(committed, now: 1_800_000_000_000)
        try fold.fold(committed, now: 1_800_000_000_000)
        var reader = try fold.withConnection { (connection) throws(SQLiteError) in try Reader(connection) }
        let page = try reader.read(.inbox(user: name("b"), after: 0, limit: 9), now: 1_800_000_000_000)
        #expect(page.bodies == ["1", "2", "3", "4"])
        #expect(fold.position == 4)
    }

    /// Batches after `position`, read from a copy of the journal as recovery would.
    private func pending(
        from position: UInt64, upTo committed: [CommittedBatch], file directory: TemporaryDirectory
    ) throws -> [CommittedBatch] {
        let copy = try directory.copy()
        let file = try JournalFile(Connection(path: copy.path + "/journal.db", options: ConnectionOptions()))
        let found = try file.batches(after: position, bytesMax: 1 << 20)
        #expect(found.last?.number == committed.last?.number)
        return found
    }

    private func agree(_ directory: TemporaryDirectory, _ file: borrowing JournalFile) throws {
        let index = try Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions())
        try index.execute("INSERT INTO meta VALUES('epoch', 'test')")
        try file.setEpoch("test")
    }

    private func check(_ copy: TemporaryDirectory, sent: Int) throws {
        let store = try StoreHarness.embedded(copy)
        defer { store.close() }
        #expect(store.store.epoch == "test")
        #expect(try store.inbox("a").bodies == (1...sent).map(String.init))
        #expect(try store.inbox("a").seqs == Array(1...UInt64(sent)))
        #expect(try store.inbox("b1").bodies == (1...sent).filter { $0 % 3 == 1 }.map(String.init))
        let confirmed = try store.attach("b0", device: "d").confirmed
        #expect(try store.inbox("b0").seqs.first.map { $0 > confirmed } ?? true)
        #expect(try store.send("a", "b1", "\(sent)", cid: "\(sent)").status == .duplicate)
        #expect(try store.send("a", "b1", "more").seq == UInt64(sent) + 1)
    }

    @Test func damagedJournalIsRefused() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 3_600_000 }
        try store.send("a", "b", "hello")
        let copy = try directory.copy()
        store.close()
        do {
            let journal = try Connection(path: copy.path + "/journal.db", options: ConnectionOptions())
            try journal.execute("UPDATE batches SET records = substr(records, 1, length(records) - 1) || x'77'")
        }
        let error = #expect(throws: StoreOpenError.self) { try StoreHarness.embedded(copy) }
        #expect(error?.description.contains("journal.db: batch 1 is damaged") == true)
    }

    @Test func damagedIndexIsRefused() throws {
        let directory = TemporaryDirectory()
        try Data(repeating: 7, count: 9_000).write(to: URL(fileURLWithPath: directory.path + "/switchboard.db"))
        let error = #expect(throws: StoreOpenError.self) { try StoreHarness.embedded(directory) }
        #expect(error?.description.contains("switchboard.db: file is not a database") == true)
    }

    @Test func newerSchemaIsRefused() throws {
        let directory = TemporaryDirectory()
        try StoreHarness.embedded(directory).close()
        do {
            let index = try Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions())
            try index.execute("INSERT INTO migrations VALUES('from the future')")
        }
        let error = #expect(throws: StoreOpenError.self) { try StoreHarness.embedded(directory) }
        #expect(error?.description.contains("newer version (it has the step \"from the future\")") == true)
    }

    @Test func secondProcessIsRefused() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        let error = #expect(throws: StoreOpenError.self) { try StoreHarness.embedded(directory) }
        #expect(error?.description.contains("in use by another process") == true)
        store.close()
        try StoreHarness.embedded(directory).close()
    }

    @Test func journalOfAnotherStoreIsRefused() throws {
        let directory = TemporaryDirectory()
        let other = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 3_600_000 }
        try store.send("a", "b", "hello")
        let copy = try directory.copy()
        store.close()
        try StoreHarness.embedded(other).close()
        for file in ["switchboard.db", "switchboard.db-wal"] {
            try? FileManager.default.removeItem(atPath: copy.path + "/" + file)
        }
        try FileManager.default.copyItem(
            atPath: other.path + "/switchboard.db", toPath: copy.path + "/switchboard.db")
        let error = #expect(throws: StoreOpenError.self) { try StoreHarness.embedded(copy) }
        #expect(error?.description.contains("journal.db doesn't belong to this switchboard.db") == true)
    }

    /// A journal that was lost is a new epoch: clients must not trust the numbers they have.
    @Test func lostJournalChangesTheEpoch() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        let epoch = store.store.epoch
        try store.send("a", "b", "1")
        store.close()
        let again = try StoreHarness.embedded(directory)
        #expect(again.store.epoch == epoch)
        again.close()
        try FileManager.default.removeItem(atPath: directory.path + "/journal.db")
        let without = try StoreHarness.embedded(directory)
        defer { without.close() }
        #expect(without.store.epoch != epoch)
        #expect(try without.send("a", "b", "2").seq == 2)
        #expect(try without.inbox("b").bodies == ["1", "2"])
    }
}
