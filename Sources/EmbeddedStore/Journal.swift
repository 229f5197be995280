package import Base
package import Store

/// What waits for the journal.
package enum JournalRequest: Sendable {
    case batch(RecordArena)
    /// Records of the directory, for whose failure the directory is told.
    case notices(RecordArena)
    case attach(AttachRequest)
    case detach(Identifier, mailbox: MailboxIndex)
    case mark(MarkRequest)
}

/// Whose inbox is to tell of what its large groups have.
package struct MarkRequest: Sendable {
    package var user: Identifier
    package var mailbox: MailboxIndex
    package var ticket: UInt64

    package init(user: Identifier, mailbox: MailboxIndex, ticket: UInt64) {
        self.user = user
        self.mailbox = mailbox
        self.ticket = ticket
    }
}

/// Who wants to hear of an inbox, as it was asked of the store.
package struct AttachRequest: Sendable {
    package var user: Identifier
    package var device: Identifier
    package var token: UInt32
    package var mailbox: MailboxIndex
    package var ticket: UInt64

    package init(user: Identifier, device: Identifier, token: UInt32, mailbox: MailboxIndex, ticket: UInt64) {
        self.user = user
        self.device = device
        self.token = token
        self.mailbox = mailbox
        self.ticket = ticket
    }
}

/// What came of one round: answers for each mailbox, and what the index has to fold.
package struct JournalRound: Sendable {
    /// By mailbox, in the order of the work.
    package var events: [[StoreEvent]]
    /// What is on disk now. To be given to the index before the events are delivered, so that whoever reads after an
    /// answer sees what was answered for.
    package var committed: [CommittedBatch] = []
    package var messages = 0
    /// Why nothing of it was stored.
    package var failure: StoreError?
    package var isFailed: Bool { failure != nil }
    /// How long the COMMIT took.
    package var syncNanoseconds: UInt64 = 0
}

