internal import Base
internal import Store

/// Messages and the conversations that they are in.
extension Numbering {
    mutating func numberMessage(_ record: RecordView, sender: Int) throws(SQLiteError) {
        let cid = record.unsafeCid
        let hash = cid.isEmpty ? 0 : StableHash.cid(cid)
        if !cid.isEmpty, let stored = try duplicate(hash, sender: sender) {
            record.setNumbers(id: stored.id, cseq: stored.cseq, time: MessageID.time(stored.id), senderSeq: stored.seq)
            record.setStatus(.duplicate)
            return
        }
        let destination = try collectRecipients(record, sender: sender)
        let conversation = try conversationSlot(record, sender: sender, destination: destination)
        next.lastID = MessageID.next(after: next.lastID, now: now)
        conversations[conversation].head += 1
        conversations[conversation].lastBatch = batch
        log.append(.conversationHead(conversation))
        var senderSeq: UInt64 = 0
        for (index, slot) in recipients.enumerated() {
            let (number, seq) = advance(slot)
            record.setPlacement(index, user: number, seq: seq)
            if slot == sender { senderSeq = seq }
        }
        let cseq = conversations[conversation].head
        let time = MessageID.time(next.lastID)
        record.setNumbers(id: next.lastID, cseq: cseq, time: time, senderSeq: senderSeq)
        record.setOwners(
            conversation: conversations[conversation].number, sender: users[sender].number,
            destination: destination.map { users[$0].number } ?? 0)
        record.setStatus(.stored)
        if record.has(.isForMembers) { try noteHistoryOnly(record, conversation: conversation) }
        guard !cid.isEmpty else { return }
        let key = SentKey(user: users[sender].number, hash: hash)
        recent.add(key, SentEntry(id: next.lastID, cseq: cseq, seq: senderSeq), batch: batch)
        touch(sender)
        log.append(.sent(sender, users[sender].window.add(hash)))
    }

    mutating func numberNotice(_ record: RecordView, sender: Int) throws(SQLiteError) {
        let destination = try collectRecipients(record, sender: sender)
        var conversation: Int?
        if record.command > 0 {
            conversation = try conversationSlot(record, sender: sender, destination: destination)
        }
        next.lastID = MessageID.next(after: next.lastID, now: now)
        for (index, slot) in recipients.enumerated() {
            let (number, seq) = advance(slot)
            record.setPlacement(index, user: number, seq: seq)
        }
        let time = MessageID.time(next.lastID)
        record.setNumbers(
            id: next.lastID, cseq: record.has(.isMark) ? record.cseq : 0, time: time, senderSeq: record.senderSeq)
        record.setOwners(
            conversation: conversation.map { conversations[$0].number } ?? 0, sender: users[sender].number,
            destination: destination.map { users[$0].number } ?? 0)
        record.setStatus(.stored)
        if let conversation { conversations[conversation].lastBatch = batch }
    }

    /// The message has its numbers; what is new is its place in the inbox, and an id for its place in the chat list.
    mutating func numberRelease(_ record: RecordView, sender: Int) throws(SQLiteError) {
        let destination = try collectRecipients(record, sender: sender)
        let conversation = try conversationSlot(record, sender: sender, destination: destination)
        for (index, slot) in recipients.enumerated() {
            let (number, seq) = advance(slot)
            record.setPlacement(index, user: number, seq: seq)
        }
        next.lastID = MessageID.next(after: next.lastID, now: now)
        record.setOwners(
            conversation: conversations[conversation].number, sender: users[sender].number, destination: next.lastID)
        record.setStatus(.stored)
        conversations[conversation].lastBatch = batch
    }

    /// Fills ``recipients``; returns the destination's slot if it is a user.
    mutating func collectRecipients(_ record: RecordView, sender: Int) throws(SQLiteError) -> Int? {
        if record.namesRecipients {
            try record.forEachRecipient { (_, name) throws(SQLiteError) in recipients.append(try slot(of: name)) }
            return record.command == RecordView.groupCommand ? nil : try slot(of: record.destination)
        }
        if record.command == RecordView.groupCommand { return nil }
        let isToOneself = record.placementCount == 1 && !record.has(.isHeld)
        let destination = isToOneself ? sender : try slot(of: record.destination)
        if record.placementCount > 0 { recipients.append(sender) }
        if record.placementCount > 1 { recipients.append(destination) }
        return destination
    }

    @inline(__always)
    mutating func advance(_ slot: Int) -> (number: UInt64, seq: UInt64) {
        users[slot].head += 1
        users[slot].lastBatch = batch
        log.append(.userHead(slot))
        return (users[slot].number, users[slot].head)
    }

    /// Keeps the user in memory until the current batch is folded.
    mutating func touch(_ slot: Int) { users[slot].lastBatch = batch }

    mutating func duplicate(_ hash: UInt64, sender: Int) throws(SQLiteError) -> SentEntry? {
        if !users[sender].window.isLoaded {
            let hashes = try lookup.sentHashes(of: users[sender].number, now: now)
            for hash in hashes { _ = users[sender].window.add(hash) }
            users[sender].window.isLoaded = true
        }
        guard users[sender].window.mayContain(hash) else { return nil }
        let key = SentKey(user: users[sender].number, hash: hash)
        var found = recent.find(key)
        if found == nil { found = try lookup.sent(key, now: now) }
        guard let found, MessageID.time(found.id) + Limits.cidWindowMilliseconds >= now else { return nil }
        return found
    }

    // MARK: Conversations

    func privately(_ first: UInt64, _ second: UInt64) -> ConversationName {
        .privately(min(first, second), max(first, second))
    }

    /// - Parameter destination: nil if it is a group.
    mutating func conversationSlot(
        _ record: RecordView, sender: Int, destination: Int?
    ) throws(SQLiteError) -> Int {
        let name: ConversationName =
            if let destination {
                privately(users[sender].number, users[destination].number)
            } else {
                .group(record.destination)
            }
        if let slot = try existing(name) { return slot }
        let state = ConversationState(name, number: next.conversation, head: 0)
        next.conversation += 1
        let slot = conversations.insert(state, name)
        log.append(.newConversation(slot))
        return slot
    }

    mutating func existing(_ name: ConversationName) throws(SQLiteError) -> Int? {
        if let slot = conversations.find(name) { return slot }
        // A conversation of a user who is new can't be in the index: no need to ask.
        if case .privately(_, let newer) = name, newer >= before.user { return nil }
        return try lookup.conversation(name).map { conversations.insert($0, name) }
    }
}
