internal import CSQLite

/// What SQLite refused to do.
package struct SQLiteError: Error, CustomStringConvertible {
    /// Primary result code, such as `SQLITE_FULL`.
    package let code: Int32
    /// The code with its detail, such as `SQLITE_IOERR_FSYNC`.
    package let extended: Int32
    package let message: String
    package let sql: String
    /// The database; empty if the message names it.
    package let file: String

    package var description: String {
        var text = file.isEmpty ? message : "\(file): \(message)"
        if code != 0 { text += " (SQLite \(extended))" }
        return sql.isEmpty ? text : "\(text), in: \(sql)"
    }

    /// Whether nothing that this connection says about the disk can be believed any more.
    package var isFatal: Bool { [SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB].contains(code) }

    /// The error that `handle` reports for its last call.
    init(_ handle: OpaquePointer?, code: Int32, sql: String) {
        self.code = code & 0xFF
        extended = handle.map { sqlite3_extended_errcode($0) } ?? code
        message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
        self.sql = sql
        file = handle.flatMap { sqlite3_db_filename($0, "main") }.map { String(cString: $0) } ?? ""
    }

    /// An error of ours, in what the files say.
    init(corrupt message: String) {
        code = SQLITE_CORRUPT
        extended = SQLITE_CORRUPT
        self.message = message
        sql = ""
        file = ""
    }
}
