internal import Base
internal import Store
internal import Wire

/// Applies edits and recalls to the messages they are about.
///
/// The journal has decided which of them count, so one that comes here is never about a recalled message.
/// *Thread:* that of the fold, within its transaction.
struct MessageChanges: ~Copyable {
    private let current: Statement
    private let replace: Statement
    private let keep: Statement
    private let prune: Statement
    private let emptyEdits: Statement
    private let forget: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let current = try connection.prepare("SELECT content, body FROM messages WHERE id = ?1")
        let replace = try connection.prepare("UPDATE messages SET content = ?2, body = ?3 WHERE id = ?1")
        let keep = try connection.prepare("INSERT INTO edits SELECT id, ?2, content, body FROM messages WHERE id = ?1")
        let prune = try connection.prepare(
            """
            UPDATE edits SET body = NULL WHERE message = ?1 AND edit =
                (SELECT edit FROM edits WHERE message = ?1 ORDER BY edit DESC LIMIT 1 OFFSET \(Limits.editsKept))
            """)
        let emptyEdits = try connection.prepare(
            "UPDATE messages SET content = ?2, body = ?3 WHERE id IN (SELECT edit FROM edits WHERE message = ?1)")
        let forget = try connection.prepare("DELETE FROM edits WHERE message = ?1")
        self.current = current
        self.replace = replace
        self.keep = keep
        self.prune = prune
        self.emptyEdits = emptyEdits
        self.forget = forget
    }

    /// Applies a change whose own row is written.
    func apply(_ record: RecordView) throws(SQLiteError) {
        let message = record.changedMessage
        guard record.kind == .edit else { return try recall(message) }
        let members = try members(of: message, after: record)
        keep.bind(1, message)
        keep.bind(2, record.id)
        try keep.run()
        try members.span.bytes.withUnsafeBytes { (members) throws(SQLiteError) in
            try write(replace, message, members)
        }
        prune.bind(1, message)
        try prune.run()
    }

    /// Takes the content away wherever it is: from the message, from what it was before, and from what was told of
    /// its edits.
    func recall(_ message: UInt64) throws(SQLiteError) {
        try write(replace, message, MessageMembers.recalled)
        try write(emptyEdits, message, MessageMembers.recalled)
        forget.bind(1, message)
        try forget.run()
    }

    private func members(of message: UInt64, after edit: RecordView) throws(SQLiteError) -> [UInt8] {
        defer { current.reset() }
        current.bind(1, message)
        guard try current.step(), let form = BodyForm(rawValue: UInt8(truncatingIfNeeded: current.integer(0))) else {
            throw SQLiteError(corrupt: "switchboard.db: message \(message), which is edited, is missing")
        }
        let old = MessageBody(form, RawSpan(_unsafeBytes: current.bytes(1)))
        let new = RawSpan(_unsafeBytes: edit.unsafeBody)
        // Each edit was checked against what its editor saw; only several at once can be too large together.
        return MessageMembers.edited(old, by: new, at: edit.time)
            ?? MessageMembers.edited(onlyBy: new, at: edit.time)
    }

    private func write(
        _ statement: borrowing Statement, _ message: UInt64, _ members: UnsafeRawBufferPointer
    ) throws(SQLiteError) {
        statement.bind(1, message)
        statement.bind(2, Int(BodyForm.members.rawValue))
        statement.bind(3, blob: members)
        try statement.run()
    }
}
