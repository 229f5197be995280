internal import Store

/// Up to where the numbers of users and conversations go, as far as they are known by now.
struct CheckedHeads {
    /// By the store's numbers.
    var users: [UInt64: UInt64] = [:]
    var conversations: [UInt64: UInt64] = [:]
}

/// What is known of one message when an index leads to it.
struct CheckedMessage {
    var conversation: UInt64
    var cseq: UInt64
    var sender: UInt64
    var seq: UInt64
    var kind: RecordKind?
}

// The index: runs by themselves, histories and inboxes as sequences, and both against the messages they lead to.
extension StoreCheck {
    /// How many entries are looked at between two lines of progress.
    private static let progressEntries = 1 << 20

    mutating func checkIndex(_ index: borrowing Connection) throws(SQLiteError) -> CheckedHeads {
        var heads = CheckedHeads()
        let table = try RunTable(index)
        let catalog = try table.load()
        let pages = try RunPages(index)
        var positions = try Positions(index)
        let messages = try MessageLookup(index)
        try checkHistories(catalog, pages, messages, &positions, &heads)
        try checkInboxes(catalog, pages, messages, &positions, &heads)
        for family in [RunFamily.sent, .activity] {
            tell("switchboard.db: \(family)")
            try forEachEntry(family, catalog, pages) { (_, _) throws(SQLiteError) in }
        }
        let stored = try index.integer("SELECT count(*) FROM messages WHERE kind = \(RecordKind.message.rawValue)") ?? 0
        let listed = heads.conversations.values.reduce(0, +)
        if UInt64(stored) != listed {
            add("switchboard.db: \(stored) messages are stored, the histories have \(listed)")
        }
        return heads
    }

    /// Goes through the runs of an index from the oldest: each must be sorted, and have as many entries as it says.
    private mutating func forEachEntry(
        _ family: RunFamily, _ catalog: RunCatalog, _ pages: borrowing RunPages,
        _ body: (inout StoreCheck, RunEntry) throws(SQLiteError) -> Void
    ) throws(SQLiteError) {
        var seen = 0
        for run in catalog.readable(family) {
            var cursor = try RunCursor(run.number, after: .start, pages)
            var last = RunKey.start
            var count: UInt64 = 0
            while let entry = cursor.current {
                if !(last < entry.key) { add("switchboard.db: run \(run.number) of \(family) isn't sorted") }
                last = entry.key
                count += 1
                seen += 1
                if seen % StoreCheck.progressEntries == 0 { tell("switchboard.db: \(family), \(seen) entries") }
                try body(&self, entry)
                try cursor.advance(by: 1, pages)
            }
            if count != run.entries {
                add("switchboard.db: run \(run.number) of \(family) has \(count) entries instead of \(run.entries)")
            }
        }
    }

    // MARK: Histories

    private mutating func checkHistories(
        _ catalog: RunCatalog, _ pages: borrowing RunPages, _ messages: borrowing MessageLookup,
        _ positions: inout Positions, _ heads: inout CheckedHeads
    ) throws(SQLiteError) {
        tell("switchboard.db: histories against messages")
        var known: [UInt64: (cseq: UInt64, id: UInt64, privately: UInt64)] = [:]
        try forEachEntry(.history, catalog, pages) { (check, entry) throws(SQLiteError) in
            let before = known[entry.owner] ?? (0, 0, 0)
            let id = HistoryValue.id(entry.value)
            if entry.position != before.cseq + 1 {
                check.add("conversation \(entry.owner): cseq \(entry.position) comes after \(before.cseq)")
            }
            if id <= before.id { check.add("conversation \(entry.owner): id \(id) comes after \(before.id)") }
            let message = try messages.find(id)
            if message?.conversation != entry.owner || message?.cseq != entry.position || message?.kind != .message {
                check.add("conversation \(entry.owner): cseq \(entry.position) leads to \(id), which isn't its message")
            }
            let isPrivate = HistoryValue.side(entry.value) != nil
            known[entry.owner] = (entry.position, id, before.privately + (isPrivate ? 1 : 0))
        }
        for (conversation, end) in known.sorted(by: { $0.key < $1.key }) {
            let numbers = try positions.conversation(conversation)
            if numbers.head != end.cseq || numbers.lastID != end.id {
                add(
                    "conversation \(conversation) ends at cseq \(end.cseq), id \(end.id); "
                        + "noted are \(numbers.head) and \(numbers.lastID)")
            }
            if numbers.smaller.sent + numbers.larger.sent != end.privately {
                add("conversation \(conversation): its unread counts rest on another number of messages")
            }
            heads.conversations[conversation] = end.cseq
        }
    }

    // MARK: Inboxes

    private mutating func checkInboxes(
        _ catalog: RunCatalog, _ pages: borrowing RunPages, _ messages: borrowing MessageLookup,
        _ positions: inout Positions, _ heads: inout CheckedHeads
    ) throws(SQLiteError) {
        tell("switchboard.db: inboxes against messages")
        var ends: [UInt64: UInt64] = [:]
        // The closure has the only access to the positions while it runs.
        try forEachEntry(.inbox, catalog, pages) { (check, entry) throws(SQLiteError) in
            let (user, seq) = (entry.owner, entry.position)
            // What all devices confirmed may be gone, piece by piece, and from the oldest on what is too old.
            if let end = ends[user], seq != end + 1, try seq > positions.user(user, .floor) + 1 || seq <= end {
                check.add("inbox of user \(user): seq \(seq) comes after \(end)")
            }
            ends[user] = seq
            guard let message = try messages.find(entry.value) else {
                return check.add("inbox of user \(user): seq \(seq) leads to \(entry.value), which isn't stored")
            }
            guard message.kind == .message, message.sender == user, message.seq > 0 else { return }
            if message.seq != seq {
                check.add("inbox of user \(user): the message at \(seq) was given \(message.seq)")
            }
        }
        for (user, end) in ends.sorted(by: { $0.key < $1.key }) {
            let (head, floor) = try (positions.user(user, .head), positions.user(user, .floor))
            if end > head || (end < head && floor < head) {
                add("inbox of user \(user) ends at \(end) instead of \(head)")
            }
            if floor > head { add("inbox of user \(user) is confirmed up to \(floor) and ends at \(head)") }
            heads.users[user] = head
        }
    }
}

/// Finds messages by their ids.
struct MessageLookup: ~Copyable {
    private let select: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        select = try connection.prepare("SELECT conversation, cseq, sender, seq, kind FROM messages WHERE id = ?1")
    }

    func find(_ id: UInt64) throws(SQLiteError) -> CheckedMessage? {
        defer { select.reset() }
        select.bind(1, id)
        guard try select.step() else { return nil }
        return CheckedMessage(
            conversation: select.unsigned(0), cseq: select.unsigned(1), sender: select.unsigned(2),
            seq: select.unsigned(3), kind: RecordKind(rawValue: UInt8(truncatingIfNeeded: select.integer(4))))
    }
}
