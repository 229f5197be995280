internal import Base
internal import Store

/// The users of this loop whom sessions watch, on whichever loop: who is to be told, and what they were told last.
struct WatchedUsers {
    private struct Watched {
        /// Loops with watchers.
        var nodes: [MailboxIndex]
        var isOnline: Bool
    }

    private var users: [Identifier: Watched] = [:]
    /// Those who dropped and may be back in a moment: when they dropped, and how long they count as online.
    private var leaving: [Identifier: (since: UInt64, until: UInt64)] = [:]
    /// When ``leaving`` is looked through next.
    private var nextLook: UInt64 = 0

    var isEmpty: Bool { users.isEmpty }
    var count: Int { users.count }

    func isWatched(_ user: Identifier) -> Bool { users[user] != nil }

    /// Notes that a loop has watchers; what they must know is the answer.
    ///
    /// - Parameters:
    ///   - hasSession: whether the user has one now.
    ///   - left: when the user last dropped, if that is known.
    mutating func add(
        _ user: Identifier, for node: MailboxIndex, hasSession: Bool, left: UInt64?, now: UInt64
    ) -> PresenceChange {
        var watched = users[user] ?? Watched(nodes: [], isOnline: hasSession)
        if watched.nodes.isEmpty, !hasSession, let left, PresenceDirectory.isGrace(since: left, now: now) {
            watched.isOnline = true
            drop(user, at: left, now: now)
        }
        if !watched.nodes.contains(node) { watched.nodes.append(node) }
        users[user] = watched
        return PresenceChange(
            user: user, isOnline: watched.isOnline, lastSeen: watched.isOnline ? 0 : left ?? 0)
    }

    /// Notes that a loop has no watchers any more.
    mutating func remove(_ user: Identifier, for node: MailboxIndex) {
        guard var watched = users[user] else { return }
        watched.nodes.removeAll { $0 == node }
        users[user] = watched.nodes.isEmpty ? nil : watched
        if watched.nodes.isEmpty { leaving[user] = nil }
    }

    /// The user has a session again; returns the loops that must hear of it.
    mutating func come(_ user: Identifier) -> [MailboxIndex] {
        guard let watched = users[user] else { return [] }
        leaving[user] = nil
        guard !watched.isOnline else { return [] }
        users[user]?.isOnline = true
        return watched.nodes
    }

    /// The user's last session has ended.
    mutating func drop(_ user: Identifier, at time: UInt64, now: UInt64) {
        expect(user, since: time, until: time + Limits.presenceGraceMilliseconds, now: now)
    }

    private mutating func expect(_ user: Identifier, since: UInt64, until: UInt64, now: UInt64) {
        if leaving.isEmpty { nextLook = now }
        leaving[user] = (since, until)
    }

    /// Notes that a watched user was here shortly before the router was started, and counts as online until then;
    /// nothing changes for one who came meanwhile. Returns how the user stands.
    mutating func resume(_ user: Identifier, since: UInt64, until: UInt64, now: UInt64) -> PresenceChange {
        guard let watched = users[user], !watched.isOnline else {
            return PresenceChange(user: user, isOnline: users[user] != nil, lastSeen: 0)
        }
        users[user]?.isOnline = true
        expect(user, since: since, until: until, now: now)
        return PresenceChange(user: user, isOnline: true, lastSeen: 0)
    }

    /// Those who didn't come back in time, and the loops that must hear of it; looks once a second.
    mutating func gone(now: UInt64) -> [(change: PresenceChange, nodes: [MailboxIndex])] {
        guard !leaving.isEmpty, now >= nextLook || nextLook - now > 1_000 else { return [] }
        nextLook = now + 1_000
        var gone: [(change: PresenceChange, nodes: [MailboxIndex])] = []
        for (user, time) in leaving
        where now >= time.until || time.since >= now + Limits.presenceGraceMilliseconds {
            guard let watched = users[user] else { continue }
            users[user]?.isOnline = false
            gone.append((PresenceChange(user: user, isOnline: false, lastSeen: time.since), watched.nodes))
        }
        for (change, _) in gone { leaving[change.user] = nil }
        return gone
    }

    mutating func releaseSpareMemory() {
        if users.isEmpty { users = [:] }
        if leaving.isEmpty { leaving = [:] }
    }
}
