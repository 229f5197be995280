internal import Base
internal import Store

/// Notices, and releases of held messages, between the transaction that causes them and the fold that puts them into
/// the inboxes.
///
/// A row is written with the change; the journal gets its record after the commit; the fold of that record deletes
/// the row. What is left after a crash, once the journal is folded, never reached it and is given again. So each
/// comes exactly once, and never without its change. *Thread:* that of the fold.
struct PendingRecords: ~Copyable {
    private let insert: Statement
    /// Of the transaction that runs.
    private var made = RecordArena(capacity: 256)
    /// Durable, and not yet given to the journal.
    private var ready: RecordArena?

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        insert = try connection.prepare("INSERT INTO pending(record) VALUES(?1)")
    }

    /// What an earlier run left; asked for once, when the journal is folded and before anything new is added.
    static func left(in connection: borrowing Connection) throws(SQLiteError) -> RecordArena? {
        let rows = try connection.prepare("SELECT id, record FROM pending ORDER BY id")
        var numbers: [UInt64] = []
        var bytes: [UInt8] = []
        while try rows.step() {
            numbers.append(rows.unsigned(0))
            bytes += rows.bytes(1)
        }
        return try records(numbers, bytes)
    }

    private static func records(_ numbers: [UInt64], _ bytes: [UInt8]) throws(SQLiteError) -> RecordArena? {
        guard !numbers.isEmpty else { return nil }
        guard let arena = bytes.withUnsafeBytes({ RecordArena(recovering: $0) }), arena.entries.count == numbers.count
        else { throw SQLiteError(corrupt: "switchboard.db: a pending record is damaged") }
        for (entry, number) in zip(arena.entries, numbers) {
            arena.record(at: entry.offset).setPendingNumber(number)
        }
        return arena
    }

    /// Starts a transaction's records.
    mutating func begin() { if !made.isEmpty { made = RecordArena(capacity: 256) } }

    /// Writes a notice with the transaction. One without recipients is nothing.
    mutating func add(_ notice: Notice) throws(SQLiteError) {
        guard !notice.recipients.isEmpty else { return }
        made.append(notice)
        try insertLast()
    }

    /// Writes the release of a held message with the transaction.
    mutating func add(_ held: HeldMessage) throws(SQLiteError) {
        made.appendRelease(
            held.head, cid: held.cid, body: held.body, id: held.id, cseq: held.cseq, time: MessageID.time(held.id))
        try insertLast()
    }

    /// Lets a new member of a group begin at the end of its conversation: what was said before isn't unread. To be
    /// called after the notice that makes the member and the conversation known.
    mutating func addReadToTheEnd(_ user: Identifier, of group: Identifier) throws(SQLiteError) {
        made.appendRead(
            user: user, command: RecordView.groupCommand, destination: group, cseq: .max, reply: nil)
        try insertLast()
    }

    private func insertLast() throws(SQLiteError) {
        guard let entry = made.entries.last else { return }
        let record = made.record(at: entry.offset)
        insert.bind(1, blob: record.unsafeBytes)
        try insert.run()
        record.setPendingNumber(insert.insertedRow)
    }

    /// The transaction is durable.
    mutating func commit() {
        guard !made.isEmpty else { return }
        ready = made
        made = RecordArena(capacity: 256)
    }

    /// What the last transaction made; once.
    mutating func take() -> RecordArena? { ready.take() }
}

extension RecordArena {
    /// Whether there are releases of held messages among the records.
    var hasReleases: Bool { entries.contains { record(at: $0.offset).kind == .release } }
}

extension RecordView {
    /// Notes the number in `pending`; what else is known of the record stays.
    fileprivate func setPendingNumber(_ number: UInt64) {
        setNumbers(id: id, cseq: cseq, time: time, senderSeq: number)
    }
}
