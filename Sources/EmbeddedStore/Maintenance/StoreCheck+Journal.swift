internal import Store

// The journal: whole batches in a row, which go on where the index ends.
extension StoreCheck {
    /// Bytes of batches that are in memory at a time.
    private static let batchBytes = 8 << 20

    /// - Returns: how many batches the index doesn't have.
    mutating func checkJournal(
        _ journal: borrowing Connection, _ index: borrowing Connection, _ heads: inout CheckedHeads
    ) throws(SQLiteError) -> Int {
        tell("journal.db: checksums and sequences")
        let position = UInt64(try index.integer("SELECT value FROM meta WHERE key = 'position'") ?? 0)
        var positions = try Positions(index)
        let rows = try JournalRows(journal)
        var last: UInt64?
        var unfolded = 0
        while true {
            let batches = try rows.batches(after: last ?? 0, bytesMax: StoreCheck.batchBytes)
            guard !batches.isEmpty else { return unfolded }
            for batch in batches {
                if let last, batch.number != last + 1 {
                    add("journal.db: batch \(batch.number) comes after \(last)")
                } else if last == nil, batch.number > position + 1 {
                    add("journal.db begins at batch \(batch.number), but switchboard.db ends at \(position)")
                }
                last = batch.number
                guard batch.number > position else { continue }
                unfolded += 1
                for entry in batch.arena.entries {
                    try check(batch.arena.record(at: entry.offset), batch.number, &positions, &heads)
                }
            }
        }
    }

    /// Looks whether a record that the index doesn't have goes on where its conversation and its inboxes end.
    private mutating func check(
        _ record: RecordView, _ batch: UInt64, _ positions: inout Positions, _ heads: inout CheckedHeads
    ) throws(SQLiteError) {
        guard record.status == .stored, record.kind?.isEntry == true else { return }
        if record.kind == .message {
            let number = record.conversationNumber
            let indexed = try positions.conversation(number).head
            let head = heads.conversations[number] ?? indexed
            if record.cseq != head + 1 {
                add("journal.db: batch \(batch): conversation \(number): cseq \(record.cseq) comes after \(head)")
            }
            heads.conversations[number] = record.cseq
        }
        for index in 0..<record.placementCount {
            let (user, seq) = record.placement(index)
            let indexed = try positions.user(user, .head)
            let head = heads.users[user] ?? indexed
            if seq != head + 1 {
                add("journal.db: batch \(batch): inbox of user \(user): seq \(seq) comes after \(head)")
            }
            heads.users[user] = seq
        }
    }
}
