/// What a run is for. The raw value is what the database has.
enum RunState: Int {
    case readable = 0
    /// A merge is writing it.
    case growing = 1
    /// Nobody needs it; its blocks are written over.
    case dropped = 2
}

/// A sorted piece of an index.
struct Run: Equatable {
    var number: UInt64
    var family: RunFamily
    /// Its place among the runs of its family, in the order of the commits.
    var rank: UInt64
    var state: RunState
    var entries: UInt64
    /// The largest message id that an entry speaks of.
    var lastID: UInt64
    /// The growing run that takes up this one; 0 for none.
    var target: UInt64
    /// Of a growing run: how far its inputs have been taken up.
    var through: RunKey
}

/// How runs grow together.
package struct RunOptions: Sendable {
    /// Entries of a block. Fewer than fit make small data look large, for tests.
    package var blockEntries = RunBlock.entriesMax
    /// A newest run of at most so many entries is written again, together with what is added: many small folds don't
    /// make many runs.
    package var openEntries = RunBlock.entriesMax
    /// So many runs of one size become one.
    package var fanIn = 8
    /// Entries that a fold may merge for each one that it adds: as many as there are sizes, so that merges keep up.
    package var mergeFactor = 8
    /// A merge goes on in steps of at least so many entries.
    package var stepEntries = 4_096

    package init() {}

    /// Runs of one size differ by less than the fan-in.
    func size(of entries: UInt64) -> Int {
        var size = 0
        var bound = UInt64(max(openEntries, 1) * fanIn)
        while entries > bound {
            size += 1
            bound *= UInt64(fanIn)
        }
        return size
    }
}

/// All runs, by number, as one transaction sees them.
struct RunCatalog {
    private(set) var runs: [Run] = []

    /// A merge has at most so many inputs, each with a block in memory.
    static let inputsMax = 64

    init(_ runs: [Run]) { self.runs = runs }

    mutating func insert(_ run: Run) { runs.append(run) }
    mutating func remove(_ number: UInt64) { runs.removeAll { $0.number == number } }

    var nextNumber: UInt64 { (runs.map(\.number).max() ?? 0) + 1 }

    func runs(in state: RunState) -> [Run] { runs.filter { $0.state == state } }

    /// The readable runs of a family, oldest first.
    func readable(_ family: RunFamily) -> [Run] {
        runs.filter { $0.family == family && $0.state == .readable }.sorted { $0.rank < $1.rank }
    }

    /// What a growing run takes up, oldest first.
    func inputs(of target: UInt64) -> [Run] {
        runs.filter { $0.target == target && $0.state == .readable }.sorted { $0.rank < $1.rank }
    }

    /// Neighbours that should become one run: `fanIn` of one size, with the smaller ones that lie between them. Small
    /// ones first, since they are read as often as large ones.
    func nextMerge(_ family: RunFamily, _ options: RunOptions) -> [Run]? {
        var runs = readable(family)
        if let newest = runs.last, newest.entries <= UInt64(options.openEntries) { runs.removeLast() }
        let sizes = runs.map { options.size(of: $0.entries) }
        for size in Set(sizes).sorted() {
            var first: Int?
            var count = 0
            for index in runs.indices {
                if runs[index].target != 0 || sizes[index] > size {
                    first = nil
                    count = 0
                } else if sizes[index] == size {
                    first = first ?? index
                    count += 1
                }
                if let first, count == options.fanIn || index - first + 1 == RunCatalog.inputsMax, index > first {
                    return Array(runs[first...index])
                }
            }
        }
        return nil
    }
}

/// The catalogue's table.
struct RunTable: ~Copyable {
    private let all: Statement
    private let put: Statement
    private let delete: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let all = try connection.prepare(
            "SELECT run, family, rank, state, entries, last_id, target, owner, position FROM runs ORDER BY run")
        let put = try connection.prepare("INSERT OR REPLACE INTO runs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
        let delete = try connection.prepare("DELETE FROM runs WHERE run = ?1")
        self.all = all
        self.put = put
        self.delete = delete
    }

    func load() throws(SQLiteError) -> RunCatalog {
        defer { all.reset() }
        var runs: [Run] = []
        while try all.step() {
            let state = RunState(rawValue: all.integer(3))
            guard let family = RunFamily(rawValue: all.integer(1)), let state else {
                throw SQLiteError(corrupt: "switchboard.db: run \(all.unsigned(0)) is of no known kind")
            }
            let run = Run(
                number: all.unsigned(0), family: family, rank: all.unsigned(2), state: state, entries: all.unsigned(4),
                lastID: all.unsigned(5), target: all.unsigned(6),
                through: RunKey(owner: all.unsigned(7), position: all.unsigned(8)))
            runs.append(run)
        }
        return RunCatalog(runs)
    }

    func store(_ run: Run) throws(SQLiteError) {
        put.bind(1, run.number)
        put.bind(2, run.family.rawValue)
        put.bind(3, run.rank)
        put.bind(4, run.state.rawValue)
        put.bind(5, run.entries)
        put.bind(6, run.lastID)
        put.bind(7, run.target)
        put.bind(8, run.through.owner)
        put.bind(9, run.through.position)
        try put.run()
    }

    func remove(_ number: UInt64) throws(SQLiteError) {
        delete.bind(1, number)
        try delete.run()
    }
}
