internal import Base
internal import Store

/// The questions that the journal asks the index when its memory doesn't know.
///
/// What it finds is current: only what is folded is ever forgotten, so nothing newer waits in the journal.
struct IndexLookup: ~Copyable {
    private let user: Statement
    private let conversation: Statement
    private let devices: Statement
    private let recent: Statement
    private let exact: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let user = try connection.prepare("SELECT number, head, floor FROM users WHERE name = ?1")
        let conversation = try connection.prepare(
            """
            SELECT number, (SELECT max(cseq) FROM messages WHERE conversation = number)
            FROM conversations WHERE owner = ?1 AND peer = ?2
            """)
        let devices = try connection.prepare("SELECT device, confirmed FROM devices WHERE user = ?1")
        let recent = try connection.prepare(
            "SELECT hash FROM sent WHERE hour = ?1 AND user = ?2 ORDER BY id DESC LIMIT ?3")
        let exact = try connection.prepare(
            "SELECT id, cseq, seq FROM sent WHERE hour = ?1 AND user = ?2 AND hash = ?3 ORDER BY id DESC LIMIT 1")
        self.user = user
        self.conversation = conversation
        self.devices = devices
        self.recent = recent
        self.exact = exact
    }

    func user(_ name: Identifier) throws(SQLiteError) -> UserState? {
        defer { user.reset() }
        user.bindCopy(1, name.description)
        guard try user.step() else { return nil }
        return UserState(number: user.unsigned(0), name: name, head: user.unsigned(1), floor: user.unsigned(2))
    }

    func conversation(_ name: ConversationName) throws(SQLiteError) -> ConversationState? {
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
        return ConversationState(name, number: conversation.unsigned(0), head: conversation.unsigned(1))
    }

    func devices(of number: UInt64) throws(SQLiteError) -> DeviceList {
        defer { devices.reset() }
        devices.bind(1, number)
        var found = DeviceList()
        while try devices.step() {
            guard let name = Identifier(devices.text(0)) else {
                throw SQLiteError(corrupt: "switchboard.db: a device of user \(number) has no valid name")
            }
            _ = found.append(DeviceState(name: PackedIdentifier(name), confirmed: devices.unsigned(1)))
        }
        return found
    }

    /// The `cid` hashes of a sender's last messages within the window's time, oldest first.
    func sentHashes(of number: UInt64, now: UInt64) throws(SQLiteError) -> [UInt64] {
        var hashes: [UInt64] = []
        for hour in SentHours.recent(now: now) where hashes.count < Limits.cidWindowMessages {
            defer { recent.reset() }
            recent.bind(1, hour)
            recent.bind(2, number)
            recent.bind(3, Limits.cidWindowMessages - hashes.count)
            while try recent.step() { hashes.append(recent.unsigned(0)) }
        }
        return hashes.reversed()
    }

    func sent(_ key: SentKey, now: UInt64) throws(SQLiteError) -> SentEntry? {
        for hour in SentHours.recent(now: now) {
            defer { exact.reset() }
            exact.bind(1, hour)
            exact.bind(2, key.user)
            exact.bind(3, key.hash)
            if try exact.step() {
                return SentEntry(id: exact.unsigned(0), cseq: exact.unsigned(1), seq: exact.unsigned(2))
            }
        }
        return nil
    }
}

/// The hours that `sent` is clustered by.
enum SentHours {
    private static let milliseconds: UInt64 = 3_600_000

    static func hour(_ time: UInt64) -> UInt64 { time / milliseconds }

    /// The first hour that the window may still need.
    static func first(now: UInt64) -> UInt64 {
        let window = Limits.cidWindowMilliseconds / milliseconds
        return hour(now) > window ? hour(now) - window : 0
    }

    /// Newest first.
    static func recent(now: UInt64) -> ReversedCollection<ClosedRange<UInt64>> {
        (first(now: now)...hour(now)).reversed()
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

    /// The message's time. It is that of its id, so it never runs backwards either.
    @inline(__always)
    static func time(_ id: UInt64) -> UInt64 { (id >> 12) + epoch }
}
