package import Base
package import Store

/// Answers questions from the index. It sees what is folded; waiting for that is the caller's part.
///
/// *Thread:* one at a time.
package struct Reader: ~Copyable {
    private let user: Statement
    private let userName: Statement
    private let device: Statement
    private let entries: Statement
    private let conversation: Statement
    private let newest: Statement
    private let messages: Statement
    private let seen: Statement
    private let group: Statement
    private let members: Statement

    /// Bytes after which a page ends although more entries were asked for: a thousand messages of 1 MiB each would
    /// otherwise be one gigabyte in memory. A page has at least one entry.
    private static let pageBytesMax = 4 << 20

    package init(_ connection: borrowing Connection) throws(SQLiteError) {
        let user = try connection.prepare("SELECT number, floor, head FROM users WHERE name = ?1")
        let userName = try connection.prepare("SELECT name FROM users WHERE number = ?1")
        let device = try connection.prepare("SELECT confirmed FROM devices WHERE user = ?1 AND device = ?2")
        let entries = try connection.prepare(
            """
            SELECT i.seq, m.cseq, m.id, m.sender, m.command, m.content, m.cid, m.body, c.owner, c.peer
            FROM inbox i CROSS JOIN messages m USING(conversation, cseq)
            CROSS JOIN conversations c ON c.number = i.conversation
            WHERE i.user = ?1 AND i.seq > ?2 ORDER BY i.seq LIMIT ?3
            """)
        let conversation = try connection.prepare("SELECT number FROM conversations WHERE owner = ?1 AND peer = ?2")
        let newest = try connection.prepare(
            """
            SELECT cseq, length(body) FROM messages WHERE conversation = ?1 AND cseq < ?2
            ORDER BY cseq DESC LIMIT ?3
            """)
        let messages = try connection.prepare(
            """
            SELECT 0, cseq, id, sender, command, content, cid, body, c.owner, c.peer
            FROM messages CROSS JOIN conversations c ON c.number = conversation
            WHERE conversation = ?1 AND cseq > ?2 AND cseq < ?3 ORDER BY cseq LIMIT ?4
            """)
        let seen = try connection.prepare("SELECT seen FROM users WHERE name = ?1 AND seen > 0")
        let group = try connection.prepare("SELECT name, version FROM groups WHERE id = ?1")
        let members = try connection.prepare("SELECT user, role FROM members WHERE group_id = ?1")
        self.user = user
        self.userName = userName
        self.device = device
        self.entries = entries
        self.conversation = conversation
        self.newest = newest
        self.messages = messages
        self.seen = seen
        self.group = group
        self.members = members
    }

    package func read(_ query: ReadQuery) throws(SQLiteError) -> Page {
        switch query {
        case .inbox(let name, let after, let limit):
            guard let user = try number(of: name) else { return empty(through: after) }
            return try inbox(of: user.number, head: user.head, after: after, limit: limit)
        case .unconfirmed(let name, let deviceName, let limit):
            guard let user = try number(of: name) else { return empty(through: 0) }
            let confirmed = try confirmed(by: deviceName, user: user.number) ?? user.floor
            return try inbox(of: user.number, head: user.head, after: confirmed, limit: limit)
        case .history(let key, let range, let limit):
            guard let number = try number(of: key) else { return empty(through: 0) }
            return try history(of: number, range, limit: limit)
        }
    }

    /// When the users were last online; only those who ever were.
    package func lastSeen(_ users: [Identifier]) throws(SQLiteError) -> [Identifier: UInt64] {
        var times: [Identifier: UInt64] = [:]
        for name in users {
            defer { seen.reset() }
            seen.bindCopy(1, name.description)
            if try seen.step() { times[name] = seen.unsigned(0) }
        }
        return times
    }

    /// A group with its members; nil if there is none.
    package func group(_ id: Identifier) throws(SQLiteError) -> Group? {
        group.bindCopy(1, id.description)
        defer { group.reset() }
        guard try group.step() else { return nil }
        var found: [Identifier: GroupRole] = [:]
        members.bindCopy(1, id.description)
        defer { members.reset() }
        while try members.step() {
            guard let member = Identifier(members.text(0)), let role = GroupRole(rawValue: members.text(1)) else {
                throw SQLiteError(corrupt: "switchboard.db: group \(id) has a member or role that isn't valid")
            }
            found[member] = role
        }
        return Group(id: id, name: group.text(0), version: group.unsigned(1), members: found)
    }

    // MARK: Pages

    private func empty(through: UInt64) -> Page { Page(arena: RecordArena(capacity: 0), more: false, through: through) }

    private func clamp(_ limit: Int) -> Int { min(max(limit, 1), Limits.pageEntriesMax) }

    /// SQLite's integers are signed, and so is every number of ours.
    private func clamp(_ position: UInt64) -> UInt64 { min(position, UInt64(Int64.max)) }

    /// - Parameter head: read before the entries, so that a page without more speaks for all up to there, also where
    ///   confirmed entries are gone.
    private func inbox(of user: UInt64, head: UInt64, after: UInt64, limit: Int) throws(SQLiteError) -> Page {
        defer { entries.reset() }
        entries.bind(1, user)
        entries.bind(2, clamp(after))
        entries.bind(3, clamp(limit) + 1)
        var page = try page(entries, limit: clamp(limit), from: after)
        if !page.more { page.through = max(page.through, head) }
        return page
    }

    private func history(of conversation: UInt64, _ range: HistoryRange, limit: Int) throws(SQLiteError) -> Page {
        let limit = clamp(limit)
        let end: UInt64
        switch range {
        case .after(let after): return try messages(of: conversation, after: clamp(after), before: nil, limit: limit)
        case .newest: end = UInt64(Int64.max)
        case .before(let before): end = clamp(before)
        }
        // Oldest first within the page, but counted from the newest: find where the page begins.
        defer { newest.reset() }
        newest.bind(1, conversation)
        newest.bind(2, end)
        newest.bind(3, limit + 1)
        var first = end
        var count = 0
        var bytes = 0
        var more = false
        while try newest.step() {
            bytes += newest.integer(1)
            if count == limit || (count > 0 && bytes > Reader.pageBytesMax) {
                more = true
                break
            }
            count += 1
            first = newest.unsigned(0)
        }
        guard count > 0 else { return empty(through: 0) }
        var page = try messages(of: conversation, after: first - 1, before: end, limit: count)
        page.more = more
        return page
    }

    private func messages(
        of conversation: UInt64, after: UInt64, before: UInt64?, limit: Int
    ) throws(SQLiteError) -> Page {
        defer { messages.reset() }
        messages.bind(1, conversation)
        messages.bind(2, after)
        messages.bind(3, before ?? UInt64(Int64.max))
        messages.bind(4, limit + 1)
        // A page that was measured beforehand is not cut again: its newest messages are those that were asked for.
        let bytesMax = before == nil ? Reader.pageBytesMax : Int.max
        return try page(messages, limit: limit, from: after, isHistory: true, bytesMax: bytesMax)
    }

    /// Makes a page of rows (seq, cseq, id, sender, command, content, cid, body, owner, peer).
    private func page(
        _ rows: borrowing Statement, limit: Int, from: UInt64, isHistory: Bool = false,
        bytesMax: Int = Reader.pageBytesMax
    ) throws(SQLiteError) -> Page {
        let arena = RecordArena()
        var names: [UInt64: Identifier] = [:]
        var through = from
        while try rows.step() {
            let body = rows.bytes(7)
            let isFull = !arena.isEmpty && arena.byteCount + body.count > bytesMax
            if arena.entries.count == limit || isFull { return Page(arena: arena, more: true, through: through) }
            let senderNumber = rows.unsigned(3)
            let sender = try name(of: senderNumber, &names)
            let destination = try destination(rows, senderNumber, &names)
            let head = MessageHead(
                command: UInt8(truncatingIfNeeded: rows.integer(4)),
                content: UInt8(truncatingIfNeeded: rows.integer(5)), sender: sender, destination: destination)
            let seq = rows.unsigned(0)
            let id = rows.unsigned(2)
            arena.appendStored(
                head, cid: RawSpan(_unsafeBytes: rows.bytes(6)), body: RawSpan(_unsafeBytes: body), id: id,
                cseq: rows.unsigned(1), seq: seq, time: MessageID.time(id))
            through = isHistory ? rows.unsigned(1) : seq
        }
        return Page(arena: arena, more: false, through: through)
    }

    private func destination(
        _ rows: borrowing Statement, _ sender: UInt64, _ names: inout [UInt64: Identifier]
    ) throws(SQLiteError) -> Identifier {
        if rows.isText(9) {
            guard let group = Identifier(rows.text(9)) else {
                throw SQLiteError(corrupt: "switchboard.db: a conversation has no valid group")
            }
            return group
        }
        let owner = rows.unsigned(8)
        return try name(of: owner == sender ? rows.unsigned(9) : owner, &names)
    }

    // MARK: Names and numbers

    private func name(
        of number: UInt64, _ names: inout [UInt64: Identifier]
    ) throws(SQLiteError) -> Identifier {
        if let name = names[number] { return name }
        defer { userName.reset() }
        userName.bind(1, number)
        guard try userName.step(), let name = Identifier(userName.text(0)) else {
            throw SQLiteError(corrupt: "switchboard.db: user \(number) has no valid name")
        }
        names[number] = name
        return name
    }

    private func number(of name: Identifier) throws(SQLiteError) -> (number: UInt64, floor: UInt64, head: UInt64)? {
        defer { user.reset() }
        user.bindCopy(1, name.description)
        return try user.step() ? (user.unsigned(0), user.unsigned(1), user.unsigned(2)) : nil
    }

    private func confirmed(by name: Identifier, user number: UInt64) throws(SQLiteError) -> UInt64? {
        defer { device.reset() }
        device.bind(1, number)
        device.bindCopy(2, name.description)
        return try device.step() ? device.unsigned(0) : nil
    }

    private func number(of key: ConversationKey) throws(SQLiteError) -> UInt64? {
        defer { conversation.reset() }
        switch key {
        case .group(let group):
            conversation.bind(1, 0)
            conversation.bindCopy(2, group.description)
        case .privately(let one, let other):
            guard let first = try number(of: one), let second = try number(of: other) else { return nil }
            conversation.bind(1, min(first.number, second.number))
            conversation.bind(2, max(first.number, second.number))
        }
        return try conversation.step() ? conversation.unsigned(0) : nil
    }
}
