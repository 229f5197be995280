internal import Base
internal import Store

/// Messages that lie in a group's history only, and the marks that tell its members of them.
extension Numbering {
    /// Notes that the message just numbered has no place in its recipients' inboxes.
    mutating func noteHistoryOnly(_ record: RecordView, conversation: Int) throws(SQLiteError) {
        let group = record.destination
        if !marks.names.contains(group) {
            marks.members.insert(try lookup.members(of: group))
            marks.add(group)
        }
        let before = marks.setHead(conversations[conversation].head, conversation: conversations[conversation].number)
        log.append(.historyOnly(conversations[conversation].number, before))
    }

    /// Appends to `arena` a numbered mark for each group with messages that the user's inbox doesn't tell of.
    ///
    /// - Parameter body: called with each mark and the slot of the user.
    mutating func mark(
        _ user: Identifier, in arena: RecordArena, _ body: (inout Numbering, RecordArena.Entry, Int?) -> Void
    ) throws(SQLiteError) {
        guard marks.members.mayContain(user) else { return }
        for group in try lookup.groups(of: user) where marks.names.contains(group) {
            guard let conversation = try existing(.group(group)),
                let last = marks.heads[conversations[conversation].number],
                try told(user, conversations[conversation].number) < last
            else { continue }
            let head = conversations[conversation].head
            arena.appendMark(group: group, to: user, cseq: head, members: GroupNotice.changed(group, cseq: head))
            guard let entry = arena.entries.last else { continue }
            let slot = try self.number(arena.record(at: entry.offset))
            if let slot { setTold(users[slot].number, conversations[conversation].number, head) }
            body(&self, entry, slot)
        }
    }

    private mutating func told(_ user: Identifier, _ conversation: UInt64) throws(SQLiteError) -> UInt64 {
        guard let slot = try slotIfKnown(of: user) else { return 0 }
        let number = users[slot].number
        if let told = marks.told(.init(user: number, conversation: conversation)) { return told.cseq }
        return try lookup.told(number, conversation)
    }

    private mutating func setTold(_ user: UInt64, _ conversation: UInt64, _ cseq: UInt64) {
        let key = MarkTable.TellKey(user: user, conversation: conversation)
        let before = marks.told(key)
        log.append(.told(user, conversation, before?.cseq ?? 0, before?.batch ?? 0))
        marks.setTold(.init(cseq: cseq, batch: batch), key)
    }
}
