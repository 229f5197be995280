internal import Base
internal import Store

/// Notices between the transaction that causes them and the fold that puts them into the inboxes.
///
/// A row is written with the change; the journal gets its record after the commit; the fold of that record deletes
/// the row. What is left after a crash, once the journal is folded, never reached it and is given again. So a notice
/// comes exactly once, and never without its change. *Thread:* that of the fold.
struct PendingNotices: ~Copyable {
    private let insert: Statement
    /// Of the transaction that runs.
    private var made = RecordArena(capacity: 256)
    /// Durable, and not yet given to the journal.
    private var ready: RecordArena?

    /// Takes up what an earlier run left.
    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let insert = try connection.prepare("INSERT INTO pending(record) VALUES(?1)")
        let rows = try connection.prepare("SELECT id, record FROM pending ORDER BY id")
        var numbers: [UInt64] = []
        var bytes: [UInt8] = []
        while try rows.step() {
            numbers.append(rows.unsigned(0))
            bytes += rows.bytes(1)
        }
        let left = try PendingNotices.records(numbers, bytes)
        self.insert = insert
        ready = left
    }

    private static func records(_ numbers: [UInt64], _ bytes: [UInt8]) throws(SQLiteError) -> RecordArena? {
        guard !numbers.isEmpty else { return nil }
        guard let arena = bytes.withUnsafeBytes({ RecordArena(recovering: $0) }), arena.entries.count == numbers.count
        else { throw SQLiteError(corrupt: "switchboard.db: a pending notice is damaged") }
        for (entry, number) in zip(arena.entries, numbers) {
            let record = arena.record(at: entry.offset)
            record.setNumbers(id: 0, cseq: record.cseq, time: 0, senderSeq: number)
        }
        return arena
    }

    /// Starts a transaction's notices.
    mutating func begin() { if !made.isEmpty { made = RecordArena(capacity: 256) } }

    /// Writes a notice with the transaction. One without recipients is nothing.
    mutating func add(_ notice: Notice) throws(SQLiteError) {
        guard !notice.recipients.isEmpty else { return }
        made.append(notice)
        try keepLast()
    }

    /// Lets a new member of a group begin at the end of its conversation: what was said before isn't unread. To be
    /// called after the notice that makes the member and the conversation known.
    mutating func addReadToTheEnd(_ user: Identifier, of group: Identifier) throws(SQLiteError) {
        made.appendRead(
            user: user, command: RecordView.groupCommand, destination: group, cseq: .max, reply: nil)
        try keepLast()
    }

    private mutating func keepLast() throws(SQLiteError) {
        guard let entry = made.entries.last else { return }
        let record = made.record(at: entry.offset)
        insert.bind(1, blob: record.unsafeBytes)
        try insert.run()
        record.setNumbers(id: 0, cseq: record.cseq, time: 0, senderSeq: insert.insertedRow)
    }

    /// The transaction is durable.
    mutating func commit() {
        guard !made.isEmpty else { return }
        ready = made
        made = RecordArena(capacity: 256)
    }

    /// What the last transaction made, or an earlier run left; once.
    mutating func take() -> RecordArena? { ready.take() }
}
