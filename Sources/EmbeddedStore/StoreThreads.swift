internal import Base
internal import Store
internal import Synchronization

/// Drives the journal: takes all that waits, makes it durable, hands it to the index, answers.
struct JournalThread: ~Copyable {
    var journal: Journal
    /// Held open for the journal's questions.
    let index: Connection
    let work: SharedWork
    private var lastMessages = 0
    /// How often it has given memory back.
    private var releases = 0
    /// When to try whether the disk takes something again, monotonic nanoseconds; 0 while nothing has failed.
    private var probeAt: UInt64 = 0

    /// Messages in the last round above which there is load, and waiting for more pays.
    private static let loadMessages = 64

    init(journal: consuming Journal, index: consuming Connection, work: SharedWork) {
        self.journal = journal
        self.index = index
        self.work = work
    }

    mutating func run() {
        loop: while true {
            switch take() {
            case .round(let requests, let bytes):
                let began = SystemClock.monotonic()
                round(requests)
                work.notePace(bytes: bytes, nanoseconds: SystemClock.monotonic() - began)
                work.queuedBytes.subtract(bytes, ordering: .relaxed)
                tidy()
                if let refusal = journal.refusal { note(refusal) }
            case .releaseMemory:
                journal.releaseSpareMemory()
                index.releaseMemory()
            case .probe:
                if let shortage = work.shortage(for: 0) { note(.unavailable(shortage)) } else { note(journal.probe()) }
            case .end: break loop
            }
        }
        work.index.update { $0.isClosing = true }
        let last = work.committed.load(ordering: .relaxed)
        // The index folds everything before it ends, unless it can't: then the journal keeps what it needs.
        let folded = work.watermark.wait { $0.folded >= last || $0.isEnded ? $0.folded : nil }
        try? journal.finish(foldedThrough: folded)
    }

    private enum Next {
        case round([JournalRequest], bytes: Int)
        case releaseMemory
        case probe
        case end
    }

    /// Waits for work.
    private mutating func take() -> Next {
        let window = lastMessages >= JournalThread.loadMessages ? work.options.gatherMicroseconds * 1_000 : 0
        let until = window > 0 ? SystemClock.monotonic() + window : 0
        let probeAt = probeAt
        let deadline = { (queue: SharedWork.JournalQueue) -> UInt64? in
            if queue.requests.isEmpty { return probeAt > 0 ? probeAt : nil }
            return window == 0 ? nil : until
        }
        return work.journal.wait(until: deadline) { queue in
            if queue.requests.isEmpty {
                if queue.isClosing { return .end }
                if probeAt > 0, SystemClock.monotonic() >= probeAt { return .probe }
                guard queue.releases > releases else { return nil }
                releases = queue.releases
                return .releaseMemory
            }
            if window > 0, !queue.isClosing, SystemClock.monotonic() < until { return nil }
            let (requests, bytes) = SharedWork.take(&queue, bytesMax: SharedWork.roundBytesMax)
            return .round(requests, bytes: bytes)
        }
    }

    /// Notes how the disk does. After a failure it is tried now and then: if nobody sends any more because the router
    /// says that it isn't ready, nothing else would tell that it is again.
    private mutating func note(_ failure: StoreError?) {
        let failedBefore = probeAt > 0
        probeAt = failure == nil ? 0 : SystemClock.monotonic() + JournalThread.probeNanoseconds
        guard failure != nil || failedBefore else { return }
        work.journalTrouble.withLock { $0 = failure }
    }

    private static let probeNanoseconds: UInt64 = 1_000_000_000

    private mutating func tidy() {
        let began = SystemClock.monotonic()
        guard journal.tidy() else { return }
        let nanoseconds = SystemClock.monotonic() - began
        work.measures.withLock { $0.checkpointSeconds.record(nanoseconds) }
    }

