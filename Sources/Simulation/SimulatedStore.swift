internal import Base
internal import EmbeddedStore
internal import Store

/// The embedded store with its threads taken away: the same journal, fold and reader, each of which does its next piece
/// of work when the world says so.
///
/// *Thread:* one; `Sendable` only because the seam asks for it.
final class SimulatedStore: Store, @unchecked Sendable {
    let epoch: String
    let hadBlocks: Bool
    let hadHeldMessages: Bool
    private var parts: Recovery.Parts
    private let reading: Connection
    private var reader: Reader
    private let congestedRequests: Int
    private let largeGroupMembers: LargeGroupMembers
    private let losesMarks: Bool

    private var requests: [JournalRequest] = []
    private var unfolded: [CommittedBatch] = []
    private var committed: UInt64
    private var reads: [ReadRequest] = []
    private var commands: [(command: DirectoryCommand, mailbox: MailboxIndex, ticket: UInt64)] = []
    /// Events on their way to each mailbox.
    private(set) var mailboxes: [[StoreEvent]]
    /// Whether the last round failed.
    private(set) var lastRoundFailed = false

    /// Opens the files as the router does.
    init(_ disk: SimulatedDisk, _ profile: Profile, now: UInt64, plant: Plant?) throws {
        var options = EmbeddedStoreOptions(directory: "")
        options.cachedUsersMax = profile.cachedUsersMax
        options.journalCheckpointBytes = profile.checkpointBytes
        options.fold.checkpointBytes = profile.checkpointBytes
        options.fold.runs = profile.runs
        options.fold.inboxMembersMax = profile.inboxMembersMax
        options.indexCacheBytes = 1 << 20
        options.now = { now }
        let recovery = try Recovery.run(disk.files, options, mailboxes: profile.hubs)
        epoch = recovery.epoch
        hadBlocks = recovery.hasBlocks
        hadHeldMessages = recovery.hasHeldMessages
        committed = recovery.position
        if let notices = recovery.unsentNotices { requests.append(.notices(notices)) }
        largeGroupMembers = recovery.largeGroupMembers
        losesMarks = plant == .lostMarks
        parts = recovery.split()
        reading = try Connection(path: disk.files.index, options: ConnectionOptions(vfs: disk.vfs, isReadOnly: true))
        reader = try Reader(reading, options: options.fold)
        congestedRequests = profile.congestedRequests
        mailboxes = Array(repeating: [], count: profile.hubs)
        if plant == .lastingEdits {
            try parts.fold.withConnection { (connection) throws(SQLiteError) in
                try connection.execute(
                    """
                    CREATE TEMP TRIGGER lasting BEFORE UPDATE ON messages WHEN OLD.kind = \(RecordKind.edit.rawValue)
                    BEGIN SELECT RAISE(IGNORE); END
                    """)
            }
        }
        if plant == .forgottenCursors {
            try parts.fold.withConnection { (connection) throws(SQLiteError) in
                try connection.execute("UPDATE cursors SET cseq = 0, sent_at_cursor = 0")
            }
        }
        if plant == .forgottenWindow {
            try parts.fold.withConnection { (connection) throws(SQLiteError) in
                try connection.execute("DELETE FROM runs WHERE family = \(RunFamily.sent.rawValue)")
            }
        }
    }

    // MARK: Store

    var isCongested: Bool { requests.count > congestedRequests }
    var isLaden: Bool { isCongested }

    func submit(_ batch: RecordArena) { requests.append(.batch(batch)) }

    func attach(_ user: Identifier, device: Identifier, token: UInt32, mailbox: MailboxIndex, ticket: UInt64) {
        requests.append(
            .attach(AttachRequest(user: user, device: device, token: token, mailbox: mailbox, ticket: ticket)))
    }

    func detach(_ user: Identifier, mailbox: MailboxIndex) { requests.append(.detach(user, mailbox: mailbox)) }

    func mayOweMarks(to user: Identifier) -> Bool { largeGroupMembers.mayContain(user) }

    func mark(_ user: Identifier, mailbox: MailboxIndex, ticket: UInt64) {
        requests.append(.mark(MarkRequest(user: user, mailbox: mailbox, ticket: ticket)))
    }

    func read(_ query: ReadQuery, mailbox: MailboxIndex, ticket: UInt64) {
        reads.append(ReadRequest(question: .page(query), mailbox: mailbox, ticket: ticket, after: committed))
    }

    func perform(_ command: DirectoryCommand, mailbox: MailboxIndex, ticket: UInt64) {
        commands.append((command, mailbox, ticket))
    }

    func ask(_ question: DirectoryQuestion, mailbox: MailboxIndex, ticket: UInt64) {
        let after = question.readsMessages ? committed : 0
        reads.append(ReadRequest(question: .directory(question), mailbox: mailbox, ticket: ticket, after: after))
    }

