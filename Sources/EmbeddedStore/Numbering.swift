internal import Base
internal import Store

/// Gives the numbers: ids, places in conversations and inboxes; and recognises what was sent before.
///
/// Everything it changes since ``begin(batch:now:)`` can be taken back by ``undo()``, since numbers of a batch that
/// didn't reach the disk must be given again: a hole in a sequence would never close.
struct Numbering: ~Copyable {
    var users = UserTable()
    var conversations = ConversationTable()
    var recent = RecentlySent()
    /// Recalled messages that the index may not know as such yet, with the batch of their recall.
    var recalled: [UInt64: UInt64] = [:]
    var deviceNames = IdentifierPacker()
    var marks: MarkTable
    var lookup: IndexLookup
    var next: Counters
    var log: [Change] = []
    var before: Counters
    var batch: UInt64 = 0
    var now: UInt64 = 0
    /// Slots of the last numbered record's recipients, in the order of its placements.
    var recipients: [Int] = []

    /// Scratch memory of ``warm(_:_:)``.
    private var guesses: [(sender: UInt64, destination: UInt64, senderSlot: Int?, otherSlot: Int?)] = []
    /// The sum of what was warmed up; it only keeps the compiler from leaving the loads out.
    private var warmth: UInt64 = 0

    /// Where numbering goes on; read from the index when the store is opened.
    struct Counters {
        var user: UInt64
        var conversation: UInt64
        var lastID: UInt64
    }

    init(lookup: consuming IndexLookup, counters: Counters, marks: MarkTable) {
        self.lookup = lookup
        self.marks = marks
        next = counters
        before = counters
    }

    /// Starts what ``undo()`` would take back.
    mutating func begin(batch: UInt64, now: UInt64) {
        self.batch = batch
        self.now = max(now, MessageID.time(next.lastID))
        before = next
        log.removeAll(keepingCapacity: true)
    }

    /// What is changed from here on stays in memory until `batch` is folded.
    mutating func setBatch(_ batch: UInt64) { self.batch = batch }

    // MARK: Warming up

    /// Reads what numbering these records is going to need, and does nothing with it.
    ///
    /// With many users nearly every step of numbering a message waits for memory, one load after the other. Here the
    /// loads of many messages don't depend on each other, so that the processor has a dozen of them on their way at
    /// once.
    mutating func warm(_ arena: RecordArena, _ entries: Range<Int>) {
        guesses.removeAll(keepingCapacity: true)
        for index in entries {
            let record = arena.record(at: arena.entries[index].offset)
            guesses.append((record.sender.hash64, record.destination.hash64, nil, nil))
        }
        for index in guesses.indices {
            guesses[index].senderSlot = users.guess(guesses[index].sender)
            guesses[index].otherSlot = users.guess(guesses[index].destination)
        }
        for guess in guesses {
            if let slot = guess.senderSlot { warmth &+= users.warmth(slot) }
            if let slot = guess.otherSlot { warmth &+= users.warmth(slot) }
        }
        for guess in guesses {
            guard let sender = guess.senderSlot, let other = guess.otherSlot else { continue }
            warmth &+= users[sender].window.warmth
            if let slot = conversations.guess(users[sender].number, users[other].number) {
                warmth &+= conversations.warm(slot)
            }
        }
    }

    // MARK: Records

    /// Fills in a record's numbers and status.
    ///
    /// - Returns: the slot of the user who sent it; nil if it was refused.
    mutating func number(_ record: RecordView) throws(SQLiteError) -> Int? {
        recipients.removeAll(keepingCapacity: true)
        let known = next
        // What is refused must not make anybody known: its record is never folded.
        let name = record.sender
        guard let kind = record.kind,
            let sender = try kind == .read || kind.isChange ? slotIfKnown(of: name) : slot(of: name)
        else {
            record.setStatus(.refused)
            return nil
        }
        switch kind {
        case .message: try numberMessage(record, sender: sender)
        case .confirm: try numberConfirm(record, user: sender)
        case .seen, .came:
            touch(sender)
            record.setOwners(conversation: 0, sender: users[sender].number, destination: 0)
            record.setStatus(.stored)
        case .read: try numberRead(record, reader: sender)
        case .notice: try numberNotice(record, sender: sender)
        case .edit, .recall: try numberChange(record, kind, sender: sender)
        case .release: try numberRelease(record, sender: sender)
        }
        // An attachment in the same round may have made the sender known, and has no record of its own.
        let isNew = users[sender].number >= before.user
        if isNew || next.user != known.user || next.conversation != known.conversation { record.set(.introducesNames) }
        return sender
    }

    /// Gives back scratch memory. Between rounds only.
    mutating func releaseSpareMemory() {
        log = []
        guesses = []
    }

    /// Forgets what the index has, when there is more in memory than wanted.
    mutating func folded(through batch: UInt64, cacheMax: Int) {
        recent.folded(through: batch)
        if !recalled.isEmpty { recalled = recalled.filter { $0.value > batch } }
        marks.folded(through: batch)
        let stepsAtATime = 1024
        if users.count > cacheMax { users.evict(foldedThrough: batch, steps: stepsAtATime) }
        if conversations.count > cacheMax { conversations.evict(foldedThrough: batch, steps: stepsAtATime) }
    }
}
