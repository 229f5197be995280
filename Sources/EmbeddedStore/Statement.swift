internal import CSQLite

/// Owns a prepared statement.
///
/// *Ownership:* memory that was bound must live until the statement has been reset; nothing is copied unless the name
/// of the method says so. *Thread:* that of its connection.
package struct Statement: ~Copyable {
    let handle: OpaquePointer

    deinit { sqlite3_finalize(handle) }

    @inline(__always)
    func bind(_ index: Int32, _ value: Int) { sqlite3_bind_int64(handle, index, Int64(value)) }

    /// Stored as the signed integer with the same bits.
    @inline(__always)
    func bind(_ index: Int32, _ value: UInt64) { sqlite3_bind_int64(handle, index, Int64(bitPattern: value)) }

    @inline(__always)
    func bind(_ index: Int32, blob bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else {
            sqlite3_bind_zeroblob(handle, index, 0)
            return
        }
        sqlite3_bind_blob64(handle, index, start, UInt64(bytes.count), nil)
    }

    @inline(__always)
    func bind(_ index: Int32, text bytes: UnsafeRawBufferPointer) {
        let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        sqlite3_bind_text(handle, index, start, Int32(bytes.count), nil)
    }

    func bindCopy(_ index: Int32, _ text: String) {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        sqlite3_bind_text(handle, index, text, -1, transient)
    }

    /// Goes to the next row.
    ///
    /// - Returns: false after the last. The statement then needs ``reset()`` before it is used again.
    @inline(__always)
    func step() throws(SQLiteError) -> Bool {
        let code = sqlite3_step(handle)
        if code == SQLITE_ROW { return true }
        if code == SQLITE_DONE { return false }
        throw failure(code)
    }

    /// Runs to the end and makes ready for the next use.
    @inline(__always)
    func run() throws(SQLiteError) {
        let code = sqlite3_step(handle)
        if code != SQLITE_DONE && code != SQLITE_ROW { throw failure(code) }
        sqlite3_reset(handle)
    }

    /// Prepares another statement on the same connection.
    func sibling(_ sql: String) throws(SQLiteError) -> Statement {
        var prepared: OpaquePointer?
        let connection = sqlite3_db_handle(handle)
        let code = sqlite3_prepare_v3(connection, sql, -1, 0, &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw SQLiteError(connection, code: code, sql: sql) }
        return Statement(handle: prepared)
    }

    /// The row id that the connection gave last.
    var insertedRow: UInt64 { UInt64(bitPattern: sqlite3_last_insert_rowid(sqlite3_db_handle(handle))) }

    @inline(__always)
    func reset() { sqlite3_reset(handle) }

    @inline(never)
    private func failure(_ code: Int32) -> SQLiteError {
        let error = SQLiteError(
            sqlite3_db_handle(handle), code: code, sql: sqlite3_sql(handle).map { String(cString: $0) } ?? "")
        sqlite3_reset(handle)
        return error
    }

    @inline(__always)
    func integer(_ column: Int32) -> Int { Int(sqlite3_column_int64(handle, column)) }

    @inline(__always)
    func unsigned(_ column: Int32) -> UInt64 { UInt64(bitPattern: sqlite3_column_int64(handle, column)) }

    /// Valid until the next step or reset.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // The order matters: asking for the count first could convert the value under the pointer.
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }

    func text(_ column: Int32) -> String {
        sqlite3_column_text(handle, column).map { String(cString: $0) } ?? ""
    }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

    func isText(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_TEXT }
}