    private func measure(_ round: borrowing JournalRound, since began: UInt64, bytes: Int) {
        let nanoseconds = SystemClock.monotonic() - began
        let (messages, sync) = (UInt64(round.messages), round.syncNanoseconds)
        work.measures.withLock { measures in
            measures.commitSeconds.record(nanoseconds)
            measures.syncSeconds.record(sync)
            measures.batchMessages.record(messages)
            measures.batchBytes.record(UInt64(bytes))
        }
    }

    private mutating func round(_ requests: [JournalRequest]) {
        let folded = work.watermark.withLock { $0.folded }
        let began = SystemClock.monotonic()
        let shortage = work.shortage(for: requests).map { StoreError.unavailable($0) }
        let round = journal.process(
            requests, now: work.options.now(), foldedThrough: folded, shortage: shortage)
        lastMessages = round.messages
        if let last = round.committed.last {
            let bytes = round.committed.reduce(0) { $0 + $1.arena.byteCount }
            work.unfoldedBytes.add(bytes, ordering: .relaxed)
            measure(round, since: began, bytes: bytes)
            if shortage == nil { note(nil) }
            work.index.update { queue in
                if queue.batches.isEmpty { queue.since = SystemClock.monotonic() }
                queue.batches += round.committed
                queue.bytes += bytes
                queue.records += round.committed.reduce(0) { $0 + $1.arena.entries.count }
            }
            work.committed.store(last.number, ordering: .releasing)
            work.commits.add(1, ordering: .relaxed)
            work.messages.add(UInt64(round.messages), ordering: .relaxed)
        }
        if let shortage { note(shortage) }
        if let failure = round.failure {
            note(failure)
            work.failedCommits.add(1, ordering: .relaxed)
            let returned = requests.compactMap { if case .notices(let arena) = $0 { arena } else { nil } }
            if !returned.isEmpty {
                work.index.update { queue in
                    queue.returned += returned
                    queue.returnsAt = SystemClock.monotonic() + IndexThread.retryNanoseconds
                }
            }
        }
        for (mailbox, events) in round.events.enumerated() where !events.isEmpty {
            work.mailboxes[mailbox].deliver(events)
        }
    }
}

/// Drives the fold, and makes the directory's changes between folds.
struct IndexThread: ~Copyable {
    var fold: Fold
    var directory: Directory
    let work: SharedWork
    /// The lock on the files goes with the last thread that writes them.
    let files: DataDirectory
    private var waiting: [CommittedBatch] = []
    private var retryAt: UInt64 = 0
    private var releases = 0
    /// Whether much was folded last: then there is no time for the full-text index.
    private var isBusy = false
    private var lastFoldAt: UInt64 = 0
    private var searchRetryAt: UInt64 = 0
    /// Until then folds come soon, monotonic nanoseconds: held messages were released, and others that were on their
    /// way are released by their fold.
    private var hurryUntil: UInt64 = 0

    init(fold: consuming Fold, directory: consuming Directory, work: SharedWork, files: consuming DataDirectory) {
        self.fold = fold
        self.directory = directory
        self.work = work
        self.files = files
    }

    private struct Work {
        var batches: [CommittedBatch]
        var commands: [DirectoryRequest] = []
        var returned: [RecordArena] = []
        var releasesMemory = false
        var searches = false
        var isLast = false
    }

    /// How long after a failure the next attempt is made, unless somebody asks.
    static let retryNanoseconds: UInt64 = 1_000_000_000
    private static let hurryNanoseconds: UInt64 = 1_000_000_000
    /// How long a batch waits for its fold meanwhile.
    private static let hurriedFoldMilliseconds: UInt64 = 20

    mutating func run() {
        while true {
            let next = take()
            if next.releasesMemory { fold.releaseSpareMemory() }
            waiting += next.batches
            if next.commands.contains(where: \.command.movesMessages) { foldWaiting() }
            for request in next.commands {
                let began = SystemClock.monotonic()
                let result = fold.perform(request.command, &directory, now: work.options.now())
                let nanoseconds = SystemClock.monotonic() - began
                work.measures.withLock { $0.directorySeconds.record(nanoseconds) }
                if let notices = directory.takeNotices() {
                    if notices.hasReleases { hurryUntil = SystemClock.monotonic() + IndexThread.hurryNanoseconds }
                    work.enqueue(notices: notices)
                }
                work.deliver([.directory(ticket: request.ticket, result: result)], to: request.mailbox)
            }
            for notices in next.returned { work.enqueue(notices: notices) }
            foldWaiting()
            if next.searches { followWithSearch() }
            if next.isLast { break }
        }
        work.watermark.update { $0.isEnded = true }
        try? fold.finish()
        work.reads.update { $0.isClosing = true }
    }

