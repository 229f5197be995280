import Base
import EmbeddedStore
import Glibc
import Store
import Synchronization

/// One way to store messages. It is filled once and then measured several times, in turn with others.
protocol BenchCase: AnyObject {
    var name: String { get }
    func fill(_ messages: Int) throws
    func measure(_ messages: Int, batch: Int) throws -> Measurement
}

/// The journal without a fold: batch after batch through one round each.
final class JournalCase: BenchCase {
    let name = "journal"
    private let load: Load
    private let directory: String
    private let checkpointBytes: Int
    private let page: Int
    private var parts: Parts?
    private var random = SeededRandom(seed: 1)
    private var now: UInt64 = 1_800_000_000_000

    private struct Parts: ~Copyable {
        var fold: Fold
        var journal: Journal
        /// Held open for the journal's questions.
        let index: Connection
        /// The batch that is trimmed up to.
        var trimmed: UInt64
    }

    init(_ directory: String, _ load: Load, page: Int, checkpointBytes: Int) throws {
        self.directory = directory
        self.load = load
        self.page = page
        self.checkpointBytes = checkpointBytes
        parts = try open()
    }

    private func open() throws -> Parts {
        let indexOptions = ConnectionOptions(cacheBytes: 256 << 20)
        let fold = try Fold(Connection(path: directory + "/switchboard.db", options: indexOptions))
        let options = ConnectionOptions(isExclusive: true, pageBytes: page)
        let file = try JournalFile(
            Connection(path: directory + "/journal.db", options: options), checkpointBytes: checkpointBytes)
        let index = try Connection(path: directory + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
        let journal = try Journal(file: file, index: index, mailboxes: 1)
        let position = fold.position
        return Parts(fold: fold, journal: journal, index: index, trimmed: position)
    }

    func fill(_ messages: Int) throws {
        guard var parts = parts.take() else { return }
        let perBatch = 256
        var unfolded: [CommittedBatch] = []
        for _ in 0..<(messages / perBatch) {
            let arena = load.arena(perBatch, &random, reply: nil)
            now += 1
            unfolded += parts.journal.process(
                [.batch(arena)], now: now, foldedThrough: parts.fold.position
            ).committed
            parts.journal.tidy()
            if unfolded.count * perBatch >= 1 << 18 {
                try parts.fold.fold(unfolded, now: now)
                try parts.fold.checkpointIfDue()
                unfolded = []
            }
        }
        try parts.fold.fold(unfolded, now: now)
        parts.trimmed = parts.fold.position
        self.parts = consume parts
    }

    func measure(_ messages: Int, batch: Int) -> Measurement {
        // Laying the records is the loops' work; here it would only blur the journal's.
        let arenas = (0..<(messages / batch)).map { _ in
            JournalRequest.batch(load.arena(batch, &random, reply: nil))
        }
        guard var parts = parts.take() else { fatalError("it is measured once at a time") }
        let result = Measurement.of(arenas.count * batch) {
            for (number, request) in arenas.enumerated() {
                now += 1
                let round = parts.journal.process([request], now: now, foldedThrough: parts.trimmed)
                precondition(!round.isFailed)
                parts.journal.tidy()
                // As if a fold had kept up at some distance: trimming is part of the journal's price.
                if number % 512 == 511, let last = round.committed.last { parts.trimmed = last.number - 256 }
            }
            return arenas.count
        }
        self.parts = consume parts
        return result
    }
}

/// Journal and fold together as the router runs them, until readers see everything.
final class StoreCase: BenchCase {
    let name: String
    private let load: Load
    private let directory: String
    private let mailbox = TimingMailbox()
    private let store: EmbeddedStore
    private var random = SeededRandom(seed: 1)

    /// Notes when batches were sent and answered; both are in one order.
    private final class TimingMailbox: StoreMailbox {
        let answered = Atomic(0)
        let pages = Atomic(0)
        let times = Mutex<(sent: [UInt64], answered: [UInt64])>(([], []))

        func deliver(_ events: [StoreEvent]) {
            let now = Measurement.nanoseconds()
            for event in events {
                switch event {
                case .committed:
                    times.withLock { $0.answered.append(now) }
                    answered.add(1, ordering: .relaxed)
                case .page(_, .success): pages.add(1, ordering: .relaxed)
                default: fatalError("\(event)")
                }
            }
        }
    }

    init(_ name: String, _ directory: String, _ load: Load, foldMebibytes: Int) throws {
        self.name = name
        self.directory = directory
        self.load = load
        var options = EmbeddedStoreOptions(directory: directory)
        options.foldBytes = foldMebibytes << 20
        store = try EmbeddedStore(options, mailboxes: [mailbox])
    }

    deinit { store.close() }

    func fill(_ messages: Int) {
        var done = 0
        while done < messages {
            let count = min(messages - done, 1 << 17)
            send(arenas(count / 256, of: 256))
            done += count
        }
        waitForReader()
    }

    func measure(_ messages: Int, batch: Int) -> Measurement {
        let arenas = arenas(messages / batch, of: batch)
        let before = store.counters.commits
        mailbox.times.withLock { $0 = ([], []) }
        var result = Measurement.of(arenas.count * batch) {
            send(arenas)
            waitForReader()
            return Int(store.counters.commits - before)
        }
        result.latencies = mailbox.times.withLock { times in
            zip(times.sent, times.answered).map { $1 - $0 }
        }
        return result
    }

    /// Laying the records is the loops' work and isn't measured; that they wait in memory is part of a batch's price.
    private func arenas(_ count: Int, of batch: Int) -> [RecordArena] {
        (0..<count).map { _ in
            load.arena(batch, &random, reply: ReplyAddress(mailbox: MailboxIndex(0), token: 0, form: 0))
        }
    }

    /// Keeps 16 batches on their way.
    private func send(_ arenas: [RecordArena]) {
        let done = mailbox.answered.load(ordering: .relaxed)
        for (sent, arena) in arenas.enumerated() {
            mailbox.times.withLock { $0.sent.append(Measurement.nanoseconds()) }
            store.submit(arena)
            while sent - (mailbox.answered.load(ordering: .relaxed) - done) > 16 || store.isCongested { usleep(100) }
        }
        while mailbox.answered.load(ordering: .relaxed) - done < arenas.count { usleep(100) }
    }

    /// A reader sees everything that was committed before it asked.
    private func waitForReader() {
        let before = mailbox.pages.load(ordering: .relaxed)
        store.read(.inbox(user: load.reader, after: 0, limit: 1), mailbox: MailboxIndex(0), ticket: 0)
        while mailbox.pages.load(ordering: .relaxed) == before { usleep(100) }
    }
}
