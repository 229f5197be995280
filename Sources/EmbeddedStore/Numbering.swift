internal import Base
internal import Store

/// Gives the numbers: ids, places in conversations and inboxes; and recognises what was sent before.
///
/// Everything it changes since ``begin(batch:now:)`` can be taken back by ``undo()``, since numbers of a batch that
/// didn't reach the disk must be given again: a hole in a sequence would never close.
struct Numbering: ~Copyable {
    private(set) var users = UserTable()
    private var conversations = ConversationTable()
    private var recent = RecentlySent()
    private var deviceNames = IdentifierPacker()
    private var lookup: IndexLookup
    private var next: Counters
    private var log: [Change] = []
    private var before: Counters
    private var batch: UInt64 = 0
    private var now: UInt64 = 0
    /// Slots of the last numbered record's recipients, in the order of its placements.
    private(set) var recipients: [Int] = []

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

    private enum Change {
        case newUser(Int)
        case newConversation(Int)
        case userHead(Int)
        case conversationHead(Int)
        case sent(Int, SentWindow.Addition)
        case device(Int, index: Int, confirmed: UInt64, floor: UInt64)
        case newDevice(Int)
        case attachments(Int, Attachments)
    }

    init(lookup: consuming IndexLookup, counters: Counters) {
        self.lookup = lookup
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
        guard let kind = record.kind, let sender = try kind == .read ? slotIfKnown(of: name) : slot(of: name) else {
            record.setStatus(.refused)
            return nil
        }
        switch kind {
        case .message: try numberMessage(record, sender: sender)
        case .confirm: try numberConfirm(record, user: sender)
        case .seen:
            touch(sender)
            record.setOwners(conversation: 0, sender: users[sender].number, destination: 0)
            record.setStatus(.stored)
        case .read: try numberRead(record, reader: sender)
        }
        // An attachment in the same round may have made the sender known, and has no record of its own.
        let isNew = users[sender].number >= before.user
        if isNew || next.user != known.user || next.conversation != known.conversation { record.setIntroducesNames() }
        return sender
    }

    private mutating func numberMessage(_ record: RecordView, sender: Int) throws(SQLiteError) {
        let cid = record.unsafeCid
        let hash = cid.isEmpty ? 0 : StableHash.cid(cid)
        if !cid.isEmpty, let stored = try duplicate(hash, sender: sender) {
            record.setNumbers(id: stored.id, cseq: stored.cseq, time: MessageID.time(stored.id), senderSeq: stored.seq)
            record.setStatus(.duplicate)
            return
        }
        let destination = try collectRecipients(record, sender: sender)
        let conversation = try conversationSlot(record, sender: sender, destination: destination)
        next.lastID = MessageID.next(after: next.lastID, now: now)
        conversations[conversation].head += 1
        conversations[conversation].lastBatch = batch
        log.append(.conversationHead(conversation))
        var senderSeq: UInt64 = 0
        for (index, slot) in recipients.enumerated() {
            let (number, seq) = advance(slot)
            record.setPlacement(index, user: number, seq: seq)
            if slot == sender { senderSeq = seq }
        }
        let cseq = conversations[conversation].head
        let time = MessageID.time(next.lastID)
        record.setNumbers(id: next.lastID, cseq: cseq, time: time, senderSeq: senderSeq)
        record.setOwners(
            conversation: conversations[conversation].number, sender: users[sender].number,
            destination: destination.map { users[$0].number } ?? 0)
        record.setStatus(.stored)
        guard !cid.isEmpty else { return }
        let key = SentKey(user: users[sender].number, hash: hash)
        recent.add(key, SentEntry(id: next.lastID, cseq: cseq, seq: senderSeq), batch: batch)
        touch(sender)
        log.append(.sent(sender, users[sender].window.add(hash)))
    }

