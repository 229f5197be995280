internal import Base
internal import Store
internal import Synchronization

struct DirectoryRequest: Sendable {
    var command: DirectoryCommand
    var mailbox: MailboxIndex
    var ticket: UInt64
}

/// What waits in turn: the first goes in constant time, however many are behind it.
struct Line<Element> {
    private var elements: [Element] = []
    /// Those before it are gone; they are cleared away when they are half of all.
    private var first = 0

    var count: Int { elements.count - first }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Takes the first; nil if nothing waits.
    mutating func popFirst() -> Element? {
        guard first < elements.count else { return nil }
        defer {
            first += 1
            if first * 2 >= elements.count {
                elements = Array(elements[first...])
                first = 0
            }
        }
        return elements[first]
    }
}

/// The queues between callers and the store's threads.
final class SharedWork: Sendable {
    struct JournalQueue {
        var requests: [JournalRequest] = []
        var bytes = 0
        /// How often the thread was asked to give memory back.
        var releases = 0
        var isClosing = false
    }

    /// The first requests of the queue that make up at most `bytesMax`, at least one.
    static func take(_ queue: inout JournalQueue, bytesMax: Int) -> (requests: [JournalRequest], bytes: Int) {
        var count = 0
        var bytes = 0
        for request in queue.requests {
            var size = attachBytes
            switch request {
            case .batch(let arena), .notices(let arena): size = arena.byteCount
            case .attach, .detach, .mark: break
            }
            if count > 0, bytes + size > bytesMax { break }
            count += 1
            bytes += size
        }
        let taken = Array(queue.requests[..<count])
        queue.requests.removeFirst(count)
        queue.bytes -= bytes
        return (taken, bytes)
    }

    struct IndexQueue {
        var batches: [CommittedBatch] = []
        var bytes = 0
        var records = 0
        /// When the first batch came, monotonic nanoseconds.
        var since: UInt64 = 0
        /// The batch that somebody waits for.
        var wanted: UInt64 = 0
        var commands: [DirectoryRequest] = []
        /// Notices that the journal couldn't take, to be tried again.
        var returned: [RecordArena] = []
        /// When that is, monotonic nanoseconds.
        var returnsAt: UInt64 = 0
        /// Up to when the full-text index has to hurry, monotonic nanoseconds.
        var searchHurriesUntil: UInt64 = 0
        var releases = 0
        var isClosing = false

        mutating func takeCommands() -> [DirectoryRequest] {
            defer { commands = [] }
            return commands
        }

        /// The returned notices whose time has come.
        mutating func takeReturned() -> [RecordArena] {
            guard !returned.isEmpty, SystemClock.monotonic() >= returnsAt else { return [] }
            defer { returned = [] }
            return returned
        }
    }

    struct ReadQueue {
        var requests = Line<ReadRequest>()
        var releases = 0
        var isClosing = false
    }

    /// How far the index is, and whether it has trouble.
    struct Watermark {
        var folded: UInt64
        var failures: UInt64 = 0
        var error: StoreError?
        /// Whether there will be no more folds.
        var isEnded = false
    }

    let options: EmbeddedStoreOptions
    let mailboxes: [any StoreMailbox]
    let journal = Monitor(JournalQueue())
    let index = Monitor(IndexQueue())
    let reads = Monitor(ReadQueue())
    let watermark: Monitor<Watermark>
    let committed: Atomic<UInt64>
    let queuedBytes = Atomic(0)
    /// From so many of them on, those who sent most should wait.
    let ladenBytes: Atomic<Int>
    let unfoldedBytes = Atomic(0)
    let messages = Atomic<UInt64>(0)
    let commits = Atomic<UInt64>(0)
    let failedCommits = Atomic<UInt64>(0)
    let folds = Atomic<UInt64>(0)
    let measures = Mutex(StoreMeasures())
    /// Why the journal's last round failed; nil if it didn't.
    let journalTrouble = Mutex<StoreError?>(nil)
    /// Since when the oldest batch that the fold has taken waits, monotonic nanoseconds; 0 if none does.
    let foldingSince = Atomic<UInt64>(0)

    private static let searchHurryNanoseconds: UInt64 = 1_000_000_000
    /// What an attachment counts as in the queue.
    static let attachBytes = 256
    /// Bytes that the journal takes into one transaction; what is more waits for the next.
    static let roundBytesMax = 64 << 20
    /// Beyond this many times the limit, work is refused: a caller that doesn't heed the congestion must not take
    /// all memory.
    private static let refusalFactor = 4

    init(options: EmbeddedStoreOptions, mailboxes: [any StoreMailbox], position: UInt64) {
        self.options = options
        self.mailboxes = mailboxes
        ladenBytes = Atomic(options.ladenBytes.lowerBound)
        watermark = Monitor(Watermark(folded: position))
        committed = Atomic(position)
    }

    var isCongested: Bool {
        queuedBytes.load(ordering: .relaxed) > options.queueBytesMax
            || unfoldedBytes.load(ordering: .relaxed) > options.unfoldedBytesMax
    }

    var isLaden: Bool {
        queuedBytes.load(ordering: .relaxed) > ladenBytes.load(ordering: .relaxed) || isCongested
    }

    /// Learns from a round of the journal how much it does in the time that others may wait. *Thread:* the journal's.
    func notePace(bytes: Int, nanoseconds: UInt64) {
        // Of a small one most is the price of the commit.
        guard bytes >= options.ladenBytes.lowerBound / 8, nanoseconds > 0 else { return }
        let now = Int(Double(bytes) * Double(options.ladenNanoseconds) / Double(nanoseconds))
        let before = ladenBytes.load(ordering: .relaxed)
        let limits = options.ladenBytes
        let learnt = min(max(before + (now - before) / 8, limits.lowerBound), limits.upperBound)
        ladenBytes.store(learnt, ordering: .relaxed)
    }