/// Makes batches durable: numbers, one transaction a round, then the answers.
///
/// It has no thread and no clock: whoever owns it calls ``process(_:now:foldedThrough:)``, a thread in the router and
/// the world in a simulation. *Thread:* one at a time.
package struct Journal: ~Copyable {
    private var file: JournalFile
    private var numbering: Numbering
    private var lanes: [Lane]
    private var lastBatch: UInt64
    private let cacheMax: Int
    /// Why nothing is taken any more.
    private(set) var refusal: StoreError?

    /// What one mailbox is going to hear.
    private struct Lane {
        var events: [StoreEvent] = []
        var items: [CommitNotice.Item] = []
    }

    /// Default for the users and the conversations kept in memory: a user is about 130 bytes and at most 1 KiB of
    /// fingerprints, so a quarter of a million are 30 to 300 MB.
    package static let cacheDefault = 1 << 18

    /// Records whose state is read ahead together: some 2 KiB each, well below the size of a second-level cache.
    private static let warmRecords = 128

    /// - Parameter index: asked for users and conversations that memory doesn't know. Everything in `file` must have
    ///   been folded into it.
    package init(
        file: consuming JournalFile, index: borrowing Connection, mailboxes: Int, cacheMax: Int = Journal.cacheDefault,
        largeGroupMembers: LargeGroupMembers = LargeGroupMembers()
    ) throws(SQLiteError) {
        let position = UInt64(try index.integer("SELECT value FROM meta WHERE key = 'position'") ?? 0)
        let counters = Numbering.Counters(
            user: UInt64(try index.integer("SELECT coalesce(max(number), 0) + 1 FROM users") ?? 1),
            conversation: UInt64(try index.integer("SELECT coalesce(max(number), 0) + 1 FROM conversations") ?? 1),
            lastID: UInt64(try index.integer("SELECT value FROM meta WHERE key = 'last_id'") ?? 0))
        var marks = MarkTable(members: largeGroupMembers)
        try marks.load(index)
        let numbering = Numbering(lookup: try IndexLookup(index), counters: counters, marks: marks)
        lastBatch = max(position, try file.last())
        self.file = file
        self.numbering = numbering
        lanes = Array(repeating: Lane(), count: mailboxes)
        self.cacheMax = cacheMax
    }

    /// Does all of `requests` in order, in one transaction.
    ///
    /// - Parameters:
    ///   - now: milliseconds since the Unix epoch.
    ///   - foldedThrough: the last batch that the index has made durable.
    ///   - shortage: why messages are refused although the journal could take them. The rest is done: who reads needs
    ///     it.
    package mutating func process(
        _ requests: [JournalRequest], now: UInt64, foldedThrough: UInt64, shortage: StoreError? = nil
    ) -> JournalRound {
        if let refusal { return answerFailure(requests, refusal) }
        if let shortage { return processRest(of: requests, now: now, foldedThrough: foldedThrough, shortage) }
        numbering.folded(through: foldedThrough, cacheMax: cacheMax)
        let committedBefore = lastBatch
        numbering.begin(batch: lastBatch + 1, now: now)
        var round = JournalRound(events: [])
        do {
            try number(requests, into: &round)
        } catch {
            return fail(requests, JournalFailure(error: error, isOutcomeUnknown: false), committedBefore)
        }
        if !round.committed.isEmpty, let failure = file.commit(round.committed, foldedThrough: foldedThrough) {
            return fail(requests, failure, committedBefore)
        }
        round.events = takeEvents()
        round.syncNanoseconds = file.syncNanoseconds
        return round
    }

    private mutating func processRest(
        of requests: [JournalRequest], now: UInt64, foldedThrough: UInt64, _ shortage: StoreError
    ) -> JournalRound {
        let rest = requests.filter { if case .batch = $0 { false } else { true } }
        let refused = requests.filter { if case .batch = $0 { true } else { false } }
        var round = process(rest, now: now, foldedThrough: foldedThrough)
        let answers = answerFailure(refused, shortage)
        for lane in lanes.indices { round.events[lane] += answers.events[lane] }
        return round
    }

    /// Housekeeping that may take a while; to be called when the round's events are out.
    ///
    /// - Returns: whether there was something to do.
    @discardableResult
    package mutating func tidy() -> Bool {
        do {
            return try file.checkpointIfDue()
        } catch {
            if error.isFatal { refuse(error) }
            return true
        }
    }

    /// Tries whether the disk takes something again, after a failure.
    ///
    /// - Returns: why not; nil if it does.
    mutating func probe() -> StoreError? {
        if let refusal { return refusal }
        do {
            try file.probe()
            return nil
        } catch {
            if error.isFatal { refuse(error) }
            return .unavailable(error.description)
        }
    }

    /// Gives back what is kept for the next rounds.
    mutating func releaseSpareMemory() {
        numbering.releaseSpareMemory()
        file.releaseMemory()
    }

    /// Trims the journal and empties its WAL, at the end.
    package mutating func finish(foldedThrough: UInt64) throws(SQLiteError) {
        try file.finish(foldedThrough: foldedThrough)
    }

    // MARK: Numbering

    private mutating func number(_ requests: [JournalRequest], into round: inout JournalRound) throws(SQLiteError) {
        var own = RecordArena(capacity: 256)
        for request in requests {
            switch request {
            case .batch(let arena), .notices(let arena):
                // Folded and told in the order in which they were numbered.
                if !own.isEmpty {
                    finish(own, into: &round)
                    own = RecordArena(capacity: 256)
                }
                try number(arena, into: &round)
            case .attach(let attach): try number(attach, own: own)
            case .mark(let mark):
                try self.mark(mark.user, own: own)
                lanes[Int(mark.mailbox.rawValue)].events.append(.marked(ticket: mark.ticket, failure: nil))
            case .detach(let user, let mailbox):
                if let slot = numbering.slotInMemory(of: user) {
                    numbering.removeAttachment(slot, mailbox: mailbox.rawValue)
                }
            }
        }
        if !own.isEmpty { finish(own, into: &round) }
    }

    /// Ends an arena of records that the journal made itself.
    private mutating func finish(_ own: RecordArena, into round: inout JournalRound) {
        takeItems(of: own)
        append(own, into: &round)
    }

    private mutating func append(_ arena: RecordArena, into round: inout JournalRound) {
        lastBatch += 1
        numbering.setBatch(lastBatch + 1)
        round.committed.append(CommittedBatch(number: lastBatch, arena: arena))
    }

    private mutating func number(_ arena: RecordArena, into round: inout JournalRound) throws(SQLiteError) {
        var isWorthKeeping = false
        for (index, entry) in arena.entries.enumerated() {
            if index % Journal.warmRecords == 0 {
                numbering.warm(arena, index..<min(index + Journal.warmRecords, arena.entries.count))
            }
            let record = arena.record(at: entry.offset)
            let sender = try numbering.number(record)
            if record.status == .stored {
                isWorthKeeping = true
                if record.kind == .message { round.messages += 1 }
            }
            route(record, entry, sender: sender, replies: arena.replies)
        }
        takeItems(of: arena)
        if isWorthKeeping { append(arena, into: &round) }
    }

    /// Makes what each mailbox is to hear of an arena one event.
    private mutating func takeItems(of arena: RecordArena) {
        for index in lanes.indices where !lanes[index].items.isEmpty {
            let notice = CommitNotice(arena: arena, items: lanes[index].items)
            lanes[index].items = []
            lanes[index].events.append(.committed(notice))
        }
    }

    /// Notes who hears of a record: the attached recipients and whoever waits for the answer. An answer and an entry
    /// for the same mailbox are one item.
    @inline(__always)
    private mutating func route(
        _ record: RecordView, _ entry: RecordArena.Entry, sender: Int?, replies: [ReplyAddress]
    ) {
        var reply = entry.reply
        let replyLane = reply == RecordArena.Entry.noReply ? -1 : Int(replies[Int(reply)].mailbox.rawValue)
        if record.kind?.isEntry == true, record.status == .stored {
            for (index, slot) in numbering.recipients.enumerated() {
                guard !numbering.users[slot].attachments.isEmpty else { continue }
                let seq = record.placement(index).seq
                numbering.users[slot].attachments.visit { attachment in
                    let lane = Int(attachment.mailbox)
                    let isAnswer = slot == sender && lane == replyLane
                    lanes[lane].items.append(
                        CommitNotice.Item(
                            record: entry.offset, reply: isAnswer ? reply : RecordArena.Entry.noReply,
                            attachment: attachment.token, seq: seq))
                    if isAnswer { reply = RecordArena.Entry.noReply }
                }
            }
        }
        if record.has(.isForMembers), record.status == .stored {
            for lane in lanes.indices { lanes[lane].items.append(CommitNotice.Item(forMembers: entry.offset)) }
        }
        guard reply != RecordArena.Entry.noReply else { return }
        let isPosition = record.kind == .confirm || record.kind == .read
        lanes[replyLane].items.append(
            CommitNotice.Item(
                record: entry.offset, reply: reply, attachment: CommitNotice.Item.noAttachment,
                seq: isPosition ? record.cseq : record.senderSeq))
    }

    private mutating func mark(_ user: Identifier, own: RecordArena) throws(SQLiteError) {
        var marks: [(entry: RecordArena.Entry, slot: Int?, recipients: [Int])] = []
        try numbering.mark(user, in: own) { numbering, entry, slot in
            marks.append((entry, slot, numbering.recipients))
        }
        for mark in marks {
            numbering.recipients = mark.recipients
            route(own.record(at: mark.entry.offset), mark.entry, sender: mark.slot, replies: [])
        }
    }

    private mutating func number(_ attach: AttachRequest, own: RecordArena) throws(SQLiteError) {
        let slot = try numbering.slot(of: attach.user)
        numbering.setAttachment(slot, token: attach.token, mailbox: attach.mailbox.rawValue)
        let floor = numbering.users[slot].floor
        let confirmed = try numbering.confirmed(by: attach.device, user: slot)
        if confirmed == nil {
            // Numbered at once: what follows in this round can't confirm its entries away any more.
            own.appendConfirm(user: attach.user, device: attach.device, seq: floor, reply: nil)
            if let entry = own.entries.last { _ = try numbering.number(own.record(at: entry.offset)) }
        }
        // Before the head is told, so that whoever resumes or fetches finds the marks among the entries.
        try mark(attach.user, own: own)
        let reply = AttachReply(head: numbering.users[slot].head, confirmed: confirmed ?? floor)
        lanes[Int(attach.mailbox.rawValue)].events.append(.attached(ticket: attach.ticket, reply: .success(reply)))
    }

    private mutating func takeEvents() -> [[StoreEvent]] {
        var events: [[StoreEvent]] = []
        events.reserveCapacity(lanes.count)
        for index in lanes.indices {
            events.append(lanes[index].events)
            lanes[index].events = []
            lanes[index].items = []
        }
        return events
    }

    // MARK: Failure

    private mutating func fail(
        _ requests: [JournalRequest], _ failure: JournalFailure, _ committedBefore: UInt64
    ) -> JournalRound {
        numbering.undo()
        lastBatch = committedBefore
        if failure.isFatal { refuse(failure.error) }
        return answerFailure(requests, failure.storeError)
    }

    private mutating func refuse(_ error: SQLiteError) {
        refusal = .unavailable("the journal stopped after a disk error and needs a restart: \(error)")
    }

    private mutating func answerFailure(_ requests: [JournalRequest], _ error: StoreError) -> JournalRound {
        _ = takeEvents()
        for request in requests {
            switch request {
            case .batch(let arena):
                let notice = FailureNotice(arena: arena, error: error)
                for mailbox in Set(arena.replies.map(\.mailbox)) {
                    lanes[Int(mailbox.rawValue)].events.append(.failed(notice))
                }
            case .attach(let attach):
                let event = StoreEvent.attached(ticket: attach.ticket, reply: .failure(error))
                lanes[Int(attach.mailbox.rawValue)].events.append(event)
            case .detach(let user, let mailbox):
                if let slot = numbering.slotInMemory(of: user) {
                    numbering.removeAttachment(slot, mailbox: mailbox.rawValue)
                }
            case .mark(let mark):
                let event = StoreEvent.marked(ticket: mark.ticket, failure: error)
                lanes[Int(mark.mailbox.rawValue)].events.append(event)
            case .notices: break
            }
        }
        var round = JournalRound(events: takeEvents())
        round.failure = error
        return round
    }
}