    /// Fills ``recipients``; returns the destination's slot if it is a user.
    private mutating func collectRecipients(_ record: RecordView, sender: Int) throws(SQLiteError) -> Int? {
        if record.namesRecipients {
            try record.forEachRecipient { (_, name) throws(SQLiteError) in recipients.append(try slot(of: name)) }
            return record.command == RecordView.groupCommand ? nil : try slot(of: record.destination)
        }
        if record.command == RecordView.groupCommand { return nil }
        let destination = record.placementCount == 1 ? sender : try slot(of: record.destination)
        if record.placementCount > 0 { recipients.append(sender) }
        if record.placementCount > 1 { recipients.append(destination) }
        return destination
    }

    @inline(__always)
    private mutating func advance(_ slot: Int) -> (number: UInt64, seq: UInt64) {
        users[slot].head += 1
        users[slot].lastBatch = batch
        log.append(.userHead(slot))
        return (users[slot].number, users[slot].head)
    }

    /// Keeps the user in memory until the current batch is folded.
    private mutating func touch(_ slot: Int) { users[slot].lastBatch = batch }

    private mutating func duplicate(_ hash: UInt64, sender: Int) throws(SQLiteError) -> SentEntry? {
        if !users[sender].window.isLoaded {
            let hashes = try lookup.sentHashes(of: users[sender].number, now: now)
            for hash in hashes { _ = users[sender].window.add(hash) }
            users[sender].window.isLoaded = true
        }
        guard users[sender].window.mayContain(hash) else { return nil }
        let key = SentKey(user: users[sender].number, hash: hash)
        var found = recent.find(key)
        if found == nil { found = try lookup.sent(key, now: now) }
        guard let found, MessageID.time(found.id) + Limits.cidWindowMilliseconds >= now else { return nil }
        return found
    }

    private mutating func numberConfirm(_ record: RecordView, user: Int) throws(SQLiteError) {
        try loadDevices(user)
        let device = try deviceIndex(record.destination, user: user)
        let state = users[user].devices.unsafelyUnwrapped[device]
        let position = max(state.confirmed, min(record.cseq, users[user].head))
        log.append(.device(user, index: device, confirmed: state.confirmed, floor: users[user].floor))
        users[user].devices?[device].confirmed = position
        users[user].floor = max(users[user].floor, users[user].devices?.confirmedByAll ?? 0)
        touch(user)
        record.setNumbers(id: 0, cseq: position, time: record.time, senderSeq: users[user].floor)
        record.setOwners(conversation: 0, sender: users[user].number, destination: 0)
        record.setStatus(.stored)
    }

    private mutating func numberRead(_ record: RecordView, reader: Int) throws(SQLiteError) {
        var name: ConversationName?
        if record.command == RecordView.groupCommand {
            name = .group(record.destination)
        } else if let other = try slotIfKnown(of: record.destination) {
            name = privately(users[reader].number, users[other].number)
        }
        guard let name, let conversation = try existing(name) else {
            record.setStatus(.refused)
            return
        }
        touch(reader)
        let position = min(record.cseq, conversations[conversation].head)
        record.setNumbers(id: 0, cseq: position, time: record.time, senderSeq: 0)
        record.setOwners(
            conversation: conversations[conversation].number, sender: users[reader].number, destination: 0)
        record.setStatus(.stored)
    }

    // MARK: Users and devices

    /// The state of a user, read from the index or made if need be.
    mutating func slot(of name: Identifier) throws(SQLiteError) -> Int {
        if let slot = try slotIfKnown(of: name) { return slot }
        var state = UserState(number: next.user, name: name, head: 0, floor: 0)
        state.lastBatch = batch
        state.window.isLoaded = true
        state.devices = DeviceList.none
        next.user += 1
        let slot = users.insert(state, hash: name.hash64)
        log.append(.newUser(slot))
        return slot
    }

    private mutating func slotIfKnown(of name: Identifier) throws(SQLiteError) -> Int? {
        let hash = name.hash64
        if let slot = users.find(name, hash: hash) { return slot }
        return try lookup.user(name).map { users.insert($0, hash: hash) }
    }

