import Base
import EmbeddedStore
import Glibc
import Store
import Synchronization

/// The journal without a fold: batch after batch through one round each. Nothing is trimmed while it measures.
struct JournalCase {
    let bench: StoreBench
    let load: Load

    init(_ bench: StoreBench, _ load: Load) {
        self.bench = bench
        self.load = load
    }

    func run() throws -> Measurement {
        let path = bench.directory
        var fold = try Fold(Connection(path: path + "/switchboard.db", options: ConnectionOptions()))
        let options = ConnectionOptions(isExclusive: true, pageBytes: bench.page)
        let file = try JournalFile(
            Connection(path: path + "/journal.db", options: options), checkpointBytes: bench.checkpointMebibytes << 20)
        let index = try Connection(path: path + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
        var journal = try Journal(file: file, index: index, mailboxes: 1)
        var random = SeededRandom(seed: 1)
        var now: UInt64 = 1_800_000_000_000
        var unfolded: [CommittedBatch] = []
        for _ in 0..<(bench.preload / bench.batch) {
            let arena = load.arena(bench.batch, &random, reply: nil)
            now += 1
            unfolded += journal.process([.batch(arena)], now: now, foldedThrough: fold.position).committed
            journal.tidy()
            if unfolded.count * bench.batch >= 1 << 18 {
                try fold.fold(unfolded, now: now)
                try fold.checkpointIfDue()
                unfolded = []
            }
        }
        try fold.fold(unfolded, now: now)
        // Laying the records is the loops' work; here it would only blur the journal's.
        let arenas = (0..<(bench.messages / bench.batch)).map { _ in
            JournalRequest.batch(load.arena(bench.batch, &random, reply: nil))
        }
        return Measurement.of(arenas.count * bench.batch) {
            var trimmed = fold.position
            for (number, request) in arenas.enumerated() {
                now += 1
                let round = journal.process([request], now: now, foldedThrough: trimmed)
                precondition(!round.isFailed)
                journal.tidy()
                // As if a fold had kept up at some distance: trimming is part of the journal's price.
                if number % 512 == 511, let last = round.committed.last { trimmed = last.number - 256 }
            }
            return arenas.count
        }
    }
}

/// Journal and fold together as the router runs them, until readers see everything.
struct StoreCase {
    let bench: StoreBench
    let load: Load

    init(_ bench: StoreBench, _ load: Load) {
        self.bench = bench
        self.load = load
    }

    /// Counts the batches that were answered.
    private final class CountingMailbox: StoreMailbox {
        let answered = Atomic(0)

        func deliver(_ events: [StoreEvent]) {
            for event in events {
                guard case .committed = event else { fatalError("\(event)") }
                answered.add(1, ordering: .relaxed)
            }
        }
    }

    func run() throws -> Measurement {
        var options = EmbeddedStoreOptions(directory: bench.directory)
        options.foldBytes = bench.foldMebibytes << 20
        let mailbox = CountingMailbox()
        let store = try EmbeddedStore(options, mailboxes: [mailbox])
        defer { store.close() }
        var random = SeededRandom(seed: 1)
        send(bench.preload, to: store, mailbox, &random)
        let before = store.counters.commits
        let count = bench.messages / bench.batch * bench.batch
        return Measurement.of(count) {
            send(count, to: store, mailbox, &random)
            return Int(store.counters.commits - before)
        }
    }

    /// Keeps 16 batches on their way, and waits until everything is folded.
    private func send(
        _ count: Int, to store: EmbeddedStore, _ mailbox: CountingMailbox, _ random: inout SeededRandom
    ) {
        let address = ReplyAddress(mailbox: MailboxIndex(0), token: 0, form: 0)
        let done = mailbox.answered.load(ordering: .relaxed)
        for sent in 0..<(count / bench.batch) {
            store.submit(load.arena(bench.batch, &random, reply: address))
            while sent - (mailbox.answered.load(ordering: .relaxed) - done) > 16 || store.isCongested { usleep(100) }
        }
        while store.counters.foldedBatch < UInt64(done + count / bench.batch) { usleep(1_000) }
    }
}