    private mutating func take() -> Work {
        let options = work.options
        let folded = fold.position
        let retryAt = waiting.isEmpty ? nil : self.retryAt
        let isSearchBehind = fold.isSearchBehind
        let quietAt = isBusy ? lastFoldAt + IndexThread.quietNanoseconds : 0
        let searchAt = isSearchBehind ? max(searchRetryAt, quietAt) : 0
        let isHurried = SystemClock.monotonic() < hurryUntil
        let patience =
            1_000_000 * (isHurried ? IndexThread.hurriedFoldMilliseconds : options.foldMilliseconds)
        let deadline = { (queue: SharedWork.IndexQueue) -> UInt64? in
            let fold = queue.batches.isEmpty ? nil : queue.since + patience
            let returns = queue.returned.isEmpty ? nil : queue.returnsAt
            let search = searchAt > SystemClock.monotonic() ? searchAt : nil
            return [retryAt ?? fold, returns, search].compactMap(\.self).min()
        }
        return work.index.wait(until: deadline) { queue in
            let isWanted = queue.wanted > folded && !(queue.batches.isEmpty && retryAt == nil)
            let isMoving = !queue.batches.isEmpty && queue.commands.contains { $0.command.movesMessages }
            let isDue =
                queue.bytes >= options.foldBytes || queue.records >= options.foldRecords
                || (!queue.batches.isEmpty && SystemClock.monotonic() >= queue.since + patience)
                || retryAt.map { SystemClock.monotonic() >= $0 } ?? false
            guard isWanted || isDue || isMoving || queue.isClosing else {
                let releasesMemory = queue.releases > releases
                let commands = queue.takeCommands()
                let returned = queue.takeReturned()
                let searches = isSearchBehind && mayFollowWithSearch(queue)
                guard releasesMemory || !commands.isEmpty || !returned.isEmpty || searches else { return nil }
                releases = queue.releases
                return Work(
                    batches: [], commands: commands, returned: returned, releasesMemory: releasesMemory,
                    searches: searches)
            }
            noteLoad(queue)
            if !queue.batches.isEmpty, waiting.isEmpty { self.work.foldingSince.store(queue.since, ordering: .relaxed) }
            let work = Work(batches: queue.batches, commands: queue.takeCommands(), isLast: queue.isClosing)
            queue.batches = []
            queue.bytes = 0
            queue.records = 0
            queue.wanted = 0
            return work
        }
    }

    /// Sees from what is about to be folded whether there is load.
    private mutating func noteLoad(_ queue: SharedWork.IndexQueue) {
        let now = SystemClock.monotonic()
        let seconds = Double(max(now - lastFoldAt, IndexThread.loadNanoseconds)) / 1e9
        isBusy =
            queue.bytes >= work.options.foldBytes
            || Double(queue.records) / seconds > IndexThread.busyRecordsPerSecond
        lastFoldAt = now
    }

    /// Whether there is time for the full-text index: little waits to be folded, or somebody searches.
    private func mayFollowWithSearch(_ queue: SharedWork.IndexQueue) -> Bool {
        let now = SystemClock.monotonic()
        if now < searchRetryAt { return false }
        if now < queue.searchHurriesUntil { return true }
        guard waiting.isEmpty else { return false }
        if isBusy { return queue.batches.isEmpty && now >= lastFoldAt + IndexThread.quietNanoseconds }
        let share = IndexThread.searchShare
        return queue.bytes < work.options.foldBytes / share && queue.records < work.options.foldRecords / share
    }

