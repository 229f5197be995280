internal import Base
internal import Store

/// Ends what an id has: the account and its logins, contacts, memberships, devices and read positions, in the one
/// transaction after which the erasure can't be taken back.
///
/// Those whom it concerns are told by notices, which the router's next start gives them. *Thread:* that of the
/// connection, which nobody else writes to.
struct UserRemoval: ~Copyable {
    private let user: Identifier
    private let connection: Connection
    private let reader: Reader
    private let contacts: ContactReader
    private var positions: Positions
    private var pending: PendingRecords

    init(_ user: Identifier, _ path: String, inboxMembersMax: Int) throws(SQLiteError) {
        let connection = try Connection(path: path, options: ConnectionOptions())
        var options = FoldOptions()
        options.inboxMembersMax = inboxMembersMax
        let reader = try Reader(connection, options: options)
        let contacts = try ContactReader(connection)
        let positions = try Positions(connection)
        let pending = try PendingRecords(connection)
        self.user = user
        self.connection = connection
        self.reader = reader
        self.contacts = contacts
        self.positions = positions
        self.pending = pending
    }

    /// - Parameter loginsExpire: when no login of before is good any more, milliseconds since the Unix epoch.
    mutating func run(loginsExpire: UInt64) throws(SQLiteError) {
        let number = try reader.number(of: user) ?? 0
        pending.begin()
        try connection.execute("BEGIN IMMEDIATE")
        do {
            positions.begin()
            try leaveGroups()
            try endContacts()
            try remember(number, loginsExpire: loginsExpire)
            for sql in UserRemoval.deletions {
                let statement = try connection.prepare(sql)
                statement.bindCopy(1, user.description)
                statement.bind(2, number)
                try statement.run()
            }
            if number > 0 { try readAll(number) }
            try connection.execute("COMMIT")
        } catch {
            connection.rollBack()
            throw error
        }
    }

    /// What goes by the user's id (?1) or number (?2). Others' blocks of the id stay: they are theirs. So do the ends
    /// of logins, or these would be good again.
    private static let deletions = [
        "DELETE FROM accounts WHERE id = ?1",
        "DELETE FROM contacts WHERE user = ?1 OR other = ?1",
        "DELETE FROM user_blocks WHERE user = ?1",
        "DELETE FROM members WHERE user = ?1",
        "DELETE FROM devices WHERE user = ?2",
        "DELETE FROM cursors WHERE user = ?2",
        "DELETE FROM marks WHERE user = ?2",
        // What others' messages wait for won't come. Those of the user stay hidden from whom they were held back.
        """
        DELETE FROM held WHERE sender <> ?2 AND conversation IN (
            SELECT number FROM conversations WHERE owner = ?2 OR peer = ?2)
        """,
    ]

    /// Leaves what a later account of this id and the finishing of the erasure need.
    private mutating func remember(_ number: UInt64, loginsExpire: UInt64) throws(SQLiteError) {
        let put = try connection.prepare(
            """
            INSERT INTO erased VALUES(
                ?1, ?2, 1 + coalesce((SELECT generation FROM accounts WHERE id = ?1), 0), ?3,
                coalesce((SELECT value FROM meta WHERE key = 'last_id'), 0), ?4, 0, 1)
            ON CONFLICT DO UPDATE SET
                user = excluded.user, generation = max(generation + 1, excluded.generation), expires = excluded.expires,
                last_id = excluded.last_id, head = excluded.head, scrubbed = 0, unfinished = 1
            """)
        put.bindCopy(1, user.description)
        put.bind(2, number)
        put.bind(3, loginsExpire)
        put.bind(4, number > 0 ? try positions.user(number, .head) : 0)
        try put.run()
    }

    // MARK: Groups and contacts

    /// Leaves all groups. A group without members goes, but not its id: messages were sent there.
    private mutating func leaveGroups() throws(SQLiteError) {
        for id in try groups() {
            guard let before = try reader.group(id) else { continue }
            let others = before.members.filter { $0.key != user }
            try change("DELETE FROM members WHERE group_id = ?1 AND user = ?2", id, user)
            guard !others.isEmpty else {
                try change("DELETE FROM groups WHERE id = ?1 AND ?2 <> ''", id, user)
                continue
            }
            let heir = before.members[user] == .admin ? UserRemoval.heir(among: others) : nil
            if let heir {
                try change("UPDATE members SET role = 'admin' WHERE group_id = ?1 AND user = ?2", id, heir)
            }
            try change("UPDATE groups SET version = version + 1 WHERE id = ?1 AND ?2 <> ''", id, user)
            guard let group = try reader.group(id) else { continue }
            try tell(GroupNotice(.removed, group, user: user, by: user).notice)
            if let heir { try tell(GroupNotice(.role, group, user: heir, role: .admin, by: user).notice) }
        }
    }

    /// Who becomes admin where none is left: of those who rule most, the one with the first id.
    private static func heir(among members: [Identifier: GroupRole]) -> Identifier? {
        guard !members.values.contains(.admin) else { return nil }
        for role in [GroupRole.moderator, .member, .silent] {
            if let first = members.filter({ $0.value == role }).keys.min() { return first }
        }
        return nil
    }

    private func groups() throws(SQLiteError) -> [Identifier] {
        let rows = try connection.prepare("SELECT group_id FROM members WHERE user = ?1 ORDER BY group_id")
        rows.bindCopy(1, user.description)
        var found: [Identifier] = []
        while try rows.step() { if let id = Identifier(rows.text(0)) { found.append(id) } }
        return found
    }

    /// Tells contacts that they are none any more.
    private mutating func endContacts() throws(SQLiteError) {
        for contact in try contacts.contacts(of: user) where contact.state == .contact && contact.user != user {
            try tell(ContactNotice(.removed, by: user, contact.user).notice(to: [contact.user]))
        }
    }

    /// Writes a notice to all but the user, whose inbox is to be empty.
    private mutating func tell(_ notice: Notice) throws(SQLiteError) {
        var notice = notice
        notice.recipients.removeAll { $0 == user }
        try pending.add(notice)
    }

    private func change(_ sql: String, _ group: Identifier, _ user: Identifier) throws(SQLiteError) {
        let statement = try connection.prepare(sql)
        statement.bindCopy(1, group.description)
        statement.bindCopy(2, user.description)
        try statement.run()
    }

    // MARK: Numbers

    /// Empties the inbox, and sets the user's side of each private conversation to its end: what was said before is
    /// not unread for whoever has the id next. The other side's numbers stay.
    private mutating func readAll(_ number: UInt64) throws(SQLiteError) {
        try positions.clear(user: number)
        let rows = try connection.prepare(
            "SELECT number, owner, peer FROM conversations WHERE owner = ?1 OR peer = ?1 ORDER BY number")
        rows.bind(1, number)
        while try rows.step() {
            let conversation = rows.unsigned(0)
            let other = rows.unsigned(1) == number ? rows.unsigned(2) : rows.unsigned(1)
            let side = ConversationSide(of: number, with: other)
            var numbers = try positions.conversation(conversation)
            numbers[side].cseq = numbers.head
            numbers[side].sentAtCursor = numbers[side].sent
            try positions.put(numbers, ofConversation: conversation)
        }
        try positions.flush()
    }
}
