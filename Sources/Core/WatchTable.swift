internal import Base
internal import Store

/// What the sessions of this loop watch, beside the sessions: one that watches nobody takes nothing here.
///
/// Changes are noted for each session and told once a second, so that it is told how things stand then.
struct WatchTable {
    /// A user whom sessions here watch.
    private struct Watched {
        let user: Identifier
        var isOnline: Bool
        var lastSeen: UInt64
        /// Handles of sessions.
        var watchers: Set<UInt64> = []
    }

    /// What one session watches, as slots of ``watched``.
    private struct List {
        var slots: Set<UInt32> = []
        var changed: Set<UInt32> = []
    }

    private var slots: [Identifier: UInt32] = [:]
    private var watched: [Watched?] = []
    private var free: [UInt32] = []
    private var lists: [UInt64: List] = [:]
    /// Sessions that are to be told something.
    private var waiting: Set<UInt64> = []
    /// When sessions are told next.
    private var nextTelling: UInt64 = 0
    /// Watches of all sessions together.
    private(set) var count = 0

    var isEmpty: Bool { lists.isEmpty }

    /// How many of these users the session doesn't watch yet, each counted once.
    func news(_ users: Set<Identifier>, for session: UInt64) -> Int {
        guard let list = lists[session] else { return users.count }
        return users.count { slots[$0].map { !list.slots.contains($0) } ?? true }
    }

    /// How many users the session watches.
    func count(of session: UInt64) -> Int { lists[session]?.slots.count ?? 0 }

    /// How a user stands, as far as the watchers here were told; nil if nobody here watches.
    func state(of user: Identifier) -> PresenceChange? {
        guard let slot = slots[user], let watched = watched[Int(slot)] else { return nil }
        return PresenceChange(user: user, isOnline: watched.isOnline, lastSeen: watched.lastSeen)
    }

    /// Adds a watch; true if it is the first of that user, whose home must be told.
    ///
    /// - Parameter state: how the user stands as far as anyone knows before the home has answered.
    mutating func add(_ state: PresenceChange, for session: UInt64) -> Bool {
        let known = slots[state.user]
        let slot = known ?? makeSlot(state)
        guard lists[session, default: List()].slots.insert(slot).inserted else { return false }
        watched[Int(slot)]?.watchers.insert(session)
        count += 1
        return known == nil
    }

    private mutating func makeSlot(_ state: PresenceChange) -> UInt32 {
        let entry = Watched(user: state.user, isOnline: state.isOnline, lastSeen: state.lastSeen)
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
            watched[Int(slot)] = entry
        } else {
            slot = UInt32(watched.count)
            watched.append(entry)
        }
        slots[state.user] = slot
        return slot
    }

    /// Ends a watch; true if nobody here watches that user any more, whose home must be told.
    mutating func remove(_ user: Identifier, for session: UInt64) -> Bool {
        guard let slot = slots[user], lists[session]?.slots.remove(slot) != nil else { return false }
        lists[session]?.changed.remove(slot)
        if lists[session]?.slots.isEmpty ?? false { forget(session) }
        return part(session, from: slot) != nil
    }

    /// Ends all watches of a session; returns whom nobody here watches any more.
    mutating func removeAll(for session: UInt64) -> [Identifier] {
        guard let list = lists[session] else { return [] }
        forget(session)
        return list.slots.compactMap { part(session, from: $0) }
    }

    private mutating func forget(_ session: UInt64) {
        lists[session] = nil
        waiting.remove(session)
    }

    private mutating func part(_ session: UInt64, from slot: UInt32) -> Identifier? {
        count -= 1
        watched[Int(slot)]?.watchers.remove(session)
        guard let left = watched[Int(slot)], left.watchers.isEmpty else { return nil }
        watched[Int(slot)] = nil
        slots[left.user] = nil
        free.append(slot)
        return left.user
    }

    /// Takes what a user's home tells, and notes it for the watchers if it is news to them.
    mutating func take(_ change: PresenceChange) {
        guard let slot = slots[change.user], var entry = watched[Int(slot)] else { return }
        entry.lastSeen = max(entry.lastSeen, change.lastSeen)
        let isNews = entry.isOnline != change.isOnline
        entry.isOnline = change.isOnline
        watched[Int(slot)] = entry
        guard isNews else { return }
        for session in entry.watchers {
            lists[session]?.changed.insert(slot)
            waiting.insert(session)
        }
    }

    /// Notes what a session was told by an answer: how these users stand needn't be told it again.
    mutating func told(_ states: [PresenceChange], to session: UInt64) {
        guard lists[session] != nil else { return }
        for state in states {
            guard let slot = slots[state.user], lists[session]?.slots.contains(slot) == true else { continue }
            watched[Int(slot)]?.isOnline = state.isOnline
            lists[session]?.changed.remove(slot)
        }
    }

    /// The sessions that are to be told something now: none within a second of the last time.
    mutating func due(now: UInt64) -> [UInt64] {
        guard !waiting.isEmpty, now >= nextTelling || nextTelling - now > 1_000 else { return [] }
        nextTelling = now + 1_000
        return Array(waiting)
    }

    /// What a session is to be told; it counts as told.
    mutating func takeChanges(for session: UInt64) -> [PresenceChange] {
        waiting.remove(session)
        guard let changed = lists[session]?.changed else { return [] }
        lists[session]?.changed = []
        return changed.compactMap { slot in
            watched[Int(slot)].map { PresenceChange(user: $0.user, isOnline: $0.isOnline, lastSeen: $0.lastSeen) }
        }
    }

    mutating func releaseSpareMemory() { if lists.isEmpty { self = WatchTable() } }
}
