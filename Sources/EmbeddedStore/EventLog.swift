internal import Store

/// How events are kept.
package struct EventOptions: Sendable {
    /// How long they are kept.
    package var retentionMilliseconds: UInt64
    /// Whether none goes before it was delivered.
    package var waitsForDelivery: Bool

    package init(retentionMilliseconds: UInt64, waitsForDelivery: Bool) {
        self.retentionMilliseconds = retentionMilliseconds
        self.waitsForDelivery = waitsForDelivery
    }
}

/// What happened, as a row of the table `events`: a few numbers; what a message says is in `messages` alone.
struct EventRow {
    enum Kind: Int {
        /// `subject` is the id of a message or a notice.
        case entry = 1
        /// `subject` is the number of a user.
        case connect = 2
        case disconnect = 3
        case start = 4
    }

    var kind: Kind
    var subject: UInt64
    var time: UInt64

    /// The event that a folded record is; nil for those that are none.
    init?(_ record: RecordView) {
        // It happened to a group; a mark tells one of its members.
        if record.has(.isMark) { return nil }
        switch record.kind {
        case .message, .notice, .edit, .recall: self.init(kind: .entry, subject: record.id, time: record.time)
        case .came: self.init(kind: .connect, subject: record.senderNumber, time: record.time)
        case .seen: self.init(kind: .disconnect, subject: record.senderNumber, time: record.time)
        // A message that is released was an event when it was stored.
        case .confirm, .read, .release, nil: return nil
        }
    }

    init(kind: Kind, subject: UInt64, time: UInt64) {
        self.kind = kind
        self.subject = subject
        self.time = time
    }
}

/// Writes events within the transactions of folds, so that what is folded is an event, once.
///
/// The newest event is never deleted: the next number follows from it. *Thread:* that of the fold.
struct EventLog: ~Copyable {
    static let deliveredKey = "events_delivered"

    /// nil: events are off, and nothing is written.
    private let options: EventOptions?
    private let insert: Statement
    private let newest: Statement
    private let oldest: Statement
    private let delivered: Statement
    private let trim: Statement

    /// Rows that one fold looks at, at least, to delete old ones; a fold that writes more looks at twice as many.
    private static let trimmedRows = 1_024

    init(_ connection: borrowing Connection, _ options: EventOptions?) throws(SQLiteError) {
        let insert = try connection.prepare("INSERT INTO events VALUES(?1, ?2, ?3, ?4)")
        let newest = try connection.prepare("SELECT max(n) FROM events")
        let oldest = try connection.prepare("SELECT time FROM events ORDER BY n LIMIT 1")
        let delivered = try connection.prepare("SELECT value FROM meta WHERE key = '\(EventLog.deliveredKey)'")
        let trim = try connection.prepare(
            """
            DELETE FROM events
            WHERE n IN (SELECT n FROM events WHERE n <= ?1 ORDER BY n LIMIT ?2) AND time < ?3
            """)
        self.options = options
        self.insert = insert
        self.newest = newest
        self.oldest = oldest
        self.delivered = delivered
        self.trim = trim
    }

    /// Adds events, and deletes old ones.
    func write(_ events: [EventRow], now: UInt64) throws(SQLiteError) {
        guard let options else { return }
        var last = try number(newest)
        for event in events {
            last += 1
            insert.bind(1, last)
            insert.bind(2, event.kind.rawValue)
            insert.bind(3, event.subject)
            insert.bind(4, event.time)
            try insert.run()
        }
        guard last > 1, now > options.retentionMilliseconds else { return }
        let expired = now - options.retentionMilliseconds
        guard try number(oldest) < expired else { return }
        trim.bind(1, options.waitsForDelivery ? min(try number(delivered), last - 1) : last - 1)
        trim.bind(2, max(EventLog.trimmedRows, events.count * 2))
        trim.bind(3, expired)
        try trim.run()
    }

    /// The first column of the first row; 0 without a row.
    private func number(_ statement: borrowing Statement) throws(SQLiteError) -> UInt64 {
        defer { statement.reset() }
        return try statement.step() ? statement.unsigned(0) : 0
    }
}

/// Notes up to where events were delivered, within a transaction of the directory. *Thread:* that of the fold.
struct EventDelivery: ~Copyable {
    private let raise: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let raise = try connection.prepare(
            """
            INSERT INTO meta VALUES('\(EventLog.deliveredKey)', ?1)
            ON CONFLICT DO UPDATE SET value = max(value, excluded.value)
            """)
        self.raise = raise
    }

    func note(through number: UInt64) throws(SQLiteError) {
        raise.bind(1, number)
        try raise.run()
    }
}
