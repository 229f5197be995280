internal import Base
package import Store

/// What a fold keeps to, besides the batches.
package struct FoldOptions: Sendable {
    /// How long an inbox entry waits for its devices.
    package var retentionMilliseconds: UInt64 = 90 * 24 * 3_600 * 1_000
    /// Bytes of batches after which the WAL's pages are moved. It grows to two or three times as much, and is read
    /// and written once after a crash.
    package var checkpointBytes = 8 << 20
    /// Members up to which a message to a group is written to all their inboxes.
    package var inboxMembersMax = Limits.inboxMembersDefault
    package var runs = RunOptions()
    /// How events are kept; nil: none are written.
    package var events: EventOptions?
    /// How the full-text index is kept; nil: there is none.
    package var search: SearchOptions?

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
    private let changes: MessageChanges
    private let held: HeldMessages
    private var released: PendingRecords
    private var positions: Positions
    private var runs: RunIndex
    private let cursors: Cursors
    private let events: EventLog
    private var search: SearchIndex
    private var gathered: GatheredChanges
    private var lastID: UInt64
    private let options: FoldOptions
    private var bytesSinceCheckpoint = 0

    /// Takes over a connection to the index and brings its schema up to date.
    package init(_ connection: consuming Connection, options: FoldOptions = FoldOptions()) throws(SQLiteError) {
        try Schema.index.migrate(connection, file: "switchboard.db")
        let statements = try FoldStatements(connection)
        let changes = try MessageChanges(connection)
        let held = try HeldMessages(connection)
        let released = try PendingRecords(connection)
        let positions = try Positions(connection)
        let runs = try RunIndex(connection, options.runs)
        let cursors = try Cursors(connection)
        let events = try EventLog(connection, options.events)
        let search = try SearchIndex(connection, options.search)
        let position = try connection.integer("SELECT value FROM meta WHERE key = 'position'") ?? 0
        let lastID = try connection.integer("SELECT value FROM meta WHERE key = 'last_id'") ?? 0
        self.position = UInt64(position)
        self.lastID = UInt64(lastID)
        self.connection = connection
        self.statements = statements
        self.changes = changes
        self.held = held
        self.released = released
        self.positions = positions
        self.runs = runs
        self.cursors = cursors
        self.events = events
        self.search = search
        gathered = GatheredChanges(listsEvents: options.events != nil)
        self.options = options
    }

    /// Makes a change of the directory on this connection; durable when it returns.
    package func perform(
        _ command: DirectoryCommand, _ directory: inout Directory, now: UInt64
    ) -> Result<DirectoryAnswer, StoreError> {
        directory.perform(command, on: connection, now: now)
    }

    /// Notes among the events that the store was opened; durable when it returns.
    package func noteStart(now: UInt64) throws(SQLiteError) {
        guard options.events != nil else { return }
        try connection.transaction { () throws(SQLiteError) in
            try events.write([EventRow(kind: .start, subject: 0, time: now)], now: now)
        }
    }

    /// Whether there are messages that the full-text index hasn't taken.
    package var isSearchBehind: Bool { search.isOn && search.position < lastID }

    /// What the full-text index writes for each byte of text, words and merges together, as a rule of thumb.
    private static let searchBytesFactor = 4

    /// Takes the next messages into the full-text index; a small piece of work.
    package mutating func searchStep() throws(SQLiteError) {
        bytesSinceCheckpoint += try search.step(through: lastID, on: connection) * Fold.searchBytesFactor
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
        released.begin()
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
        released.commit()
        position = last.number
        lastID = max(lastID, gathered.lastID)
        bytesSinceCheckpoint += batches.reduce(0) { $0 + $1.arena.byteCount }
        gathered.removeAll()
    }

    /// Messages that the last fold found held although their sender is a contact by now, once; to be given to the
    /// journal.
    package mutating func takeReleases() -> RecordArena? { released.take() }

    /// Moves the WAL's pages into the database when there are enough.
    package mutating func checkpointIfDue() throws(SQLiteError) {
        guard bytesSinceCheckpoint >= options.checkpointBytes else { return }
        try connection.checkpoint()
        bytesSinceCheckpoint = 0
    }

    /// Gives back what is kept for the next fold.
    mutating func releaseSpareMemory() {
        gathered = GatheredChanges(listsEvents: options.events != nil)
        connection.releaseMemory()
    }

    /// Empties the WAL, at the end.
    package mutating func finish() throws(SQLiteError) {
        try OpenMark.clear(connection)
        try connection.checkpoint(truncating: true)
    }

    // MARK: One transaction

    private mutating func write(now: UInt64) throws(SQLiteError) {
        positions.begin()
        try runs.begin()
        for record in gathered.introductions { try introduce(record) }
        for record in gathered.messages { try insert(record) }
        for record in gathered.notices { try insertNotice(record) }
        for record in gathered.changes {
            try insert(record)
            try search.remove(record.changedMessage, on: connection)
            try changes.apply(record)
            try search.restore(record.changedMessage, on: connection)
        }
        for record in gathered.releases { try statements.deletePending(record.senderSeq) }
        for record in gathered.held { try held.hold(record, &released) }
        try writePositions()
        try writeConfirms()
        gathered.divide()
        try runs.add(.history, gathered.history, lastID: gathered.lastID)
        try runs.add(.inbox, gathered.inbox, lastID: gathered.lastID)
        try runs.add(.sent, gathered.sent, lastID: gathered.lastID)
        try runs.add(.activity, gathered.activity, lastID: gathered.lastID)
        // A read counts messages, those of this fold among them.
        try cursors.addSent(gathered.groupSent)
        for record in gathered.reads.reversed() {
            try cursors.raise(by: record, &positions)
            if record.senderSeq > 0 { try statements.deletePending(record.senderSeq) }
        }
        try positions.flush()
        try events.write(gathered.events, now: now)
        let filter = RunFilter(now: now, retentionMilliseconds: options.retentionMilliseconds)
        try runs.maintain(filter) { (user) throws(SQLiteError) in try positions.user(user, .floor) }
        try runs.end()
    }

    private func introduce(_ record: RecordView) throws(SQLiteError) {
        try statements.addUser(record.senderNumber, record.sender)
        try record.forEachRecipient { (index, name) throws(SQLiteError) in
            try statements.addUser(record.placement(index).user, name)
        }
        guard record.kind?.isEntry == true, record.conversationNumber > 0 else { return }
        if record.command == RecordView.groupCommand {
            try statements.addConversation(record.conversationNumber, group: record.destination)
            return
        }
        try statements.addUser(record.destinationNumber, record.destination)
        try statements.addConversation(record.conversationNumber, record.senderNumber, record.destinationNumber)
    }

    private func insertNotice(_ record: RecordView) throws(SQLiteError) {
        try insert(record)
        guard record.has(.isMark) else { return try statements.deletePending(record.senderSeq) }
        try statements.raiseMark(
            of: record.placement(0).user, in: record.conversationNumber, to: record.cseq)
    }

    private func insert(_ record: RecordView) throws(SQLiteError) {
        statements.message.bind(10, Int((record.kind ?? .message).rawValue))
        statements.message.bind(1, record.id)
        statements.message.bind(2, record.conversationNumber)
        statements.message.bind(3, record.cseq)
        statements.message.bind(4, record.senderSeq)
        statements.message.bind(5, record.senderNumber)
        statements.message.bind(6, Int(record.command))
        statements.message.bind(7, Int(record.content))
        statements.message.bind(8, blob: record.unsafeCid)
        statements.message.bind(9, blob: record.unsafeBody)
        try statements.message.run()
    }

    /// Writes the heads of inboxes and conversations, floors and times; each in the order in which they lie.
    private mutating func writePositions() throws(SQLiteError) {
        try writeConversations()
        let placements = gathered.placements
        for (index, place) in placements.enumerated()
        where index + 1 == placements.count || placements[index + 1].user != place.user {
            try positions.raise(place.user, .head, to: place.seq)
        }
        for (user, floor) in gathered.floors.sorted(by: { $0.key < $1.key }) {
            try positions.raise(user, .floor, to: floor)
        }
        for (user, time) in gathered.seen.sorted(by: { $0.key < $1.key }) {
            try positions.raise(user, .seen, to: time)
        }
        try positions.flush()
        for (conversation, cseq) in gathered.historyOnly {
            try statements.raiseHistoryOnly(conversation, to: cseq)
        }
    }

    private mutating func writeConversations() throws(SQLiteError) {
        let entries = gathered.history
        var index = 0
        while index < entries.count {
            let conversation = entries[index].owner
            var numbers = try positions.conversation(conversation)
            while index < entries.count, entries[index].owner == conversation {
                numbers.add(entries[index])
                index += 1
            }
            try positions.put(numbers, ofConversation: conversation)
        }
    }

    /// Of each device only the last one: positions never go back.
    private func writeConfirms() throws(SQLiteError) {
        var devices: [RecordView] = []
        for record in gathered.confirms.reversed() {
            if devices.first?.senderNumber != record.senderNumber { devices.removeAll(keepingCapacity: true) }
            let isOld = devices.contains { $0.unsafeDestination.elementsEqual(record.unsafeDestination) }
            guard !isOld else { continue }
            devices.append(record)
            statements.device.bind(1, record.senderNumber)
            statements.device.bind(2, text: record.unsafeDestination)
            statements.device.bind(3, record.cseq)
            try statements.device.run()
        }
    }
}
