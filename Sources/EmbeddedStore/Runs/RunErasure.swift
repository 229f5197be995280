/// Takes one owner's entries out of an index, wherever they are: in runs that are read, that grow, or that are written
/// over.
///
/// Blocks stay where they are; one that begins with another entry afterwards gets another fence. *Thread:* that of the
/// connection; in a transaction.
struct RunErasure: ~Copyable {
    private let runs: Statement
    private let overwrite: Statement
    private let deleteBlock: Statement
    private let fence: Statement
    private let deleteFence: Statement
    private let count: Statement
    private let pages: RunPages
    private let block = RunBlock()

    private static let fencesAhead = 64

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let runs = try connection.prepare("SELECT run FROM runs WHERE family = ?1")
        let overwrite = try connection.prepare("UPDATE blocks SET entries = ?2 WHERE id = ?1")
        let deleteBlock = try connection.prepare("DELETE FROM blocks WHERE id = ?1")
        let fence = try connection.prepare("INSERT INTO fences VALUES(?1, ?2, ?3, ?4)")
        let deleteFence = try connection.prepare("DELETE FROM fences WHERE run = ?1 AND owner = ?2 AND position = ?3")
        let count = try connection.prepare("UPDATE runs SET entries = max(entries - ?2, 0) WHERE run = ?1")
        let pages = try RunPages(connection)
        self.runs = runs
        self.overwrite = overwrite
        self.deleteBlock = deleteBlock
        self.fence = fence
        self.deleteFence = deleteFence
        self.count = count
        self.pages = pages
    }

    /// Removes all that an owner has in an index.
    func remove(_ owner: UInt64, from family: RunFamily) throws(SQLiteError) {
        var numbers: [UInt64] = []
        runs.bind(1, family.rawValue)
        while try runs.step() { numbers.append(runs.unsigned(0)) }
        runs.reset()
        for run in numbers {
            var removed = 0
            for fence in try fences(of: run, owner) { removed += try remove(owner, from: fence, of: run) }
            guard removed > 0 else { continue }
            count.bind(1, run)
            count.bind(2, removed)
            try count.run()
        }
    }

    /// The blocks in which the owner may have entries.
    private func fences(of run: UInt64, _ owner: UInt64) throws(SQLiteError) -> [RunFence] {
        var key = RunKey(owner: owner, position: 0)
        var found: [RunFence] = []
        // The first entries may follow those of another owner.
        if let first = try pages.fence(of: run, upTo: key) { found.append(first) }
        while true {
            let next = try pages.fences(of: run, after: key, limit: RunErasure.fencesAhead)
            let own = next.prefix { $0.key.owner == owner }
            found += own
            guard own.count == RunErasure.fencesAhead, let last = own.last else { return found }
            key = last.key
        }
    }

    private func remove(_ owner: UInt64, from place: RunFence, of run: UInt64) throws(SQLiteError) -> Int {
        try pages.read(place.block, into: block)
        let kept = block.entries.filter { $0.owner != owner }
        let removed = block.count - kept.count
        guard removed > 0 else { return 0 }
        guard let first = kept.first else {
            try delete(place, of: run)
            deleteBlock.bind(1, place.block)
            try deleteBlock.run()
            return removed
        }
        block.removeAll()
        kept.withUnsafeBufferPointer { _ = block.append($0, limit: RunBlock.entriesMax) }
        overwrite.bind(1, place.block)
        overwrite.bind(2, blob: block.unsafeBytes())
        try overwrite.run()
        guard first.key != place.key else { return removed }
        try delete(place, of: run)
        fence.bind(1, run)
        fence.bind(2, first.owner)
        fence.bind(3, first.position)
        fence.bind(4, place.block)
        try fence.run()
        return removed
    }

    private func delete(_ place: RunFence, of run: UInt64) throws(SQLiteError) {
        deleteFence.bind(1, run)
        deleteFence.bind(2, place.key.owner)
        deleteFence.bind(3, place.key.position)
        try deleteFence.run()
    }
}
