internal import CSQLite

/// How a database file is opened.
package struct ConnectionOptions: Sendable {
    /// Name of a registered VFS; nil for the system's.
    package var vfs: String?
    /// Whether the file belongs to this connection alone: no shared memory, no lock calls.
    package var isExclusive: Bool
    package var isReadOnly: Bool
    /// Whether nobody writes the file and it has no WAL: it is read as it lies, and no other file is made beside it.
    package var isImmutable = false
    /// Takes effect only when the file is created.
    package var pageBytes: Int
    package var cacheBytes: Int

    package init(
        vfs: String? = nil, isExclusive: Bool = false, isReadOnly: Bool = false, pageBytes: Int = 4096,
        cacheBytes: Int = 8 << 20
    ) {
        self.vfs = vfs
        self.isExclusive = isExclusive
        self.isReadOnly = isReadOnly
        self.pageBytes = pageBytes
        self.cacheBytes = cacheBytes
    }
}

/// Owns one SQLite connection: WAL, `synchronous=FULL`, no mutex.
///
/// *Thread:* one at a time. *Ownership:* statements may outlive it; SQLite closes the file with the last of them.
package struct Connection: ~Copyable {
    let handle: OpaquePointer

    /// Settings of the library, made before the first connection. If something else in the process was earlier, it
    /// only costs time.
    private static let isLibraryConfigured = csqlite_disable_memory_status() == SQLITE_OK

    /// Opens or creates the file at `path`.
    package init(path: String, options: ConnectionOptions) throws(SQLiteError) {
        _ = Connection.isLibraryConfigured
        var opened: OpaquePointer?
        let access = options.isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (options.isImmutable ? SQLITE_OPEN_URI : 0)
        let name = options.isImmutable ? Connection.immutable(path) : path
        let code = sqlite3_open_v2(name, &opened, flags, options.vfs)
        guard code == SQLITE_OK, let opened else {
            let error = SQLiteError(opened, code: code, sql: path)
            sqlite3_close_v2(opened)
            throw error
        }
        sqlite3_busy_timeout(opened, 10_000)
        do {
            try Connection.configure(opened, options)
        } catch {
            sqlite3_close_v2(opened)
            throw error
        }
        handle = opened
    }

    deinit { sqlite3_close_v2(handle) }

    /// A path as the URI that SQLite takes for a file that doesn't change.
    private static func immutable(_ path: String) -> String {
        var name = "file:"
        for character in path {
            switch character {
            case "%": name += "%25"
            case "?": name += "%3f"
            case "#": name += "%23"
            default: name.append(character)
            }
        }
        return name + "?immutable=1"
    }

    private static func configure(_ handle: OpaquePointer, _ options: ConnectionOptions) throws(SQLiteError) {
        // Exclusive must come before the first look into the file, or SQLite maps shared memory for the WAL.
        if options.isExclusive { try execute("PRAGMA locking_mode=EXCLUSIVE", on: handle) }
        if !options.isReadOnly {
            try execute("PRAGMA page_size=\(options.pageBytes)", on: handle)
            try execute("PRAGMA journal_mode=WAL", on: handle)
            try execute("PRAGMA synchronous=FULL", on: handle)
            // Debian's library overwrites deleted content with zeros unless told not to: twice the writing.
            try execute("PRAGMA secure_delete=OFF", on: handle)
            // A store that can't be opened stays as it is, and a WAL that is missing was taken away (``OpenMark``).
            csqlite_keep_log(handle)
        }
        try execute("PRAGMA cache_size=-\(options.cacheBytes >> 10)", on: handle)
        sqlite3_wal_autocheckpoint(handle, 0)
    }

    private static func execute(_ sql: String, on handle: OpaquePointer) throws(SQLiteError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLiteError(handle, code: code, sql: sql) }
    }

    /// Gives back the memory of pages that are kept to be read again.
    func releaseMemory() { sqlite3_db_release_memory(handle) }

    /// Runs statements that answer nothing.
    package func execute(_ sql: String) throws(SQLiteError) {
        try Connection.execute(sql, on: handle)
    }

    /// Prepares a statement that will be used many times.
    package func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw SQLiteError(handle, code: code, sql: sql) }
        return Statement(handle: prepared)
    }

    /// The first column of the first row as an integer; nil without a row.
    package func integer(_ sql: String) throws(SQLiteError) -> Int? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.integer(0) : nil
    }

    /// The first column of the first row as text; nil without a row.
    package func text(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : nil
    }

    /// Runs `body` in one transaction, which is rolled back if it throws.
    package func transaction(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
        try execute("BEGIN IMMEDIATE")
        do {
            try body()
            try execute("COMMIT")
        } catch {
            rollBack()
            throw error
        }
    }

    /// Ends a transaction without effect; harmless when SQLite has ended it already.
    package func rollBack() {
        if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
    }

    /// Moves the WAL's pages into the database as far as readers allow.
    ///
    /// - Parameter truncating: also waits for readers and empties the WAL file.
    /// - Returns: pages that remain in the WAL.
    @discardableResult
    package func checkpoint(truncating: Bool = false) throws(SQLiteError) -> Int {
        var inLog: Int32 = 0
        var moved: Int32 = 0
        let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        let code = sqlite3_wal_checkpoint_v2(handle, nil, mode, &inLog, &moved)
        guard code == SQLITE_OK || code & 0xFF == SQLITE_BUSY else {
            throw SQLiteError(handle, code: code, sql: "checkpoint")
        }
        return Int(max(inLog - moved, 0))
    }
}
