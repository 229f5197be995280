internal import Base
internal import Store

/// Edits and recalls. Which of them count is decided here, in the order of the journal: so what is pushed after a
/// commit and what the fold makes of it are the same, whatever happens between them.
extension Numbering {
    mutating func numberChange(_ record: RecordView, _ kind: RecordKind, sender: Int) throws(SQLiteError) {
        let message = record.changedMessage
        if try isRecalled(message) {
            // Nobody is told of content that was taken back, nor twice that it was.
            record.setStatus(kind == .recall ? .duplicate : .refused)
            return
        }
        let destination = try collectRecipients(record, sender: sender)
        let conversation = try conversationSlot(record, sender: sender, destination: destination)
        next.lastID = MessageID.next(after: next.lastID, now: now)
        var senderSeq: UInt64 = 0
        for (index, slot) in recipients.enumerated() {
            let (number, seq) = advance(slot)
            record.setPlacement(index, user: number, seq: seq)
            if slot == sender { senderSeq = seq }
        }
        let time = MessageID.time(next.lastID)
        record.setNumbers(id: next.lastID, cseq: record.cseq, time: time, senderSeq: senderSeq)
        record.setOwners(
            conversation: conversations[conversation].number, sender: users[sender].number,
            destination: destination.map { users[$0].number } ?? 0)
        record.setStatus(.stored)
        conversations[conversation].lastBatch = batch
        guard kind == .recall else { return }
        recalled[message] = batch
        log.append(.recalled(message))
    }

    private func isRecalled(_ message: UInt64) throws(SQLiteError) -> Bool {
        if recalled[message] != nil { return true }
        return try lookup.isRecalled(message)
    }
}
