internal import Base

/// The statements of a fold.
struct FoldStatements: ~Copyable {
    let message: Statement
    let entry: Statement
    let head: Statement
    let sent: Statement
    let oldSent: Statement
    let device: Statement
    let floor: Statement
    let confirmed: Statement
    let seen: Statement
    let cursor: Statement
    private let user: Statement
    private let conversation: Statement
    private let meta: Statement
    private let nextUser: Statement
    private let oldEntries: Statement
    private let deleteEntries: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let message = try connection.prepare("INSERT INTO messages VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
        let entry = try connection.prepare("INSERT INTO inbox VALUES(?1, ?2, ?3, ?4)")
        let head = try connection.prepare("UPDATE users SET head = ?2 WHERE number = ?1")
        let sent = try connection.prepare("INSERT INTO sent VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
        let oldSent = try connection.prepare(
            """
            DELETE FROM sent WHERE (hour, user, id) IN
            (SELECT hour, user, id FROM sent WHERE hour < ?1 ORDER BY hour, user, id LIMIT ?2)
            """)
        let device = try connection.prepare(
            """
            INSERT INTO devices VALUES(?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET confirmed = max(confirmed, excluded.confirmed)
            """)
        let floor = try connection.prepare("UPDATE users SET floor = max(floor, ?2) WHERE number = ?1")
        let confirmed = try connection.prepare("DELETE FROM inbox WHERE user = ?1 AND seq <= ?2")
        let seen = try connection.prepare("UPDATE users SET seen = max(seen, ?2) WHERE number = ?1")
        let cursor = try connection.prepare(
            "INSERT INTO cursors VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET cseq = max(cseq, excluded.cseq)")
        let user = try connection.prepare("INSERT OR IGNORE INTO users(number, name) VALUES(?1, ?2)")
        let conversation = try connection.prepare("INSERT OR IGNORE INTO conversations VALUES(?1, ?2, ?3)")
        let meta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES(?1, ?2)")
        let nextUser = try connection.prepare("SELECT user FROM inbox WHERE user > ?1 ORDER BY user LIMIT 1")
        let oldEntries = try connection.prepare(
            """
            SELECT i.seq, m.id FROM inbox i CROSS JOIN messages m USING(conversation, cseq)
            WHERE i.user = ?1 ORDER BY i.seq LIMIT ?2
            """)
        let deleteEntries = try connection.prepare("DELETE FROM inbox WHERE user = ?1 AND seq <= ?2")
        self.message = message
        self.entry = entry
        self.head = head
        self.sent = sent
        self.oldSent = oldSent
        self.device = device
        self.floor = floor
        self.confirmed = confirmed
        self.seen = seen
        self.cursor = cursor
        self.user = user
        self.conversation = conversation
        self.meta = meta
        self.nextUser = nextUser
        self.oldEntries = oldEntries
        self.deleteEntries = deleteEntries
    }

    func addUser(_ number: UInt64, _ name: Identifier) throws(SQLiteError) {
        user.bind(1, number)
        user.bindCopy(2, name.description)
        try user.run()
    }

    func addConversation(_ number: UInt64, _ first: UInt64, _ second: UInt64) throws(SQLiteError) {
        conversation.bind(1, number)
        conversation.bind(2, min(first, second))
        conversation.bind(3, max(first, second))
        try conversation.run()
    }

    func addConversation(_ number: UInt64, group: Identifier) throws(SQLiteError) {
        conversation.bind(1, number)
        conversation.bind(2, 0)
        conversation.bindCopy(3, group.description)
        try conversation.run()
    }

    func setMeta(_ key: String, _ value: UInt64) throws(SQLiteError) {
        meta.bindCopy(1, key)
        meta.bind(2, value)
        try meta.run()
    }

    func nextUserWithEntries(after user: UInt64) throws(SQLiteError) -> UInt64? {
        defer { nextUser.reset() }
        nextUser.bind(1, user)
        return try nextUser.step() ? nextUser.unsigned(0) : nil
    }

    /// Deletes a user's entries that are older than `time`, at most `limit` of them.
    func deleteEntries(of user: UInt64, before time: UInt64, limit: Int) throws(SQLiteError) {
        var last: UInt64 = 0
        oldEntries.bind(1, user)
        oldEntries.bind(2, limit)
        while try oldEntries.step(), MessageID.time(oldEntries.unsigned(1)) < time { last = oldEntries.unsigned(0) }
        oldEntries.reset()
        guard last > 0 else { return }
        deleteEntries.bind(1, user)
        deleteEntries.bind(2, last)
        try deleteEntries.run()
    }
}
