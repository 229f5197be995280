internal import Base
internal import Store
internal import Wire

/// The questions that the journal asks the index when its memory doesn't know.
///
/// What it finds is current: only what is folded is ever forgotten, so nothing newer waits in the journal.
struct IndexLookup: ~Copyable {
    private let snapshot: Snapshot
    private let runs: RunReader
    private var positions: Positions
    private let user: Statement
    private let conversation: Statement
    private let devices: Statement
    private let places: Statement
    private let recalled: Statement
    private let userGroups: Statement
    private let members: Statement
    private let mark: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let snapshot = try Snapshot(connection)
        let runs = try RunReader(connection)
        let positions = try Positions(connection)
        let user = try connection.prepare("SELECT number FROM users WHERE name = ?1")
        let conversation = try connection.prepare("SELECT number FROM conversations WHERE owner = ?1 AND peer = ?2")
        let devices = try connection.prepare("SELECT device, confirmed FROM devices WHERE user = ?1")
        let places = try connection.prepare("SELECT cseq, seq FROM messages WHERE id = ?1")
        let recalled = try connection.prepare(
            "SELECT 1 FROM messages WHERE id = ?1 AND content = ?2 AND length(body) = length(?3) AND body = ?3")
        let userGroups = try connection.prepare("SELECT group_id FROM members WHERE user = ?1")
        let members = try connection.prepare("SELECT user FROM members WHERE group_id = ?1")
        let mark = try connection.prepare("SELECT cseq FROM marks WHERE user = ?1 AND conversation = ?2")
        self.snapshot = snapshot
        self.runs = runs
        self.positions = positions
        self.user = user
        self.conversation = conversation
        self.devices = devices
        self.places = places
        self.recalled = recalled
        self.userGroups = userGroups
        self.members = members
        self.mark = mark
    }

    mutating func user(_ name: Identifier) throws(SQLiteError) -> UserState? {
        defer { user.reset() }
        user.bindCopy(1, name.description)
        guard try user.step() else { return nil }
        let number = user.unsigned(0)
        positions.begin()
        return UserState(
            number: number, name: name, head: try positions.user(number, .head),
            floor: try positions.user(number, .floor))
    }

    mutating func conversation(_ name: ConversationName) throws(SQLiteError) -> ConversationState? {
        defer { conversation.reset() }
        switch name {
        case .privately(let first, let second):
            conversation.bind(1, first)
            conversation.bind(2, second)
        case .group(let group):
            conversation.bind(1, 0)
            conversation.bindCopy(2, group.description)
        }
        guard try conversation.step() else { return nil }
        let number = conversation.unsigned(0)
        positions.begin()
        return ConversationState(name, number: number, head: try positions.conversation(number).head)
    }

    func devices(of number: UInt64) throws(SQLiteError) -> DeviceList {
        defer { devices.reset() }
        devices.bind(1, number)
        var found = DeviceList.empty
        while try devices.step() {
            guard let name = Identifier(devices.text(0)) else {
                throw SQLiteError(corrupt: "switchboard.db: a device of user \(number) has no valid name")
            }
            _ = found.append(DeviceState(name: PackedIdentifier(name), confirmed: devices.unsigned(1)))
        }
        return found
    }

    /// The groups that a user is a member of now.
    func groups(of user: Identifier) throws(SQLiteError) -> [Identifier] { try identifiers(userGroups, user) }

    func members(of group: Identifier) throws(SQLiteError) -> [Identifier] { try identifiers(members, group) }

    private func identifiers(
        _ rows: borrowing Statement, _ key: Identifier
    ) throws(SQLiteError) -> [Identifier] {
        defer { rows.reset() }
        rows.bindCopy(1, key.description)
        var found: [Identifier] = []
        while try rows.step() {
            guard let name = Identifier(rows.text(0)) else {
                throw SQLiteError(corrupt: "switchboard.db: \(key) has a member or a group that isn't valid")
            }
            found.append(name)
        }
        return found
    }

    /// Up to where a user's inbox tells of a conversation's messages; 0 if it never did.
    func told(_ user: UInt64, _ conversation: UInt64) throws(SQLiteError) -> UInt64 {
        defer { mark.reset() }
        mark.bind(1, user)
        mark.bind(2, conversation)
        return try mark.step() ? mark.unsigned(0) : 0
    }

    /// Whether the index has a message as recalled.
    func isRecalled(_ message: UInt64) throws(SQLiteError) -> Bool {
        defer { recalled.reset() }
        recalled.bind(1, message)
        recalled.bind(2, Int(BodyForm.members.rawValue))
        recalled.bind(3, blob: MessageMembers.recalled)
        return try recalled.step()
    }

    /// The `cid` hashes of a sender's last messages within the window's time, oldest first.
    func sentHashes(of number: UInt64, now: UInt64) throws(SQLiteError) -> [UInt64] {
        var hashes: [UInt64] = []
        try recent(number, now: now) { (_, hash) in
            hashes.append(hash)
            return true
        }
        return hashes.reversed()
    }

    func sent(_ key: SentKey, now: UInt64) throws(SQLiteError) -> SentEntry? {
        var id: UInt64?
        try recent(key.user, now: now) { (position, hash) in
            if hash == key.hash { id = position }
            return id == nil
        }
        guard let id else { return nil }
        defer { places.reset() }
        places.bind(1, id)
        guard try places.step() else {
            throw SQLiteError(corrupt: "switchboard.db: message \(id) is missing")
        }
        return SentEntry(id: id, cseq: places.unsigned(0), seq: places.unsigned(1))
    }

    /// Calls `body` with the ids and hashes of what the window may still need, newest first, until it answers false.
    private func recent(_ user: UInt64, now: UInt64, _ body: (UInt64, UInt64) -> Bool) throws(SQLiteError) {
        let first = MessageID.first(at: now - min(now, Limits.cidWindowMilliseconds))
        var rest = Limits.cidWindowMessages
        try snapshot.begin()
        do {
            try runs.backward(.sent, owner: user, before: UInt64(Int64.max)) { (id, hash) in
                rest -= 1
                return rest >= 0 && id >= first && body(id, hash)
            }
        } catch {
            snapshot.abandon()
            throw error
        }
        try snapshot.end()
    }
}

/// Message ids: milliseconds since the start of 2024, then 12 bits that count. 2^53 is reached in the year 2093.
enum MessageID {
    private static let epoch: UInt64 = 1_704_067_200_000

    /// An id for a message stored now, above every one before it, whatever the clock does.
    @inline(__always)
    static func next(after last: UInt64, now: UInt64) -> UInt64 {
        max(last + 1, (now > epoch ? now - epoch : 0) << 12)
    }

    /// The smallest id of a message of `time` or later.
    static func first(at time: UInt64) -> UInt64 { (time > epoch ? time - epoch : 0) << 12 }

    /// The message's time. It is that of its id, so it never runs backwards either.
    @inline(__always)
    static func time(_ id: UInt64) -> UInt64 { (id >> 12) + epoch }
}
