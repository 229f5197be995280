internal import CSQLite

/// A row of a database that says that it is in use, so that its WAL must be there.
///
/// A database that was copied or moved without its WAL looks whole and lacks what was acknowledged last. The row stands
/// in the database itself, not only in the WAL, from before the first message to after the last; a WAL that
/// was emptied is a file all the same.
enum OpenMark {
    /// Refuses a database that was in use and has no WAL; changes nothing.
    static func check(database path: String, vfs: String?) throws(SQLiteError) {
        let hasLog = try WriteAheadLog.exists(path + "-wal", vfs: vfs)
        guard !hasLog, try WriteAheadLog.exists(path, vfs: vfs) else { return }
        var options = ConnectionOptions(vfs: vfs, isReadOnly: true)
        options.isImmutable = true
        guard try isSet(Connection(path: path, options: options)) else { return }
        throw SQLiteError(
            corrupt: "\(path)-wal is missing: \(path) was in use when it was last written, and what was acknowledged "
                + "last is in that file. Put it back, or restore both databases from a backup. To go on without these "
                + "messages, make an empty file of this name")
    }

    private static func isSet(_ connection: borrowing Connection) throws(SQLiteError) -> Bool {
        guard try connection.integer("SELECT 1 FROM sqlite_master WHERE name = 'meta'") != nil else { return false }
        return try connection.integer("SELECT value FROM meta WHERE key = 'open'") == 1
    }

    /// Marks a database as in use, in its own file.
    static func set(_ connection: borrowing Connection) throws(SQLiteError) {
        guard try !isSet(connection) else { return }
        try connection.execute("INSERT OR REPLACE INTO meta VALUES('open', 1)")
        try connection.checkpoint(truncating: true)
    }

    /// Takes the mark away; to be followed by a checkpoint that empties the WAL.
    static func clear(_ connection: borrowing Connection) throws(SQLiteError) {
        try connection.execute("DELETE FROM meta WHERE key = 'open'")
    }
}
