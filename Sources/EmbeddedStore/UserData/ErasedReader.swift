/// What is known of erased users.
///
/// *Thread:* that of the connection.
struct ErasedReader: ~Copyable {
    private let last: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        last = try connection.prepare("SELECT last_id FROM erased WHERE user = ?1")
    }

    /// The last message before a user was erased: whoever has the id since then sees nothing that two said before; 0
    /// for users who never were.
    func lastID(of user: UInt64?) throws(SQLiteError) -> UInt64 {
        guard let user else { return 0 }
        last.bind(1, user)
        defer { last.reset() }
        return try last.step() ? last.unsigned(0) : 0
    }
}
