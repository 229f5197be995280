internal import Base
internal import Store

/// What users have read, as a fold writes it.
///
/// Sending moves no cursor. A read counts the reader's own messages that it passes, at the end from which there are
/// fewer to look at; so that all reads of a user together look at each message of the conversation at most once.
/// *Thread:* that of the connection; in a transaction, with the fold's messages in the history already.
struct Cursors: ~Copyable {
    private let select: Statement
    private let put: Statement
    private let add: Statement
    private let sender: Statement
    private let runs: RunReader

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let select = try CursorTable.select(connection)
        let put = try connection.prepare("INSERT OR REPLACE INTO cursors VALUES(?1, ?2, ?3, ?4, ?5)")
        let add = try connection.prepare(
            "INSERT INTO cursors VALUES(?1, ?2, 0, ?3, 0) ON CONFLICT DO UPDATE SET sent = sent + excluded.sent")
        let sender = try connection.prepare("SELECT sender FROM messages WHERE id = ?1")
        let runs = try RunReader(connection)
        self.select = select
        self.put = put
        self.add = add
        self.sender = sender
        self.runs = runs
    }

    /// Counts the messages that members have sent to groups.
    func addSent(_ counts: [GatheredChanges.GroupSender: UInt64]) throws(SQLiteError) {
        // In the order of the table: neighbours share pages.
        let sorted = counts.sorted { ($0.key.user, $0.key.conversation) < ($1.key.user, $1.key.conversation) }
        for (key, count) in sorted {
            add.bind(1, key.user)
            add.bind(2, key.conversation)
            add.bind(3, count)
            try add.run()
        }
    }

    /// Moves a reader's cursor; one that is behind the record already stays where it is.
    func raise(by record: RecordView, _ positions: inout Positions) throws(SQLiteError) {
        let conversation = record.conversationNumber
        let reader = record.senderNumber
        var numbers = try positions.conversation(conversation)
        if record.command == RecordView.groupCommand {
            let cursor = try CursorTable.cursor(reader, conversation, select)
            let moved = try move(cursor, to: record.cseq, conversation, numbers.head) { (entry) throws(SQLiteError) in
                try isOwn(entry, reader)
            }
            if let moved { try store(moved, reader, conversation) }
            return
        }
        let side = ConversationSide(of: reader, with: record.destinationNumber)
        let moved = try move(numbers[side], to: record.cseq, conversation, numbers.head) {
            HistoryValue.side($0) == side
        }
        guard let moved else { return }
        numbers[side] = moved
        try positions.put(numbers, ofConversation: conversation)
    }

    private func store(_ cursor: ReadCursor, _ user: UInt64, _ conversation: UInt64) throws(SQLiteError) {
        put.bind(1, user)
        put.bind(2, conversation)
        put.bind(3, cursor.cseq)
        put.bind(4, cursor.sent)
        put.bind(5, cursor.sentAtCursor)
        try put.run()
    }

    /// The cursor at `cseq`; nil if it is there or beyond already.
    private func move(
        _ cursor: ReadCursor, to cseq: UInt64, _ conversation: UInt64, _ head: UInt64,
        _ isOwn: (UInt64) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) -> ReadCursor? {
        guard cseq > cursor.cseq else { return nil }
        var moved = cursor
        moved.cseq = cseq
        if cseq == head {
            moved.sentAtCursor = cursor.sent
        } else if cursor.sent > cursor.sentAtCursor {
            if cseq - cursor.cseq <= head - cseq {
                moved.sentAtCursor += try count(conversation, after: cursor.cseq, through: cseq, isOwn)
            } else {
                moved.sentAtCursor = cursor.sent - (try count(conversation, after: cseq, through: head, isOwn))
            }
        }
        return moved
    }

    private func count(
        _ conversation: UInt64, after first: UInt64, through last: UInt64, _ isOwn: (UInt64) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) -> UInt64 {
        var count: UInt64 = 0
        try runs.forward(.history, owner: conversation, after: first) { (cseq, entry) throws(SQLiteError) in
            guard cseq <= last else { return false }
            if try isOwn(entry) { count += 1 }
            return cseq < last
        }
        return count
    }

    /// Whether a message to a group is that of `user`; the message is only read if its mark doesn't say no.
    private func isOwn(_ entry: UInt64, _ user: UInt64) throws(SQLiteError) -> Bool {
        guard HistoryValue.mayBe(entry, sender: user) else { return false }
        defer { sender.reset() }
        sender.bind(1, HistoryValue.id(entry))
        return try sender.step() && sender.unsigned(0) == user
    }
}

/// The table of what members of groups have read.
enum CursorTable {
    /// A statement for ``cursor(_:_:_:)``.
    static func select(_ connection: borrowing Connection) throws(SQLiteError) -> Statement {
        try connection.prepare(
            "SELECT cseq, sent, sent_at_cursor FROM cursors WHERE user = ?1 AND conversation = ?2")
    }

    /// The cursor of a member who may never have read or sent anything.
    static func cursor(
        _ user: UInt64, _ conversation: UInt64, _ select: borrowing Statement
    ) throws(SQLiteError) -> ReadCursor {
        defer { select.reset() }
        select.bind(1, user)
        select.bind(2, conversation)
        guard try select.step() else { return ReadCursor() }
        return ReadCursor(sent: select.unsigned(1), cseq: select.unsigned(0), sentAtCursor: select.unsigned(2))
    }
}