    /// The part of a full fold that may wait while the full-text index follows.
    private static let searchShare = 16
    private static let busyRecordsPerSecond = 5_000.0
    /// A few records in an instant are no load.
    private static let loadNanoseconds: UInt64 = 100_000_000
    /// How long after a fold under load nothing may have come in until there is time.
    private static let quietNanoseconds: UInt64 = 1_000_000_000

    private mutating func followWithSearch() {
        do {
            try fold.searchStep()
            searchRetryAt = 0
            try fold.checkpointIfDue()
        } catch {
            // Searches say that they are incomplete meanwhile.
            searchRetryAt = SystemClock.monotonic() + IndexThread.retryNanoseconds
        }
    }

    private mutating func foldWaiting() {
        guard let last = waiting.last else { return }
        let began = SystemClock.monotonic()
        do {
            try fold.fold(waiting, now: work.options.now())
        } catch {
            retryAt = SystemClock.monotonic() + IndexThread.retryNanoseconds
            work.watermark.update {
                $0.failures += 1
                $0.error = .unavailable("the index can't be written: \(error)")
            }
            return
        }
        measureFold(since: began)
        work.unfoldedBytes.subtract(waiting.reduce(0) { $0 + $1.arena.byteCount }, ordering: .relaxed)
        waiting = []
        if let releases = fold.takeReleases() { work.enqueue(notices: releases) }
        work.folds.add(1, ordering: .relaxed)
        work.watermark.update {
            $0.folded = last.number
            $0.error = nil
        }
        // A checkpoint that fails leaves everything in the WAL, where it is just as durable; the next one tries again.
        try? fold.checkpointIfDue()
    }
}

extension IndexThread {
    private func measureFold(since began: UInt64) {
        let now = SystemClock.monotonic()
        let since = work.foldingSince.exchange(0, ordering: .relaxed)
        let records = waiting.reduce(0) { $0 + $1.arena.entries.count }
        work.measures.withLock { measures in
            measures.foldSeconds.record(now - began)
            measures.foldRecords.record(UInt64(records))
            if since > 0, now > since { measures.foldLagSeconds.record(now - since) }
        }
    }
}

/// Answers questions, one at a time.
struct ReaderThread: ~Copyable {
    private let connection: Connection
    private var reader: Reader
    private let work: SharedWork
    private var releases = 0

    init(_ path: String, _ options: ConnectionOptions, _ work: SharedWork) throws(SQLiteError) {
        let connection = try Connection(path: path, options: options)
        let reader = try Reader(connection, options: work.options.fold)
        self.connection = connection
        self.reader = reader
        self.work = work
    }

    mutating func run() {
        while true {
            switch take() {
            case .request(let request):
                let began = SystemClock.monotonic()
                let failure = waitForFold(through: request.after).map { request.failed($0) }
                let event = failure ?? reader.answer(request, now: work.options.now())
                let nanoseconds = SystemClock.monotonic() - began
                work.measures.withLock { $0.readSeconds.record(nanoseconds) }
                work.deliver([event], to: request.mailbox)
            case .releaseMemory: connection.releaseMemory()
            case .end: return
            }
        }
    }

    private enum Next {
        case request(ReadRequest)
        case releaseMemory
        case end
    }

    private mutating func take() -> Next {
        work.reads.wait { queue in
            if let request = queue.requests.popFirst() { return .request(request) }
            if queue.isClosing { return .end }
            guard queue.releases > releases else { return nil }
            releases = queue.releases
            return .releaseMemory
        }
    }

    /// Asks for a fold if `batch` isn't in the index, and waits; gives the error if the index can't be written.
    private func waitForFold(through batch: UInt64) -> StoreError? {
        let before = work.watermark.withLock { $0 }
        if before.folded >= batch { return nil }
        work.index.update { $0.wanted = max($0.wanted, batch) }
        return work.watermark.wait { mark in
            if mark.folded >= batch { return .some(nil) }
            let isHopeless = mark.failures > before.failures || mark.isEnded
            return isHopeless ? .some(mark.error ?? .unavailable("the store is closed")) : nil
        }
    }
}
