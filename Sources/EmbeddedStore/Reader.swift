package import Base
package import Store

/// Answers questions from the index. It sees what is folded; waiting for that is the caller's part.
///
/// *Thread:* one at a time.
package struct Reader: ~Copyable {
    private let retentionMilliseconds: UInt64
    private let inboxMembersMax: Int
    private let snapshot: Snapshot
    let runs: RunReader
    var positions: Positions
    private let user: Statement
    private let userName: Statement
    private let device: Statement
    private let conversation: Statement
    private let message: Statement
    private let messageBytes: Statement
    private let members: Statement
    private let edits: Statement
    private let firstVersion: Statement
    let contacts: ContactReader
    let held: HeldReader
    let erased: ErasedReader
    // Of chat lists too.
    let group: Statement
    let member: Statement
    let conversationUsers: Statement
    let cursor: Statement
    let groupReaders: GroupReaders
    let accountName: Statement
    var accounts: AccountReader
    let events: EventStatements
    let search: SearchStatements
    private let ownGroups: Statement

    /// Bytes after which a page ends although more entries were asked for: a thousand messages of 1 MiB each would
    /// otherwise be one gigabyte in memory. A page has at least one entry.
    static let pageBytesMax = 4 << 20

    package init(_ connection: borrowing Connection, options: FoldOptions = FoldOptions()) throws(SQLiteError) {
        let snapshot = try Snapshot(connection)
        let runs = try RunReader(connection)
        let positions = try Positions(connection)
        let user = try connection.prepare("SELECT number FROM users WHERE name = ?1")
        let userName = try connection.prepare("SELECT name FROM users WHERE number = ?1")
        let device = try connection.prepare("SELECT confirmed FROM devices WHERE user = ?1 AND device = ?2")
        let conversation = try connection.prepare("SELECT number FROM conversations WHERE owner = ?1 AND peer = ?2")
        let message = try connection.prepare(
            """
            SELECT cseq, sender, command, content, cid, body, c.owner, c.peer, kind
            FROM messages LEFT JOIN conversations c ON c.number = conversation WHERE id = ?1
            """)
        let messageBytes = try connection.prepare("SELECT length(body) FROM messages WHERE id = ?1")
        let group = try connection.prepare("SELECT name, version FROM groups WHERE id = ?1")
        let members = try connection.prepare("SELECT user, role FROM members WHERE group_id = ?1")
        // What a message was lies with the edit that ended it; it was made by the edit before, or by the message.
        let edits = try connection.prepare(
            """
            SELECT made.id, made.sender, e.content, e.body FROM edits e JOIN messages made ON made.id = coalesce(
                (SELECT max(edit) FROM edits WHERE message = e.message AND edit < e.edit), e.message)
            WHERE e.message = ?1 AND made.id > ?2 AND e.body IS NOT NULL ORDER BY e.edit
            """)
        let firstVersion = try connection.prepare(
            "SELECT content, body FROM edits WHERE message = ?1 ORDER BY edit LIMIT 1")
        let contacts = try ContactReader(connection)
        let held = try HeldReader(connection)
        let erased = try ErasedReader(connection)
        let member = try connection.prepare("SELECT 1 FROM members WHERE group_id = ?1 AND user = ?2")
        let conversationUsers = try connection.prepare("SELECT owner, peer FROM conversations WHERE number = ?1")
        let cursor = try CursorTable.select(connection)
        let groupReaders = try GroupReaders(connection)
        let accountName = try connection.prepare("SELECT name FROM accounts WHERE id = ?1")
        let accounts = try AccountReader(connection)
        let events = try EventStatements(connection)
        let search = try SearchStatements(connection)
        let ownGroups = try connection.prepare(
            """
            SELECT group_id, name, role FROM members JOIN groups ON id = group_id
            WHERE user = ?1 AND group_id > ?2 ORDER BY group_id LIMIT ?3
            """)
        self.contacts = contacts
        self.held = held
        self.erased = erased
        self.retentionMilliseconds = options.retentionMilliseconds
        inboxMembersMax = options.inboxMembersMax
        self.snapshot = snapshot
        self.runs = runs
        self.positions = positions
        self.user = user
        self.userName = userName
        self.device = device
        self.conversation = conversation
        self.message = message
        self.messageBytes = messageBytes
        self.group = group
        self.members = members
        self.edits = edits
        self.firstVersion = firstVersion
        self.member = member
        self.conversationUsers = conversationUsers
        self.cursor = cursor
        self.groupReaders = groupReaders
        self.accountName = accountName
        self.accounts = accounts
        self.events = events
        self.search = search
        self.ownGroups = ownGroups
    }

    /// Reads a page.
    ///
    /// - Parameter now: what is older than the retention is left out of an inbox; milliseconds since the Unix epoch.
    package mutating func read(_ query: ReadQuery, now: UInt64) throws(SQLiteError) -> Page {
        try inSnapshot { (reader) throws(SQLiteError) in try reader.page(query, now: now) }
    }

    /// Lets all that `body` asks for be of one state of the database.
    mutating func inSnapshot<Answer>(
        _ body: (inout Reader) throws(SQLiteError) -> Answer
    ) throws(SQLiteError) -> Answer {
        positions.begin()
        try snapshot.begin()
        do {
            let answer = try body(&self)
            try snapshot.end()
            return answer
        } catch {
            snapshot.abandon()
            throw error
        }
    }

    private mutating func page(_ query: ReadQuery, now: UInt64) throws(SQLiteError) -> Page {
        switch query {
        case .inbox(let name, let after, let limit):
            guard let user = try number(of: name) else { return empty(through: after) }
            return try inbox(of: user, name, after: after, limit: limit, now: now)
        case .unconfirmed(let name, let deviceName, let limit):
            guard let user = try number(of: name) else { return empty(through: 0) }
            let floor = try positions.user(user, .floor)
            let confirmed = try confirmed(by: deviceName, user: user) ?? floor
            return try inbox(of: user, name, after: confirmed, limit: limit, now: now)
        case .history(let key, let range, let limit, let viewer):
            guard let conversation = try number(of: key) else { return empty(through: 0) }
            var view = HistoryView()
            if let viewer {
                let viewerNumber = try number(of: viewer)
                view.hidden = try held.messages(in: conversation, hiddenFrom: viewerNumber)
                if case .privately = key { view.begin = try erased.lastID(of: viewerNumber) }
            }
            return try history(of: conversation, range, limit: limit, view)
        case .edits(let message, let after, let limit):
            return try edits(of: message, after: after, limit: limit)
        }
    }

    /// When the users were last online; only those who ever were.
    package mutating func lastSeen(_ users: [Identifier]) throws(SQLiteError) -> [Identifier: UInt64] {
        var times: [Identifier: UInt64] = [:]
        for name in users {
            guard let number = try number(of: name) else { continue }
            positions.begin()
            let time = try positions.user(number, .seen)
            if time > 0 { times[name] = time }
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
        return Group(
            id: id, name: group.text(0), version: group.unsigned(1), members: found, inboxMembersMax: inboxMembersMax)
    }

    /// The groups of a member behind `after`, in the order of their ids.
    package func groups(of user: Identifier, after: Identifier?, limit: Int) throws(SQLiteError) -> [OwnGroup] {
        defer { ownGroups.reset() }
        ownGroups.bindCopy(1, user.description)
        ownGroups.bindCopy(2, after?.description ?? "")
        ownGroups.bind(3, limit)
        var found: [OwnGroup] = []
        while try ownGroups.step() {
            guard let id = Identifier(ownGroups.text(0)), let role = GroupRole(rawValue: ownGroups.text(2)) else {
                throw SQLiteError(corrupt: "switchboard.db: \(user) has a group or role that isn't valid")
            }
            found.append(OwnGroup(id: id, name: ownGroups.text(1), role: role))
        }
        return found
    }

    // MARK: Pages

    private func empty(through: UInt64) -> Page { Page(arena: RecordArena(capacity: 0), more: false, through: through) }

    private func clamp(_ limit: Int) -> Int { min(max(limit, 1), Limits.pageEntriesMax) }

    /// SQLite's integers are signed, and so is every number of ours.
    private func clamp(_ position: UInt64) -> UInt64 { min(position, UInt64(Int64.max)) }

    /// A page without more speaks for all up to the inbox's head, also where confirmed entries are gone.
    private mutating func inbox(
        of user: UInt64, _ name: Identifier, after: UInt64, limit: Int, now: UInt64
    ) throws(SQLiteError) -> Page {
        let head = try positions.user(user, .head)
        let first = max(clamp(after), try positions.user(user, .floor))
        let filter = RunFilter(now: now, retentionMilliseconds: retentionMilliseconds)
        var page = PageBuilder(limit: clamp(limit), through: after, owner: name)
        if first < head {
            try runs.forward(.inbox, owner: user, after: first) { (seq, id) throws(SQLiteError) in
                guard id >= filter.firstInboxID else { return true }
                return try append(id, seq: seq, place: seq, to: &page)
            }
        }
        if !page.more { page.through = max(page.through, head) }
        return page.finish()
    }

    /// What of a conversation one of its users sees.
    private struct HistoryView {
        /// The ids of messages that are held back, and their places.
        var hidden: [UInt64: UInt64] = [:]
        /// Messages up to this one were there before the user's id was given anew; 0: it never was.
        var begin: UInt64 = 0
    }

    private func history(
        of conversation: UInt64, _ range: HistoryRange, limit: Int, _ view: HistoryView
    ) throws(SQLiteError) -> Page {
        let limit = clamp(limit)
        let end: UInt64
        switch range {
        case .after(let after):
            var page = PageBuilder(limit: limit, through: clamp(after))
            try runs.forward(.history, owner: conversation, after: clamp(after)) { (cseq, value) throws(SQLiteError) in
                let id = HistoryValue.id(value)
                guard id > view.begin, view.hidden[id] == nil else { return true }
                return try append(id, seq: 0, place: cseq, to: &page)
            }
            return page.finish()
        case .newest: end = UInt64(Int64.max)
        case .before(let before): end = clamp(before)
        }
        // Oldest first within the page, but counted from the newest: find where the page begins.
        var found: [(cseq: UInt64, id: UInt64)] = []
        var bytes = 0
        var more = false
        try runs.backward(.history, owner: conversation, before: end) { (cseq, value) throws(SQLiteError) in
            let id = HistoryValue.id(value)
            guard id > view.begin else { return false }
            guard view.hidden[id] == nil else { return true }
            bytes += try size(of: id)
            more = found.count == limit || (!found.isEmpty && bytes > Reader.pageBytesMax)
            if !more { found.append((cseq, id)) }
            return !more
        }
        guard !found.isEmpty else { return empty(through: 0) }
        // It was measured and is not cut again: its newest messages are those that were asked for.
        var page = PageBuilder(limit: limit, through: 0, bytesMax: .max)
        for (cseq, id) in found.reversed() { _ = try append(id, seq: 0, place: cseq, to: &page) }
        page.more = more
        return page.finish()
    }

    private func edits(of id: UInt64, after: UInt64, limit: Int) throws(SQLiteError) -> Page {
        defer { edits.reset() }
        edits.bind(1, id)
        edits.bind(2, clamp(after))
        var page = PageBuilder(limit: clamp(limit), through: after)
        while try edits.step() {
            let body = edits.bytes(3)
            let isFull = !page.arena.isEmpty && page.arena.byteCount + body.count > page.bytesMax
            if page.arena.entries.count == page.limit || isFull {
                page.more = true
                break
            }
            let made = edits.unsigned(0)
            let editor = try name(of: edits.unsigned(1), &page.names)
            let head = MessageHead(
                command: 10, content: UInt8(truncatingIfNeeded: edits.integer(2)), sender: editor, destination: editor)
            page.arena.appendStored(
                .message, head, cid: RawSpan(), body: RawSpan(_unsafeBytes: body), id: made, cseq: 0, seq: 0,
                time: MessageID.time(made))
            page.through = made
        }
        return page.finish()
    }

    /// What a page is made of while it grows.
    struct PageBuilder {
        let arena = RecordArena()
        let limit: Int
        var through: UInt64
        /// Whose inbox it is a page of.
        var owner: Identifier?
        var bytesMax = Reader.pageBytesMax
        var more = false
        var names: [UInt64: Identifier] = [:]

        func finish() -> Page { Page(arena: arena, more: more, through: through) }
    }

    func size(of id: UInt64) throws(SQLiteError) -> Int {
        defer { messageBytes.reset() }
        messageBytes.bind(1, id)
        return try messageBytes.step() ? messageBytes.integer(0) : 0
    }

    /// Adds a message to a page; false if the page was full already.
    func append(
        _ id: UInt64, seq: UInt64, place: UInt64, to page: inout PageBuilder
    ) throws(SQLiteError) -> Bool {
        defer { message.reset() }
        message.bind(1, id)
        guard try message.step() else { throw SQLiteError(corrupt: "switchboard.db: message \(id) is missing") }
        let body = message.bytes(5)
        let isFull = !page.arena.isEmpty && page.arena.byteCount + body.count > page.bytesMax
        if page.arena.entries.count == page.limit || isFull {
            page.more = true
            return false
        }
        let senderNumber = message.unsigned(1)
        let head = MessageHead(
            command: UInt8(truncatingIfNeeded: message.integer(2)),
            content: UInt8(truncatingIfNeeded: message.integer(3)), sender: try name(of: senderNumber, &page.names),
            destination: try destination(message, senderNumber, &page.names))
        guard let kind = RecordKind(rawValue: UInt8(truncatingIfNeeded: message.integer(8))), kind.isEntry else {
            throw SQLiteError(corrupt: "switchboard.db: message \(id) is of no known kind")
        }
        let cid = RawSpan(_unsafeBytes: message.bytes(4))
        if kind == .message, let sent = try asSent(id, head, to: page.owner) {
            var head = head
            head.content = sent.content
            page.arena.appendStored(
                kind, head, cid: cid, body: sent.body.span.bytes, id: id, cseq: message.unsigned(0), seq: seq,
                time: MessageID.time(id))
        } else {
            page.arena.appendStored(
                kind, head, cid: cid, body: RawSpan(_unsafeBytes: body), id: id, cseq: message.unsigned(0), seq: seq,
                time: MessageID.time(id))
        }
        page.through = place
        return true
    }

    /// What the inbox has of a message for who has left its group: the message as it was sent, and nothing of what it
    /// was changed to; nil if it is as it was, or the owner may see all.
    private func asSent(
        _ id: UInt64, _ head: MessageHead, to owner: Identifier?
    ) throws(SQLiteError) -> (content: UInt8, body: [UInt8])? {
        guard let owner, head.command == RecordView.groupCommand else { return nil }
        firstVersion.bind(1, id)
        defer { firstVersion.reset() }
        guard try firstVersion.step() else { return nil }
        member.bindCopy(1, head.destination.description)
        member.bindCopy(2, owner.description)
        defer { member.reset() }
        guard try !member.step() else { return nil }
        return (UInt8(truncatingIfNeeded: firstVersion.integer(0)), Array(firstVersion.bytes(1)))
    }

    private func destination(
        _ rows: borrowing Statement, _ sender: UInt64, _ names: inout [UInt64: Identifier]
    ) throws(SQLiteError) -> Identifier {
        if rows.isText(7) {
            guard let group = Identifier(rows.text(7)) else {
                throw SQLiteError(corrupt: "switchboard.db: a conversation has no valid group")
            }
            return group
        }
        guard rows.integer(2) > 0 else { return try name(of: sender, &names) }
        let owner = rows.unsigned(6)
        return try name(of: owner == sender ? rows.unsigned(7) : owner, &names)
    }

    // MARK: Names and numbers

    func name(
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

    func number(of name: Identifier) throws(SQLiteError) -> UInt64? {
        defer { user.reset() }
        user.bindCopy(1, name.description)
        return try user.step() ? user.unsigned(0) : nil
    }

    private func confirmed(by name: Identifier, user number: UInt64) throws(SQLiteError) -> UInt64? {
        defer { device.reset() }
        device.bind(1, number)
        device.bindCopy(2, name.description)
        return try device.step() ? device.unsigned(0) : nil
    }

    func number(of key: ConversationKey) throws(SQLiteError) -> UInt64? {
        defer { conversation.reset() }
        switch key {
        case .group(let group):
            conversation.bind(1, 0)
            conversation.bindCopy(2, group.description)
        case .privately(let one, let other):
            guard let first = try number(of: one), let second = try number(of: other) else { return nil }
            conversation.bind(1, min(first, second))
            conversation.bind(2, max(first, second))
        }
        return try conversation.step() ? conversation.unsigned(0) : nil
    }
}