    var counters: StoreCounters {
        let mark = watermark.withLock { $0 }
        return StoreCounters(
            messages: messages.load(ordering: .relaxed), commits: commits.load(ordering: .relaxed),
            failedCommits: failedCommits.load(ordering: .relaxed), folds: folds.load(ordering: .relaxed),
            failedFolds: mark.failures, committedBatch: committed.load(ordering: .relaxed), foldedBatch: mark.folded,
            queuedBytes: queuedBytes.load(ordering: .relaxed), unfoldedBytes: unfoldedBytes.load(ordering: .relaxed))
    }

    /// Why `requests` are to be refused although the journal could take them; nil if nothing speaks against it.
    func shortage(for requests: [JournalRequest]) -> String? {
        let bytes = requests.reduce(0) { if case .batch(let arena) = $1 { $0 + arena.byteCount } else { $0 } }
        return bytes > 0 ? shortage(for: bytes) : nil
    }

    /// The same for messages of `bytes`.
    func shortage(for bytes: Int) -> String? {
        DiskRoom(directory: options.directory).shortage(
            unindexedBytes: bytes + unfoldedBytes.load(ordering: .relaxed))
    }

    /// Why the store takes no messages, or answers no questions.
    var trouble: String? {
        if let error = journalTrouble.withLock({ $0 }) { return "messages can't be stored: \(error.reason)" }
        return watermark.withLock { $0.error }.map { "messages can't be read: \($0.reason)" }
    }

    var figures: StoreFigures {
        var figures = StoreFigures()
        figures.counters = counters
        figures.measures = measures.withLock { $0 }
        let queued = index.withLock { (since: $0.batches.isEmpty ? 0 : $0.since, commands: $0.commands.count) }
        let folding = foldingSince.load(ordering: .relaxed)
        let oldest = folding > 0 ? folding : queued.since
        let now = SystemClock.monotonic()
        figures.foldLagNanoseconds = oldest > 0 && now > oldest ? now - oldest : 0
        figures.waitingCommands = queued.commands
        figures.waitingReads = reads.withLock { $0.requests.count }
        figures.trouble = trouble
        figures.queueBytesMax = options.queueBytesMax
        figures.unfoldedBytesMax = options.unfoldedBytesMax
        return figures
    }

    // MARK: Callers' side

    func enqueue(_ request: JournalRequest, bytes: Int) {
        var refusal: String?
        let isOverfull =
            queuedBytes.load(ordering: .relaxed) > options.queueBytesMax * SharedWork.refusalFactor
            || unfoldedBytes.load(ordering: .relaxed) > options.unfoldedBytesMax * SharedWork.refusalFactor
        journal.update { queue in
            if queue.isClosing {
                refusal = "the store is closed"
            } else if isOverfull, bytes > 0 {
                refusal = "the queue to the disk is full"
            } else {
                queue.requests.append(request)
                queue.bytes += bytes
            }
        }
        if let refusal { refuse(request, .unavailable(refusal)) } else { queuedBytes.add(bytes, ordering: .relaxed) }
    }

    private func refuse(_ request: JournalRequest, _ error: StoreError) {
        switch request {
        case .batch(let arena):
            let notice = FailureNotice(arena: arena, error: error)
            for mailbox in Set(arena.replies.map(\.mailbox)) { deliver([.failed(notice)], to: mailbox) }
        case .attach(let attach):
            deliver([.attached(ticket: attach.ticket, reply: .failure(error))], to: attach.mailbox)
        case .mark(let mark): deliver([.marked(ticket: mark.ticket, failure: error)], to: mark.mailbox)
        case .notices, .detach: break
        }
    }

    func enqueue(_ request: ReadRequest) {
        var request = request
        if request.needsFold { request.after = committed.load(ordering: .acquiring) }
        var isClosed = false
        reads.update { queue in
            isClosed = queue.isClosing
            if !isClosed { queue.requests.append(request) }
        }
        if isClosed { deliver([request.failed(.unavailable("the store is closed"))], to: request.mailbox) }
    }

    func enqueue(_ request: DirectoryRequest) {
        var isClosed = false
        index.update { queue in
            isClosed = queue.isClosing
            if !isClosed { queue.commands.append(request) }
        }
        guard isClosed else { return }
        let refusal = StoreError.unavailable("the store is closed")
        deliver([.directory(ticket: request.ticket, result: .failure(refusal))], to: request.mailbox)
    }

    /// Gives the journal notices. They are few, so they pass a full queue; when the store is closing they stay in the
    /// index and are given again after the next start.
    func enqueue(notices: RecordArena) {
        journal.update { queue in
            guard !queue.isClosing else { return }
            queue.requests.append(.notices(notices))
            queue.bytes += notices.byteCount
            queuedBytes.add(notices.byteCount, ordering: .relaxed)
        }
    }

    /// Lets the full-text index follow although there is other work: somebody searches.
    func hurrySearch() {
        index.update { $0.searchHurriesUntil = SystemClock.monotonic() + SharedWork.searchHurryNanoseconds }
    }

    /// Asks each thread to give back what it keeps for speed, once it has nothing else to do.
    func releaseSpareMemory() {
        journal.update { $0.releases += 1 }
        index.update { $0.releases += 1 }
        reads.update { $0.releases += 1 }
    }

    func deliver(_ events: [StoreEvent], to mailbox: MailboxIndex) {
        mailboxes[Int(mailbox.rawValue)].deliver(events)
    }
}
