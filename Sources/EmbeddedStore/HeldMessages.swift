internal import Base
internal import Store

/// A held message as it is to be released.
struct HeldMessage {
    var head: MessageHead
    /// Valid, as is ``body``, while the row or the record that it was read from is.
    var cid: RawSpan { RawSpan(_unsafeBytes: cidBytes) }
    var body: RawSpan { RawSpan(_unsafeBytes: bodyBytes) }
    var id: UInt64
    var cseq: UInt64
    private let cidBytes: UnsafeRawBufferPointer
    private let bodyBytes: UnsafeRawBufferPointer

    init(
        _ head: MessageHead, cid: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer, id: UInt64, cseq: UInt64
    ) {
        self.head = head
        self.id = id
        self.cseq = cseq
        cidBytes = cid
        bodyBytes = body
    }
}

/// Messages that wait until their destination takes their sender as a contact: rows of `held`, from the fold of the
/// message to the transaction that accepts.
///
/// Both run on this thread. So a message that was on its way to the index while its sender was accepted finds a contact
/// here and is released at once: none stays behind. *Thread:* that of the fold.
struct HeldMessages: ~Copyable {
    private let contact: Statement
    private let insert: Statement
    private let conversation: Statement
    private let select: Statement
    private let delete: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let contact = try connection.prepare("SELECT state FROM contacts WHERE user = ?1 AND other = ?2")
        let insert = try connection.prepare("INSERT INTO held VALUES(?1, ?2, ?3, ?4)")
        let conversation = try connection.prepare(PrivateConversation.select)
        let select = try connection.prepare(
            """
            SELECT m.id, m.cseq, u.name, m.content, m.cid, m.body
            FROM held h JOIN messages m ON m.id = h.id JOIN users u ON u.number = h.sender
            WHERE h.conversation = ?1 ORDER BY h.cseq
            """)
        let delete = try connection.prepare("DELETE FROM held WHERE conversation = ?1")
        self.contact = contact
        self.insert = insert
        self.conversation = conversation
        self.select = select
        self.delete = delete
    }

    /// Takes up a held message in the fold's transaction.
    func hold(_ record: RecordView, _ pending: inout PendingRecords) throws(SQLiteError) {
        guard try !areContacts(record.destination, record.sender) else {
            let head = MessageHead(
                command: record.command, content: record.content, sender: record.sender,
                destination: record.destination)
            return try pending.add(
                HeldMessage(head, cid: record.unsafeCid, body: record.unsafeBody, id: record.id, cseq: record.cseq))
        }
        insert.bind(1, record.id)
        insert.bind(2, record.conversationNumber)
        insert.bind(3, record.cseq)
        insert.bind(4, record.senderNumber)
        try insert.run()
    }

    /// Releases what two users have sent each other, in its order.
    func release(_ one: Identifier, _ other: Identifier, _ pending: inout PendingRecords) throws(SQLiteError) {
        guard let number = try PrivateConversation.number(one, other, conversation) else { return }
        select.bind(1, number)
        defer { select.reset() }
        while try select.step() {
            guard let sender = Identifier(select.text(2)) else {
                throw SQLiteError(corrupt: "switchboard.db: a held message has no valid sender")
            }
            let head = MessageHead(
                command: 10, content: UInt8(truncatingIfNeeded: select.integer(3)), sender: sender,
                destination: sender == one ? other : one)
            try pending.add(
                HeldMessage(
                    head, cid: select.bytes(4), body: select.bytes(5), id: select.unsigned(0),
                    cseq: select.unsigned(1)))
        }
        delete.bind(1, number)
        try delete.run()
    }

    private func areContacts(_ user: Identifier, _ other: Identifier) throws(SQLiteError) -> Bool {
        contact.bindCopy(1, user.description)
        contact.bindCopy(2, other.description)
        defer { contact.reset() }
        return try contact.step() && ContactState(rawValue: contact.integer(0)) == .contact
    }
}

/// What of a conversation one of its users doesn't see.
struct HeldReader: ~Copyable {
    private let ids: Statement
    private let conversation: Statement
    private let sum: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let ids = try connection.prepare(
            "SELECT id, cseq FROM held WHERE conversation = ?1 AND sender <> ?2")
        let conversation = try connection.prepare(PrivateConversation.select)
        let sum = try connection.prepare(
            """
            SELECT count(*), coalesce(sum(length(m.body)), 0) FROM held h JOIN messages m ON m.id = h.id
            WHERE h.conversation = ?1 AND h.sender = (SELECT number FROM users WHERE name = ?2)
            """)
        self.ids = ids
        self.conversation = conversation
        self.sum = sum
    }

    /// The ids of messages that are held back from a user, and their places; nil: from somebody who was never heard of.
    func messages(in conversation: UInt64, hiddenFrom user: UInt64?) throws(SQLiteError) -> [UInt64: UInt64] {
        ids.bind(1, conversation)
        ids.bind(2, user ?? 0)
        defer { ids.reset() }
        var found: [UInt64: UInt64] = [:]
        while try ids.step() { found[ids.unsigned(0)] = ids.unsigned(1) }
        return found
    }

    /// How much of what a user has sent to another is held.
    func sum(from user: Identifier, to other: Identifier) throws(SQLiteError) -> (messages: Int, bytes: Int) {
        guard let number = try PrivateConversation.number(user, other, conversation) else { return (0, 0) }
        sum.bind(1, number)
        sum.bindCopy(2, user.description)
        defer { sum.reset() }
        return try sum.step() ? (sum.integer(0), sum.integer(1)) : (0, 0)
    }
}

/// The number of the conversation of two users.
enum PrivateConversation {
    /// A statement for ``number(_:_:_:)``.
    static let select = """
        SELECT c.number FROM users a JOIN users b
        JOIN conversations c ON c.owner = min(a.number, b.number) AND c.peer = max(a.number, b.number)
        WHERE a.name = ?1 AND b.name = ?2
        """

    /// nil if they have none.
    static func number(
        _ one: Identifier, _ other: Identifier, _ select: borrowing Statement
    ) throws(SQLiteError) -> UInt64? {
        select.bindCopy(1, one.description)
        select.bindCopy(2, other.description)
        defer { select.reset() }
        return try select.step() ? select.unsigned(0) : nil
    }
}
