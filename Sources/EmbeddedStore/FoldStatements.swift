internal import Base

/// The statements of a fold.
struct FoldStatements: ~Copyable {
    let message: Statement
    let device: Statement
    private let user: Statement
    private let conversation: Statement
    private let meta: Statement
    private let notice: Statement
    private let historyOnly: Statement
    private let mark: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let message = try connection.prepare("INSERT INTO messages VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
        let device = try connection.prepare(
            """
            INSERT INTO devices VALUES(?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET confirmed = max(confirmed, excluded.confirmed)
            """)
        let user = try connection.prepare("INSERT OR IGNORE INTO users VALUES(?1, ?2)")
        let conversation = try connection.prepare("INSERT OR IGNORE INTO conversations VALUES(?1, ?2, ?3)")
        let meta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES(?1, ?2)")
        let notice = try connection.prepare("DELETE FROM pending WHERE id = ?1")
        let historyOnly = try connection.prepare(
            "INSERT INTO history_only VALUES(?1, ?2) ON CONFLICT DO UPDATE SET cseq = max(cseq, excluded.cseq)")
        let mark = try connection.prepare(
            "INSERT INTO marks VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET cseq = max(cseq, excluded.cseq)")
        self.message = message
        self.device = device
        self.user = user
        self.conversation = conversation
        self.meta = meta
        self.notice = notice
        self.historyOnly = historyOnly
        self.mark = mark
    }

    /// Raises the last message of a conversation that lies in its history only.
    func raiseHistoryOnly(_ conversation: UInt64, to cseq: UInt64) throws(SQLiteError) {
        historyOnly.bind(1, conversation)
        historyOnly.bind(2, cseq)
        try historyOnly.run()
    }

    /// Raises up to where a user's inbox tells of a conversation.
    func raiseMark(of user: UInt64, in conversation: UInt64, to cseq: UInt64) throws(SQLiteError) {
        mark.bind(1, user)
        mark.bind(2, conversation)
        mark.bind(3, cseq)
        try mark.run()
    }

    /// Forgets a notice or a release that is in the inboxes now.
    func deletePending(_ number: UInt64) throws(SQLiteError) {
        notice.bind(1, number)
        try notice.run()
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
}
