internal import CSQLite
internal import Glibc

/// Takes a copy of a store, also while a router runs on it, and makes a store of a copy.
package enum StoreBackup {
    private static let files = ["journal.db", "switchboard.db"]
    /// Pages that are copied between two looks at the progress: 32 MiB.
    private static let pagesAtATime: Int32 = 8_192

    /// Copies the store in `source` to `target`, a directory that doesn't exist yet.
    ///
    /// The journal first: what was acknowledged before is in its copy, or was in the index by then. The index after it,
    /// as it was at one instant; it has at least all that the journal let go of before it was copied. So nothing is
    /// missing between the two, and the router folds the journal's rest as after a crash.
    ///
    /// - Parameter progress: told what is being done.
    package static func take(
        from source: String, to target: String, progress: (String) -> Void
    ) throws(StoreOpenError) {
        for file in files where try !FileCopy.exists("\(source)/\(file)") {
            throw StoreOpenError("\(source) is no data directory: there is no \(file)")
        }
        guard try !FileCopy.exists(target) else { throw StoreOpenError("\(target) exists already; name another place") }
        // Under another name until it is whole, so that no half of a backup is taken for one.
        let partial = target + ".partial"
        try emptied(partial)
        do {
            progress("journal.db")
            try JournalCopy.make(of: "\(source)/journal.db", at: "\(partial)/journal.db")
            let first = try settleJournal("\(partial)/journal.db")
            try copyIndex("\(source)/switchboard.db", "\(partial)/switchboard.db", progress)
            let position = try settleIndex("\(partial)/switchboard.db")
            if let first, first > position + 1 {
                throw StoreOpenError(
                    "the copies don't fit together: the journal begins at \(first), \(position) is indexed")
            }
        } catch let error as StoreOpenError {
            throw error
        } catch {
            throw StoreOpenError("can't copy \(source): \(error)")
        }
        try FileCopy.syncDirectory(partial)
        guard rename(partial, target) == 0 else { throw FileCopy.failure("can't rename \(partial) to \(target)") }
        try FileCopy.syncDirectory(parent(of: target))
    }

    /// Makes a store in `target`, which is empty or doesn't exist, of the backup in `source`.
    ///
    /// It gets an epoch of its own: clients may know of messages that came after the backup, and must start over.
    package static func restore(from source: String, to target: String) throws(StoreOpenError) {
        for file in files where try !FileCopy.exists("\(source)/\(file)") {
            throw StoreOpenError("\(source) is no backup: there is no \(file)")
        }
        for file in files where try FileCopy.exists("\(source)/\(file)-wal") {
            throw StoreOpenError(
                "\(source) is no backup: there is a \(file)-wal, so a router ran on it. Take a backup of it by "
                    + "`router backup`")
        }
        let names = try FileCopy.names(in: target) ?? []
        guard names.isEmpty else {
            throw StoreOpenError("\(target) isn't empty (\(names[0])): restore to another directory, or move it away")
        }
        let directory = try DataDirectory(target)
        for file in files { try FileCopy.copy("\(source)/\(file)", to: "\(target)/\(file)") }
        do {
            let epoch = Epoch.fresh()
            for path in [directory.journal, directory.index] {
                let connection = try Connection(path: path, options: ConnectionOptions())
                try connection.execute("INSERT OR REPLACE INTO meta VALUES('epoch', '\(epoch)')")
                try connection.checkpoint(truncating: true)
            }
        } catch {
            throw StoreOpenError("can't restore to \(target): \(error)")
        }
        try FileCopy.syncDirectory(target)
    }

    // MARK: Parts of a copy

    /// Makes the copied journal one file.
    ///
    /// - Returns: its first batch; nil if it has none.
    private static func settleJournal(_ path: String) throws -> UInt64? {
        let first = try settled(path) { (connection) throws(SQLiteError) in
            let rows = try JournalRows(connection)
            var last: UInt64 = 0
            // Reads everything, so that a damaged batch shows now and not when the backup is needed.
            while let batch = try rows.batches(after: last, bytesMax: 8 << 20).last { last = batch.number }
            return try connection.integer("SELECT min(n) FROM batches WHERE n > 0") ?? 0
        }
        return first > 0 ? UInt64(first) : nil
    }

    private static func settleIndex(_ path: String) throws -> UInt64 {
        UInt64(
            try settled(path) { (connection) throws(SQLiteError) in
                try connection.integer("SELECT value FROM meta WHERE key = 'position'") ?? 0
            })
    }

    /// Moves what is in a copy's WAL into the file, which isn't in use any more, and deletes the WAL.
    private static func settled(
        _ path: String, _ body: (borrowing Connection) throws(SQLiteError) -> Int
    ) throws -> Int {
        let found: Int
        do {
            let connection = try Connection(path: path, options: ConnectionOptions(isExclusive: true))
            found = try body(connection)
            try OpenMark.clear(connection)
            guard try connection.checkpoint(truncating: true) == 0 else {
                throw SQLiteError(corrupt: "\(path): the WAL of the copy can't be emptied")
            }
        }
        for name in ["-wal", "-shm"] { unlink(path + name) }
        return found
    }

    /// Copies the index as it is now, whatever a router writes meanwhile.
    private static func copyIndex(_ source: String, _ target: String, _ progress: (String) -> Void) throws {
        let from = try Connection(path: source, options: ConnectionOptions(isReadOnly: true))
        let to = try Connection(path: target, options: ConnectionOptions())
        // What is read in this transaction stays as it is; without it the copy would begin again with every fold.
        try from.execute("BEGIN")
        _ = try from.integer("SELECT count(*) FROM meta")
        guard let backup = sqlite3_backup_init(to.handle, "main", from.handle, "main") else {
            throw SQLiteError(to.handle, code: sqlite3_errcode(to.handle), sql: target)
        }
        var code = SQLITE_OK
        while code == SQLITE_OK {
            code = sqlite3_backup_step(backup, pagesAtATime)
            let pages = Int(sqlite3_backup_pagecount(backup))
            progress("switchboard.db: \(pages - Int(sqlite3_backup_remaining(backup))) of \(pages) pages")
        }
        let end = sqlite3_backup_finish(backup)
        guard code == SQLITE_DONE, end == SQLITE_OK else { throw SQLiteError(to.handle, code: code, sql: target) }
        try from.execute("COMMIT")
    }

    /// Makes a directory that has nothing in it but what is written now; files of an earlier attempt go.
    private static func emptied(_ path: String) throws(StoreOpenError) {
        if mkdir(path, 0o700) == 0 { return }
        guard errno == EEXIST else { throw FileCopy.failure("can't make \(path)") }
        let known = files.flatMap { [$0, $0 + "-wal", $0 + "-shm"] }
        for name in try FileCopy.names(in: path) ?? [] {
            guard known.contains(name) else { throw StoreOpenError("\(path) is in the way: it holds \(name)") }
            unlink("\(path)/\(name)")
        }
    }

    private static func parent(of path: String) -> String {
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.last == "/" { trimmed = trimmed.dropLast() }
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }
}
