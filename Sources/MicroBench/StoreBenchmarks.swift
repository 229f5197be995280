import Base
import EmbeddedStore
import FoundationEssentials
import Store

/// What a stored message costs behind the loops: laying the record, the journal's round, the fold.
enum StoreBenchmarks {
    static var all: [Benchmark] {
        [
            Benchmark("record: lay a message of 64 B into an arena") {
                let load = try Load(users: 100)
                return { load.arena(1_000).entries.count }
            },
            journal("journal round, 256 messages, 100 users", users: 100, batch: 256),
            journal("journal round, 256 messages, 20,000 users", users: 20_000, batch: 256),
            journal("journal round, 1 message", users: 100, batch: 1),
            fold,
        ]
    }

    private static func journal(_ name: String, users: Int, batch: Int) -> Benchmark {
        let rounds = max(8, 2_048 / batch / 8)
        return Benchmark(name, pieces: rounds * batch) {
            let world = try World(load: Load(users: users))
            // Everyone is known before it counts.
            for _ in 0..<(2 * users / batch + 1) { _ = world.process(world.request(batch)) }
            var requests = (0..<2 * rounds).map { _ in world.request(batch) }
            return {
                var count = 0
                for request in requests.prefix(rounds) { count += world.process(request).arena.entries.count }
                requests.removeFirst(rounds)
                precondition(count == rounds * batch)
                return count
            }
        }
    }

    private static var fold: Benchmark {
        let (batches, size) = (8, 256)
        return Benchmark("fold, 8 batches of 256 messages, 100 users", pieces: batches * size) {
            let world = try World(load: Load(users: 100))
            var runs = (0..<2).map { _ in (0..<batches).map { _ in world.process(world.request(size)) } }
            return {
                let committed = runs.removeFirst()
                try world.fold(committed)
                return committed.count
            }
        }
    }

    /// The messages of a benchmark: pairs of users who write to each other in turn.
    private final class Load {
        private let names: [Identifier]
        private let body = Array(CodecBenchmarks.text(64).utf8)
        private var next: UInt64 = 0

        init(users: Int) throws { names = try (0..<users).map { try CodecBenchmarks.identifier("user-\($0)") } }

        func arena(_ count: Int) -> RecordArena {
            let arena = RecordArena(capacity: count * 256)
            for _ in 0..<count {
                next += 1
                let sender = Int(next &* 7_919 % UInt64(names.count))
                let head = MessageHead(
                    command: 10, content: 1, sender: names[sender], destination: names[sender ^ 1])
                withUnsafeBytes(of: next) { cid in
                    let body = body
                    arena.appendPrivateMessage(
                        head, cid: RawSpan(_unsafeBytes: cid), body: body.span.bytes, reply: nil)
                }
            }
            return arena
        }
    }

    /// A journal and its index in a directory of their own, driven by one thread.
    private final class World {
        private let load: Load
        private let directory: String
        private var index: Fold
        private var journal: Journal
        private var now: UInt64 = 1_800_000_000_000

        init(load: Load) throws {
            self.load = load
            let folder =
                FileManager.default.temporaryDirectory.path + "/switchboard-micro-\(UInt64.random(in: 1 ... .max))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            directory = folder
            index = try Fold(Connection(path: folder + "/switchboard.db", options: ConnectionOptions()))
            let file = try JournalFile(
                Connection(path: folder + "/journal.db", options: ConnectionOptions(isExclusive: true)),
                checkpointBytes: 64 << 20)
            let reader = try Connection(
                path: folder + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
            journal = try Journal(file: file, index: reader, mailboxes: 1)
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func fold(_ batches: [CommittedBatch]) throws { try index.fold(batches, now: now) }

        func request(_ count: Int) -> JournalRequest { .batch(load.arena(count)) }

        func process(_ request: JournalRequest) -> CommittedBatch {
            now += 1
            let round = journal.process([request], now: now, foldedThrough: 0)
            precondition(!round.isFailed && round.committed.count == 1)
            return round.committed[0]
        }
    }
}
