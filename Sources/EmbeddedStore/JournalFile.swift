internal import CSQLite
package import Store

/// A batch that is on disk, on its way to the index.
package struct CommittedBatch: Sendable {
    package let number: UInt64
    package let arena: RecordArena

    package init(number: UInt64, arena: RecordArena) {
        self.number = number
        self.arena = arena
    }
}

/// `journal.db`: one row a batch, appended, and deleted again once the index has it.
package struct JournalFile: ~Copyable {
    private let connection: Connection
    private let insert: Statement
    private let trim: Statement
    private let rows: JournalRows
    private var pagesSinceCheckpoint = 0
    private var trimmed: UInt64 = 0
    private let checkpointBytes: Int
    /// How long the last COMMIT took that went well, in nanoseconds.
    private(set) var syncNanoseconds: UInt64 = 0

    /// The journal's page: large, so that a batch is few WAL frames (two system calls each), and small enough that
    /// the last page, which small batches write again and again, doesn't dominate.
    package static let pageBytes = 8192
    /// How far the WAL grows before its pages are moved, for which commits wait: with 8 MiB the slowest hundredth of
    /// acks took 21 to 56 ms on a busy machine where it was 20 to 27 ms with 2 MiB, at the same cost.
    package static let checkpointDefault = 2 << 20
    /// What is appended isn't read again, so there is little to remember.
    package static let cacheBytes = 1 << 20

    /// Takes over a connection to the file and brings its schema up to date.
    ///
    /// - Parameter checkpointBytes: how far the WAL grows before its pages are moved.
    package init(
        _ connection: consuming Connection, checkpointBytes: Int = JournalFile.checkpointDefault
    ) throws(SQLiteError) {
        try Schema.journal.migrate(connection, file: "journal.db")
        let insert = try connection.prepare("INSERT INTO batches(n, checksum, records) VALUES(?1, ?2, ?3)")
        let trim = try connection.prepare("DELETE FROM batches WHERE n <= ?1")
        let rows = try JournalRows(connection)
        self.connection = connection
        self.insert = insert
        self.trim = trim
        self.rows = rows
        self.checkpointBytes = checkpointBytes
    }

    /// The epoch as it was stored; nil in a new journal.
    package func epoch() throws(SQLiteError) -> String? {
        try connection.text("SELECT value FROM meta WHERE key = 'epoch'")
    }

    /// Stores the epoch.
    package func setEpoch(_ epoch: String) throws(SQLiteError) {
        try connection.execute("INSERT OR REPLACE INTO meta VALUES('epoch', '\(epoch)')")
    }

    /// Notes in the file that it is in use.
    func markOpen() throws(SQLiteError) { try OpenMark.set(connection) }

    /// Number of the last batch in the file.
    package func last() throws(SQLiteError) -> UInt64 {
        UInt64(try connection.integer("SELECT coalesce(max(n), 0) FROM batches") ?? 0)
    }

    /// Number of the first batch in the file; nil if there is none.
    package func first(after position: UInt64) throws(SQLiteError) -> UInt64? {
        let found = try connection.integer("SELECT coalesce(min(n), 0) FROM batches WHERE n > \(position)") ?? 0
        return found > 0 ? UInt64(found) : nil
    }

    /// Writes batches and trims what is folded, in one transaction with one sync.
    ///
    /// - Returns: what failed and whether the outcome is unknown; nil if all is on disk.
    mutating func commit(_ batches: [CommittedBatch], foldedThrough: UInt64) -> JournalFailure? {
        do {
            try connection.execute("BEGIN IMMEDIATE")
            if foldedThrough > trimmed {
                trim.bind(1, foldedThrough)
                try trim.run()
            }
            for batch in batches {
                insert.bind(1, batch.number)
                insert.bind(2, StableHash.checksum(batch.arena.unsafeBytes))
                insert.bind(3, blob: batch.arena.unsafeBytes)
                try insert.run()
                pagesSinceCheckpoint += batch.arena.byteCount / JournalFile.pageBytes + 1
            }
        } catch {
            connection.rollBack()
            return JournalFailure(error: error, isOutcomeUnknown: false)
        }
        let began = SystemClock.monotonic()
        do {
            try connection.execute("COMMIT")
        } catch {
            connection.rollBack()
            return JournalFailure(error: error, isOutcomeUnknown: error.isFatal)
        }
        syncNanoseconds = SystemClock.monotonic() - began
        trimmed = max(trimmed, foldedThrough)
        return nil
    }

    /// Writes something and takes it back, durably both times: whether that works is whether batches can be stored.
    func probe() throws(SQLiteError) {
        try connection.transaction { () throws(SQLiteError) in
            try connection.execute("INSERT OR REPLACE INTO meta VALUES('probe', zeroblob(\(JournalFile.probeBytes)))")
        }
        try connection.execute("DELETE FROM meta WHERE key = 'probe'")
    }

    /// Enough that a few bytes of room don't count.
    private static let probeBytes = 256 << 10

    /// Moves the WAL's pages into the file when there are enough; meant for when the answers are out.
    ///
    /// - Returns: whether there were.
    mutating func checkpointIfDue() throws(SQLiteError) -> Bool {
        guard pagesSinceCheckpoint * JournalFile.pageBytes >= checkpointBytes else { return false }
        try connection.checkpoint()
        pagesSinceCheckpoint = 0
        return true
    }

    /// Empties the WAL: everything is in the database itself, and durable.
    func checkpoint() throws(SQLiteError) { try connection.checkpoint(truncating: true) }

    /// Gives back the memory of pages.
    func releaseMemory() { connection.releaseMemory() }

    /// Trims and empties the WAL, at the end.
    mutating func finish(foldedThrough: UInt64) throws(SQLiteError) {
        if let failure = commit([], foldedThrough: foldedThrough) { throw failure.error }
        try OpenMark.clear(connection)
        try checkpoint()
    }

    /// Reads batches after `position`, in order, until `bytesMax` are exceeded.
    package func batches(after position: UInt64, bytesMax: Int) throws(SQLiteError) -> [CommittedBatch] {
        try rows.batches(after: position, bytesMax: bytesMax)
    }
}

/// Why a round didn't reach the disk.
struct JournalFailure {
    let error: SQLiteError
    /// Whether the batches may be there after a restart all the same.
    let isOutcomeUnknown: Bool

    /// Disk full gives back what was written; after a failed sync nobody knows what the disk holds.
    var isFatal: Bool { error.isFatal }

    var storeError: StoreError {
        isOutcomeUnknown ? .unknownOutcome(error.description) : .unavailable(error.description)
    }
}
