internal import Base
package import Store

/// What a fold keeps to, besides the batches.
package struct FoldOptions: Sendable {
    /// How long an inbox entry waits for its devices.
    package var retentionMilliseconds: UInt64 = 90 * 24 * 3_600 * 1_000
    /// How far the WAL grows before its pages are moved. A page that several folds change is moved once.
    package var checkpointBytes = 256 << 20

    package init() {}
}

/// Puts committed batches where they can be asked for: `switchboard.db`, sorted by key, in one transaction with the
/// position up to where this was done, so that each batch is folded exactly once whatever happens.
///
/// *Thread:* one at a time.
package struct Fold: ~Copyable {
    /// Number of the last batch in the index; durable.
    package private(set) var position: UInt64
    private let connection: Connection
    private let statements: FoldStatements
    private var gathered = GatheredChanges()
    private var lastID: UInt64
    private var sweep = RetentionSweep()
    private let options: FoldOptions
    private var bytesSinceCheckpoint = 0

    /// Takes over a connection to the index and brings its schema up to date.
    package init(_ connection: consuming Connection, options: FoldOptions = FoldOptions()) throws(SQLiteError) {
        try Schema.index.migrate(connection, file: "switchboard.db")
        let statements = try FoldStatements(connection)
        let position = try connection.integer("SELECT value FROM meta WHERE key = 'position'") ?? 0
        let lastID = try connection.integer("SELECT value FROM meta WHERE key = 'last_id'") ?? 0
        self.position = UInt64(position)
        self.lastID = UInt64(lastID)
        self.connection = connection
        self.statements = statements
        self.options = options
    }

    /// Changes a group on this connection; durable when it returns.
    package func perform(_ command: GroupCommand, _ groups: borrowing Groups) -> Result<Group, StoreError> {
        groups.perform(command, on: connection)
    }

    /// Calls `body` with the connection, for whoever prepares statements on it.
    package func withConnection<Result: ~Copyable>(
        _ body: (borrowing Connection) throws(SQLiteError) -> Result
    ) throws(SQLiteError) -> Result {
        try body(connection)
    }

    /// Folds batches that follow the position, in order. On an error nothing has changed.
    package mutating func fold(_ batches: [CommittedBatch], now: UInt64) throws(SQLiteError) {
        guard let last = batches.last, last.number > position else { return }
        gathered.removeAll()
        for batch in batches where batch.number > position { gathered.gather(batch.arena) }
        gathered.sort()
        try connection.execute("BEGIN IMMEDIATE")
        do {
            try write(now: now)
            try statements.setMeta("position", last.number)
            try statements.setMeta("last_id", max(lastID, gathered.lastID))
            try connection.execute("COMMIT")
        } catch {
            connection.rollBack()
            throw error
        }
        position = last.number
        lastID = max(lastID, gathered.lastID)
        bytesSinceCheckpoint += batches.reduce(0) { $0 + $1.arena.byteCount }
        gathered.removeAll()
    }

    /// Moves the WAL's pages into the database when there are enough.
    package mutating func checkpointIfDue() throws(SQLiteError) {
        guard bytesSinceCheckpoint >= options.checkpointBytes else { return }
        try connection.checkpoint()
        bytesSinceCheckpoint = 0
    }

    /// Empties the WAL, at the end.
    package mutating func finish() throws(SQLiteError) { try connection.checkpoint(truncating: true) }

    // MARK: One transaction

    private mutating func write(now: UInt64) throws(SQLiteError) {
        for record in gathered.introductions { try introduce(record) }
        try writeMessages()
        try writeInboxes()
        try writeSent(now: now)
        try writePositions()
        try sweep.run(statements, before: now > options.retentionMilliseconds ? now - options.retentionMilliseconds : 0)
    }

    private func introduce(_ record: RecordView) throws(SQLiteError) {
        try statements.addUser(record.senderNumber, record.sender)
        try record.forEachRecipient { (index, name) throws(SQLiteError) in
            try statements.addUser(record.placement(index).user, name)
        }
        guard record.kind == .message else { return }
        if record.command == RecordView.groupCommand {
            try statements.addConversation(record.conversationNumber, group: record.destination)
            return
        }
        try statements.addUser(record.destinationNumber, record.destination)
        try statements.addConversation(record.conversationNumber, record.senderNumber, record.destinationNumber)
    }

    private mutating func writeMessages() throws(SQLiteError) {
        for (index, key) in gathered.messages.enumerated() {
            if index % GatheredChanges.warmMessages == 0 { gathered.warmMessages(from: index) }
            let record = key.record
            statements.message.bind(1, key.first)
            statements.message.bind(2, key.second)
            statements.message.bind(3, record.id)
            statements.message.bind(4, record.senderNumber)
            statements.message.bind(5, Int(record.command))
            statements.message.bind(6, Int(record.content))
            statements.message.bind(7, blob: record.unsafeCid)
            statements.message.bind(8, blob: record.unsafeBody)
            try statements.message.run()
        }
    }

    /// Inserts the entries that some device still waits for, and each inbox's new head.
    private func writeInboxes() throws(SQLiteError) {
        var index = 0
        while index < gathered.entries.count {
            let user = gathered.entries[index].user
            let floor = gathered.floors[user] ?? 0
            var head: UInt64 = 0
            while index < gathered.entries.count, gathered.entries[index].user == user {
                let entry = gathered.entries[index]
                head = entry.seq
                index += 1
                guard head > floor else { continue }
                statements.entry.bind(1, user)
                statements.entry.bind(2, head)
                statements.entry.bind(3, entry.conversation)
                statements.entry.bind(4, entry.cseq)
                try statements.entry.run()
            }
            statements.head.bind(1, user)
            statements.head.bind(2, head)
            try statements.head.run()
        }
    }

    private func writeSent(now: UInt64) throws(SQLiteError) {
        for row in gathered.sent {
            statements.sent.bind(1, SentHours.hour(MessageID.time(row.entry.id)))
            statements.sent.bind(2, row.user)
            statements.sent.bind(3, row.entry.id)
            statements.sent.bind(4, row.hash)
            statements.sent.bind(5, row.entry.cseq)
            statements.sent.bind(6, row.entry.seq)
            try statements.sent.run()
        }
        // Bounded by what came in, so that no fold stands still for a day's rows.
        statements.oldSent.bind(1, SentHours.first(now: now))
        statements.oldSent.bind(2, 1_000 + gathered.sent.count * 4)
        try statements.oldSent.run()
    }

    private func writePositions() throws(SQLiteError) {
        for record in gathered.confirms {
            statements.device.bind(1, record.senderNumber)
            statements.device.bind(2, text: record.unsafeDestination)
            statements.device.bind(3, record.cseq)
            try statements.device.run()
        }
        for (user, floor) in gathered.floors.sorted(by: { $0.key < $1.key }) {
            statements.floor.bind(1, user)
            statements.floor.bind(2, floor)
            try statements.floor.run()
            statements.confirmed.bind(1, user)
            statements.confirmed.bind(2, floor)
            try statements.confirmed.run()
        }
        for (user, time) in gathered.seen.sorted(by: { $0.key < $1.key }) {
            statements.seen.bind(1, user)
            statements.seen.bind(2, time)
            try statements.seen.run()
        }
        for record in gathered.reads {
            statements.cursor.bind(1, record.senderNumber)
            statements.cursor.bind(2, record.conversationNumber)
            statements.cursor.bind(3, record.cseq)
            try statements.cursor.run()
        }
    }
}

/// Deletes inbox entries that outlived the retention, a few users at a time, in turns.
private struct RetentionSweep {
    private var user: UInt64 = 0
    private static let usersPerFold = 64
    private static let rowsPerUser = 1_000

    mutating func run(_ statements: borrowing FoldStatements, before time: UInt64) throws(SQLiteError) {
        for _ in 0..<RetentionSweep.usersPerFold {
            guard let next = try statements.nextUserWithEntries(after: user) else {
                user = 0
                return
            }
            user = next
            try statements.deleteEntries(of: user, before: time, limit: RetentionSweep.rowsPerUser)
        }
    }
}
