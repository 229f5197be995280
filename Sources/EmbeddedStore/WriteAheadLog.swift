internal import CSQLite
internal import Glibc

/// The WAL of a database that nobody has open.
enum WriteAheadLog {
    /// SQLite's own writes stay below 128 KiB, and its VFS for Unix takes no larger ones.
    private static let chunkBytes = 64 << 10

    /// Writes the WAL's bytes again where they are, and syncs them.
    ///
    /// After a failed sync a WAL may hold pages that are read back from memory and are not on the disk, nor will any
    /// later sync write them. Whoever believed them, by folding or by appending behind them, would lose with the power
    /// what rests on them, or find an older WAL over a newer database. Frames carry checksums, so it does no harm if
    /// the power goes in the middle of this.
    static func rewrite(database path: String, vfs name: String?) throws(SQLiteError) {
        guard let vfs = sqlite3_vfs_find(name), let open = vfs.pointee.xOpen, let access = vfs.pointee.xAccess else {
            throw SQLiteError(nil, code: SQLITE_CANTOPEN, sql: path)
        }
        guard let filename = sqlite3_create_filename(path, path + "-journal", path + "-wal", 0, nil) else {
            throw SQLiteError(nil, code: SQLITE_NOMEM, sql: path)
        }
        defer { sqlite3_free_filename(filename) }
        let wal = sqlite3_filename_wal(filename)
        var exists: Int32 = 0
        guard access(vfs, wal, SQLITE_ACCESS_EXISTS, &exists) == SQLITE_OK, exists != 0 else { return }

        let memory = UnsafeMutableRawPointer.allocate(byteCount: Int(vfs.pointee.szOsFile), alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: Int(vfs.pointee.szOsFile))
        let file = memory.assumingMemoryBound(to: sqlite3_file.self)
        try check(open(vfs, wal, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, nil), path)
        guard let methods = file.pointee.pMethods?.pointee else {
            throw SQLiteError(nil, code: SQLITE_CANTOPEN, sql: path)
        }
        defer { _ = methods.xClose(file) }
        try rewrite(file, methods, path)
    }

    /// Whether there is a file. It may be empty: asked whether those exist, a VFS says no.
    static func exists(_ path: String, vfs name: String?) throws(SQLiteError) -> Bool {
        var status = stat()
        if name == nil { return stat(path, &status) == 0 }
        guard let vfs = sqlite3_vfs_find(name), let access = vfs.pointee.xAccess else {
            throw SQLiteError(nil, code: SQLITE_CANTOPEN, sql: path)
        }
        var exists: Int32 = 0
        try check(access(vfs, path, SQLITE_ACCESS_READWRITE, &exists), path)
        return exists != 0
    }

    private static func rewrite(
        _ file: UnsafeMutablePointer<sqlite3_file>, _ methods: sqlite3_io_methods, _ path: String
    ) throws(SQLiteError) {
        var size: Int64 = 0
        try check(methods.xFileSize(file, &size), path)
        guard size > 0 else { return }
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: chunkBytes, alignment: 16)
        defer { chunk.deallocate() }
        var offset: Int64 = 0
        while offset < size {
            let count = Int32(min(Int64(chunkBytes), size - offset))
            try check(methods.xRead(file, chunk, count, offset), path)
            try check(methods.xWrite(file, chunk, count, offset), path)
            offset += Int64(count)
        }
        try check(methods.xSync(file, SQLITE_SYNC_FULL), path)
    }

    private static func check(_ code: Int32, _ path: String) throws(SQLiteError) {
        guard code == SQLITE_OK else { throw SQLiteError(nil, code: code, sql: "\(path)-wal") }
    }
}