    // MARK: What waits

    var waitingRequests: Int { requests.count }
    var waitingReads: Int { reads.count }
    var waitingBatches: Int { unfolded.count }
    var waitingCommands: Int { commands.count }
    var isIdle: Bool {
        requests.isEmpty && reads.isEmpty && unfolded.isEmpty && commands.isEmpty && mailboxes.allSatisfy(\.isEmpty)
    }

    /// Takes up to `count` events off a mailbox.
    func takeEvents(_ mailbox: Int, _ count: Int) -> [StoreEvent] {
        let taken = Array(mailboxes[mailbox].prefix(count))
        mailboxes[mailbox].removeFirst(taken.count)
        return taken
    }

    // MARK: Steps

    /// One round of the journal with the first `count` requests.
    ///
    /// - Parameter plant: the canary at work: what it makes of the round's events.
    func journalStep(_ count: Int, now: UInt64, plant: ([[StoreEvent]]) -> [[StoreEvent]]) {
        let taken = Array(requests.prefix(count))
        requests.removeFirst(taken.count)
        let round = parts.journal.process(taken, now: now, foldedThrough: parts.fold.position)
        lastRoundFailed = round.isFailed
        if round.isFailed { requests += taken.filter { if case .notices = $0 { true } else { false } } }
        unfolded += round.committed
        committed = round.committed.last?.number ?? committed
        for (mailbox, events) in plant(round.events).enumerated() { mailboxes[mailbox] += events }
        parts.journal.tidy()
    }

    /// Folds the first `count` batches that wait; false if that failed.
    @discardableResult
    func foldStep(_ count: Int, now: UInt64, skipsFirst: Bool = false) -> Bool {
        let taken = Array(unfolded.prefix(count))
        guard !taken.isEmpty else { return true }
        do {
            try parts.fold.fold(skipsFirst && taken.count > 1 ? Array(taken.dropFirst()) : taken, now: now)
        } catch {
            return false
        }
        unfolded.removeFirst(taken.count)
        if losesMarks {
            try? parts.fold.withConnection { (connection) throws(SQLiteError) in
                try connection.execute(
                    """
                    INSERT OR REPLACE INTO marks
                    SELECT users.number, conversation, cseq FROM history_only, users
                    """)
            }
        }
        if let releases = parts.fold.takeReleases() { requests.append(.notices(releases)) }
        try? parts.fold.checkpointIfDue()
        return true
    }

    /// Answers one of the reads that wait; as for two reader threads, the first or the second.
    func readStep(_ index: Int, now: UInt64, isHasty: Bool) {
        let request = reads.remove(at: min(index, reads.count - 1))
        let mailbox = Int(request.mailbox.rawValue)
        if !isHasty, parts.fold.position < request.after, !foldStep(unfolded.count, now: now) {
            mailboxes[mailbox].append(request.failed(.unavailable("the index can't be written")))
            return
        }
        mailboxes[mailbox].append(reader.answer(request, now: now))
    }

    /// Does the next change of the directory.
    func directoryStep(now: UInt64) {
        guard !commands.isEmpty else { return }
        let (command, mailbox, ticket) = commands.removeFirst()
        let result = parts.perform(command, now: now)
        if let notices = parts.directory.takeNotices() { requests.append(.notices(notices)) }
        mailboxes[Int(mailbox.rawValue)].append(.directory(ticket: ticket, result: result))
    }

    /// How many notices about a group lie in the index.
    func noticeCount(about group: Identifier) -> UInt64 {
        let sql = """
            SELECT count(*) FROM messages JOIN conversations c ON c.number = conversation
            WHERE kind = \(RecordKind.notice.rawValue) AND cseq = 0 AND c.owner = 0 AND c.peer = '\(group)'
            """
        return UInt64((try? reading.integer(sql)) ?? 0)
    }

    /// Up to where a user's inbox was told of a group, as it lies in the index.
    func told(_ user: Identifier, of group: Identifier) -> UInt64 {
        let sql = """
            SELECT cseq FROM marks JOIN users u ON u.number = user JOIN conversations c ON c.number = conversation
            WHERE u.name = '\(user)' AND c.owner = 0 AND c.peer = '\(group)'
            """
        return UInt64((try? reading.integer(sql)) ?? 0)
    }

    /// A group as it lies on the disk.
    func group(_ id: Identifier) -> Group? { (try? reader.group(id)) ?? nil }

    /// Ends in order, as the router does when it is told to stop.
    func close(now: UInt64) {
        foldStep(unfolded.count, now: now)
        try? parts.journal.finish(foldedThrough: parts.fold.position)
        try? parts.fold.finish()
    }
}
