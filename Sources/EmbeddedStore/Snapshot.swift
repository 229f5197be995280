/// Lets several statements of a connection see one state of the database.
///
/// *Thread:* that of the connection, outside of a transaction.
struct Snapshot: ~Copyable {
    private let start: Statement
    private let stop: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let start = try connection.prepare("BEGIN")
        let stop = try connection.prepare("ROLLBACK")
        self.start = start
        self.stop = stop
    }

    /// From here on one state is seen.
    func begin() throws(SQLiteError) { try start.run() }

    /// The next question sees the latest state again.
    func end() throws(SQLiteError) { try stop.run() }

    /// After an error, which may have made SQLite end the transaction itself.
    func abandon() { try? stop.run() }
}
