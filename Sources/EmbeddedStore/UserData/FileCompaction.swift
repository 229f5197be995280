internal import Glibc
internal import Store

/// Writes the files anew, without what their free pages and the free space of their pages hold.
enum FileCompaction {
    /// Both files. Nobody may have them open.
    static func run(_ directory: borrowing DataDirectory) throws(SQLiteError) {
        try compactJournal(directory.journal)
        try compactIndex(directory.index, in: directory.path)
    }

    /// The journal is empty, so this is little.
    private static func compactJournal(_ path: String) throws(SQLiteError) {
        let connection = try Connection(
            path: path, options: ConnectionOptions(isExclusive: true, pageBytes: JournalFile.pageBytes))
        try connection.execute("VACUUM")
        try connection.checkpoint(truncating: true)
    }

    /// A copy takes the index's place: the data directory must have room for it. Until the copy is whole and on the
    /// disk the index is what it was.
    private static func compactIndex(_ path: String, in directory: String) throws(SQLiteError) {
        let copy = path + ".compact"
        unlink(copy)
        do {
            let connection = try Connection(path: path, options: ConnectionOptions(cacheBytes: 64 << 20))
            let write = try connection.prepare("VACUUM INTO ?1")
            write.bindCopy(1, copy)
            try write.run()
            try connection.checkpoint(truncating: true)
        } catch {
            unlink(copy)
            throw error
        }
        try sync(copy)
        // An old log beside another database would be believed.
        guard isMissingOrEmpty(path + "-wal") else {
            unlink(copy)
            throw SQLiteError(corrupt: "\(path) is in use by another process")
        }
        guard rename(copy, path) == 0 else { throw failure("can't replace \(path)") }
        try sync(directory)
    }

    private static func sync(_ path: String) throws(SQLiteError) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("can't open \(path)") }
        defer { close(file) }
        guard fsync(file) == 0 else { throw failure("can't sync \(path)") }
    }

    private static func isMissingOrEmpty(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_size == 0
    }

    private static func failure(_ what: String) -> SQLiteError {
        SQLiteError(corrupt: "\(what): \(String(cString: strerror(errno)))")
    }
}