    /// The state of a user who is in memory.
    func slotInMemory(of name: Identifier) -> Int? { users.find(name, hash: name.hash64) }

    private mutating func loadDevices(_ user: Int) throws(SQLiteError) {
        guard users[user].devices == nil else { return }
        let devices = try lookup.devices(of: users[user].number)
        users[user].devices = devices
    }

    /// A device's place in its user's list. One that is new starts at the user's floor.
    private mutating func deviceIndex(_ name: Identifier, user: Int) throws(SQLiteError) -> Int {
        var devices = users[user].devices ?? .none
        if let index = devices.index(of: name) { return index }
        let index = devices.append(DeviceState(name: deviceNames.pack(name), confirmed: users[user].floor))
        users[user].devices = devices
        log.append(.newDevice(user))
        return index
    }

    /// Up to where a device has confirmed; nil if it was never seen.
    mutating func confirmed(by device: Identifier, user: Int) throws(SQLiteError) -> UInt64? {
        try loadDevices(user)
        guard let devices = users[user].devices else { return nil }
        return devices.index(of: device).map { devices[$0].confirmed }
    }

    mutating func setAttachment(_ user: Int, token: UInt32, mailbox: UInt16) {
        log.append(.attachments(user, users[user].attachments))
        users[user].attachments.set(token, mailbox: mailbox)
    }

    mutating func removeAttachment(_ user: Int, mailbox: UInt16) {
        log.append(.attachments(user, users[user].attachments))
        users[user].attachments.remove(mailbox: mailbox)
    }

    // MARK: Conversations

    private func privately(_ first: UInt64, _ second: UInt64) -> ConversationName {
        .privately(min(first, second), max(first, second))
    }

    /// - Parameter destination: nil if it is a group.
    private mutating func conversationSlot(
        _ record: RecordView, sender: Int, destination: Int?
    ) throws(SQLiteError) -> Int {
        let name: ConversationName =
            if let destination {
                privately(users[sender].number, users[destination].number)
            } else {
                .group(record.destination)
            }
        if let slot = try existing(name) { return slot }
        let state = ConversationState(name, number: next.conversation, head: 0)
        next.conversation += 1
        let slot = conversations.insert(state, name)
        log.append(.newConversation(slot))
        return slot
    }

    private mutating func existing(_ name: ConversationName) throws(SQLiteError) -> Int? {
        if let slot = conversations.find(name) { return slot }
        // A conversation of a user who is new can't be in the index: no need to ask.
        if case .privately(_, let newer) = name, newer >= before.user { return nil }
        return try lookup.conversation(name).map { conversations.insert($0, name) }
    }

    // MARK: After the commit

    /// Takes back everything since ``begin(batch:now:)``.
    mutating func undo() {
        for change in log.reversed() {
            switch change {
            case .newUser(let slot): users.remove(slot)
            case .newConversation(let slot): conversations.remove(slot)
            case .userHead(let slot): users[slot].head -= 1
            case .conversationHead(let slot): conversations[slot].head -= 1
            case .sent(let slot, let addition):
                users[slot].window.take(back: addition)
                recent.removeLast()
            case .device(let slot, let index, let confirmed, let floor):
                users[slot].devices?[index].confirmed = confirmed
                users[slot].floor = floor
            case .newDevice(let slot): users[slot].devices?.removeLast()
            case .attachments(let slot, let attachments): users[slot].attachments = attachments
            }
        }
        log.removeAll(keepingCapacity: true)
        next = before
    }

    /// Gives back scratch memory. Between rounds only.
    mutating func releaseSpareMemory() {
        log = []
        guesses = []
    }

    /// Forgets what the index has, when there is more in memory than wanted.
    mutating func folded(through batch: UInt64, cacheMax: Int) {
        recent.folded(through: batch)
        let stepsAtATime = 1024
        if users.count > cacheMax { users.evict(foldedThrough: batch, steps: stepsAtATime) }
        if conversations.count > cacheMax { conversations.evict(foldedThrough: batch, steps: stepsAtATime) }
    }
}
