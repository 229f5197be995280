package import Base
package import Store

/// Reads all that the store holds about one user, page by page.
///
/// *Thread:* one at a time. *Ownership:* of a stopped router's directory it holds the lock.
package struct UserArchive: ~Copyable {
    package let user: Identifier
    /// Whether a router has the directory open: what it took in the last seconds may be missing.
    package let isLive: Bool
    /// Held while the archive is read; nil next to a router.
    private let directory: DataDirectory?
    private var reader: Reader
    private let connection: Connection
    private let number: UInt64?
    /// The last message before the id was given anew; nothing up to there is this user's.
    private let begin: UInt64

    private static let pageRows = 500

    /// Opens the archive of a user; ``isKnown()`` tells whether there is anything in it.
    package init(of user: Identifier, in path: String, inboxMembersMax: Int) throws(StoreOpenError) {
        try StoppedStore.requireStore(path)
        let isLive = DataDirectory.isInUse(path)
        let directory = isLive ? nil : try StoppedStore.open(path, inboxMembersMax: inboxMembersMax)
        let source = try Source.open(path, user)
        self.user = user
        self.isLive = isLive
        self.directory = directory
        number = source.number
        begin = source.begin
        connection = source.connection
        reader = source.reader
    }

    private struct Source: ~Copyable {
        let connection: Connection
        let reader: Reader
        let number: UInt64?
        let begin: UInt64

        init(_ path: String, _ user: Identifier) throws(SQLiteError) {
            let connection = try Connection(
                path: path + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
            var options = FoldOptions()
            // What is there is told, however old it is.
            options.retentionMilliseconds = .max
            let reader = try Reader(connection, options: options)
            let number = try reader.number(of: user)
            let begin = try reader.erased.lastID(of: number)
            self.connection = connection
            self.reader = reader
            self.number = number
            self.begin = begin
        }

        static func open(_ path: String, _ user: Identifier) throws(StoreOpenError) -> Source {
            do {
                return try Source(path, user)
            } catch {
                throw StoreOpenError(
                    "can't read the store in \(path): \(error.description). If a router has it open, stop that first")
            }
        }
    }

    /// Whether anything is known of the user's id.
    package mutating func isKnown() throws(SQLiteError) -> Bool {
        if try account() != nil { return true }
        let (contacts, blocks, groups) = (try contacts(), try blocks(), try groups(after: nil))
        guard contacts.isEmpty, blocks.isEmpty, groups.isEmpty else { return true }
        guard let number else { return false }
        guard begin > 0 else { return true }
        reader.positions.begin()
        let head = try reader.positions.user(number, .head)
        if head > (try reader.positions.user(number, .floor)) { return true }
        return try !conversations(after: 0).isEmpty
    }

    // MARK: Who

    /// The account and when it was made, milliseconds since the Unix epoch; nil without one.
    package func account() throws(SQLiteError) -> (account: Account, created: UInt64)? {
        let row = try connection.prepare("SELECT id, name, email, created FROM accounts WHERE id = ?1")
        row.bindCopy(1, user.description)
        guard try row.step() else { return nil }
        return (Account(id: user, name: row.text(1), email: row.text(2)), row.unsigned(3))
    }

    /// When the user was last online, milliseconds since the Unix epoch; nil for never.
    package mutating func lastSeen() throws(SQLiteError) -> UInt64? { try reader.lastSeen([user])[user] }

    /// Contacts and requests.
    package func contacts() throws(SQLiteError) -> [Contact] { try reader.contacts.contacts(of: user) }

    /// Whom the user has blocked.
    package func blocks() throws(SQLiteError) -> [Identifier] { try reader.contacts.blocks(by: user) }

    /// The next of the user's groups.
    package func groups(after group: Identifier?) throws(SQLiteError) -> [OwnGroup] {
        try reader.groups(of: user, after: group, limit: UserArchive.pageRows)
    }

    /// The user's devices, and up to where each has confirmed.
    package func devices() throws(SQLiteError) -> [(device: String, confirmed: UInt64)] {
        let rows = try connection.prepare("SELECT device, confirmed FROM devices WHERE user = ?1 ORDER BY device")
        rows.bind(1, number ?? 0)
        var found: [(device: String, confirmed: UInt64)] = []
        while try rows.step() { found.append((rows.text(0), rows.unsigned(1))) }
        return found
    }

    // MARK: Messages

    /// One of the user's conversations.
    package struct Conversation: Sendable {
        /// What the next page begins after.
        package var number: UInt64
        package var item: ChatList.Item
    }

    /// The next of the user's private conversations, and of the groups in which the user is.
    package mutating func conversations(after last: UInt64) throws(SQLiteError) -> [Conversation] {
        let rows = try connection.prepare(
            """
            SELECT number, owner, peer FROM conversations WHERE number > ?3 AND (
                owner = ?2 OR peer = ?2
                OR (owner = 0 AND EXISTS (SELECT 1 FROM members WHERE group_id = peer AND user = ?1)))
            ORDER BY number
            """)
        rows.bindCopy(1, user.description)
        rows.bind(2, number ?? 0)
        rows.bind(3, last)
        var found: [Conversation] = []
        while found.count < UserArchive.pageRows, try rows.step() {
            let owner = rows.unsigned(1)
            let who: Reader.Chat.Who
            if rows.isText(2) {
                guard let group = Identifier(rows.text(2)) else { continue }
                who = .group(group)
            } else {
                who = .other(owner == number ? rows.unsigned(2) : owner)
            }
            if let item = try item(rows.unsigned(0), who) {
                found.append(Conversation(number: rows.unsigned(0), item: item))
            }
        }
        return found
    }

    private mutating func item(
        _ conversation: UInt64, _ who: Reader.Chat.Who
    ) throws(SQLiteError) -> ChatList.Item? {
        reader.positions.begin()
        let last = try reader.positions.conversation(conversation).lastID
        if case .other = who { guard last > begin else { return nil } }
        guard last > 0 else { return nil }
        var page = Reader.PageBuilder(limit: .max, through: 0)
        let chat = Reader.Chat(number: conversation, place: last, who: who)
        return try reader.item(chat, of: number ?? 0, user, &page, needsLast: false)
    }

    /// The next entries of the inbox.
    package mutating func inbox(after seq: UInt64) throws(SQLiteError) -> Page {
        try reader.read(.inbox(user: user, after: seq, limit: Limits.pageEntriesMax), now: 0)
    }

    /// The next messages of a conversation, as the user sees them.
    package mutating func history(of key: ConversationKey, after cseq: UInt64) throws(SQLiteError) -> Page {
        try reader.read(.history(key, .after(cseq), limit: Limits.pageEntriesMax, viewer: user), now: 0)
    }

    /// The next messages that the user sent to groups and isn't a member of any more.
    package func sentElsewhere(after id: UInt64) throws(SQLiteError) -> Page {
        let rows = try connection.prepare(
            """
            SELECT m.id FROM messages m CROSS JOIN conversations c ON c.number = m.conversation
            WHERE m.sender = ?2 AND m.id > ?3 AND m.kind = \(RecordKind.message.rawValue) AND c.owner = 0
                AND NOT EXISTS (SELECT 1 FROM members WHERE group_id = c.peer AND user = ?1)
            ORDER BY m.id
            """)
        rows.bindCopy(1, user.description)
        rows.bind(2, number ?? 0)
        rows.bind(3, max(id, begin))
        var page = Reader.PageBuilder(limit: UserArchive.pageRows, through: id, owner: user)
        while try rows.step() {
            guard try reader.append(rows.unsigned(0), seq: 0, place: rows.unsigned(0), to: &page) else { break }
        }
        return page.finish()
    }

    /// The next of the user's messages that were edited.
    package func edited(after id: UInt64) throws(SQLiteError) -> Page {
        let rows = try connection.prepare(
            """
            SELECT DISTINCT message FROM edits CROSS JOIN messages ON id = message
            WHERE sender = ?1 AND message > ?2 ORDER BY message
            """)
        rows.bind(1, number ?? 0)
        rows.bind(2, max(id, begin))
        var page = Reader.PageBuilder(limit: UserArchive.pageRows, through: id, owner: user)
        while try rows.step() {
            guard try reader.append(rows.unsigned(0), seq: 0, place: rows.unsigned(0), to: &page) else { break }
        }
        return page.finish()
    }

    /// The next earlier versions of a message.
    package mutating func versions(of message: UInt64, after id: UInt64) throws(SQLiteError) -> Page {
        try reader.read(.edits(message: message, after: id, limit: Limits.pageEntriesMax), now: 0)
    }

    // MARK: Events

    /// An event that the user caused.
    package struct Event: Sendable {
        package var number: UInt64
        package var time: UInt64
        /// `connect`, `disconnect` or `entry`.
        package var kind: String
        /// The id of the message or notification; nil for the others.
        package var message: UInt64?
    }

    /// The next events that the user caused, as far as they are kept.
    package func events(after last: UInt64) throws(SQLiteError) -> [Event] {
        let rows = try connection.prepare(
            """
            SELECT n, events.kind, subject, time FROM events
            LEFT JOIN messages ON events.kind = \(EventRow.Kind.entry.rawValue) AND id = subject
            WHERE n > ?2 AND (sender = ?1 OR (subject = ?1 AND events.kind IN (
                \(EventRow.Kind.connect.rawValue), \(EventRow.Kind.disconnect.rawValue))))
            ORDER BY n LIMIT \(UserArchive.pageRows)
            """)
        rows.bind(1, number ?? 0)
        rows.bind(2, last)
        var found: [Event] = []
        while try rows.step() {
            var event = Event(number: rows.unsigned(0), time: rows.unsigned(3), kind: "entry")
            switch EventRow.Kind(rawValue: rows.integer(1)) {
            case .connect: event.kind = "connect"
            case .disconnect: event.kind = "disconnect"
            case .entry: event.message = rows.unsigned(2)
            case .start, nil: continue
            }
            found.append(event)
        }
        return found
    }
}
