/// Writes blocks with their fences, over the blocks of dropped runs where there are any.
///
/// Writing over a row of the same size changes one page. Deleting rows and inserting others would change the pages
/// around them and the tree above as well. *Thread:* that of the connection; in a transaction.
struct RunWriter: ~Copyable {
    private let insert: Statement
    private let overwrite: Statement
    private let fence: Statement
    private let deleteFences: Statement
    private let table: RunTable
    private let pages: RunPages
    /// What waits for the block to be full.
    private let pending = RunBlock()
    private let blockEntries: Int

    /// Dropped runs whose blocks can be used again.
    private var dropped: [UInt64] = []
    /// Blocks of the first of them, and how many of these have been used.
    private var free: [RunFence] = []
    private var used = 0
    /// How many free blocks are looked up at a time.
    private static let freeAhead = 64

    init(_ connection: borrowing Connection, blockEntries: Int) throws(SQLiteError) {
        let insert = try connection.prepare("INSERT INTO blocks(entries) VALUES(?1)")
        let overwrite = try connection.prepare("INSERT OR REPLACE INTO blocks VALUES(?1, ?2)")
        let fence = try connection.prepare("INSERT INTO fences VALUES(?1, ?2, ?3, ?4)")
        let deleteFences = try connection.prepare(
            "DELETE FROM fences WHERE run = ?1 AND (owner, position) <= (?2, ?3)")
        let table = try RunTable(connection)
        let pages = try RunPages(connection)
        self.insert = insert
        self.overwrite = overwrite
        self.fence = fence
        self.deleteFences = deleteFences
        self.table = table
        self.pages = pages
        self.blockEntries = min(max(blockEntries, 1), RunBlock.entriesMax)
    }

    /// Begins a transaction: whatever an earlier one left undone is forgotten.
    mutating func begin(dropped runs: [Run]) {
        dropped = runs.map(\.number)
        free = []
        used = 0
        pending.removeAll()
    }

    /// Lets the blocks of a run be written over; nobody may read it any more.
    mutating func reuse(_ run: UInt64) { dropped.append(run) }

    /// Adds entries behind those that were added before, in the order of their keys.
    @inline(__always)
    mutating func append(_ entries: UnsafeBufferPointer<RunEntry>, to run: UInt64) throws(SQLiteError) {
        var rest = entries
        while !rest.isEmpty {
            let taken = pending.append(rest, limit: blockEntries)
            rest = UnsafeBufferPointer(rebasing: rest[taken...])
            if pending.count == blockEntries { try flush(run) }
        }
    }

    /// Writes what waits, as a block that may be short.
    mutating func flush(_ run: UInt64) throws(SQLiteError) {
        guard let first = pending.entries.first else { return }
        let block = try write(pending.unsafeBytes())
        fence.bind(1, run)
        fence.bind(2, first.owner)
        fence.bind(3, first.position)
        fence.bind(4, block)
        try fence.run()
        pending.removeAll()
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SQLiteError) -> UInt64 {
        if let block = try nextFree() {
            overwrite.bind(1, block)
            overwrite.bind(2, blob: bytes)
            try overwrite.run()
            return block
        }
        insert.bind(1, blob: bytes)
        try insert.run()
        return insert.insertedRow
    }

    private mutating func nextFree() throws(SQLiteError) -> UInt64? {
        while let run = dropped.first {
            if used < free.count {
                used += 1
                return free[used - 1].block
            }
            try deleteUsed()
            free = try pages.fences(of: run, after: .start, limit: RunWriter.freeAhead)
            if free.isEmpty {
                try table.remove(run)
                dropped.removeFirst()
            }
        }
        return nil
    }

    /// Ends a transaction: blocks that were used again don't count as free any more.
    mutating func deleteUsed() throws(SQLiteError) {
        guard used > 0, let run = dropped.first else { return }
        deleteFences.bind(1, run)
        deleteFences.bind(2, free[used - 1].key.owner)
        deleteFences.bind(3, free[used - 1].key.position)
        try deleteFences.run()
        free = []
        used = 0
    }
}
