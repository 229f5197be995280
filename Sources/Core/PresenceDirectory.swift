package import Base
internal import Synchronization

/// Who is online, for whatever must ask from another thread: the read side of the client maps.
///
/// Each stripe holds an immutable snapshot; a reader takes it and looks at it without holding anything up. Only the
/// loop that owns a user writes about it. *Thread:* any.
package final class PresenceDirectory: Sendable {
    /// Whether a user is online, and since when that is so.
    package struct Presence: Sendable {
        package var isOnline: Bool
        /// Milliseconds; when the user came or went.
        package var since: UInt64
    }

    private static let stripeCount = 256
    /// Users who went offline stay here until the store surely knows when: its index is never this far behind.
    private static let rememberedMilliseconds: UInt64 = 600_000

    private let stripes: [Stripe]

    private final class Stripe: Sendable {
        let snapshot = Mutex<[UInt64: Packed]>([:])
    }

    /// Eight bytes instead of sixteen: there is one for each user.
    private struct Packed {
        private let bits: UInt64

        init(_ presence: Presence) { bits = presence.since << 1 | (presence.isOnline ? 1 : 0) }

        var presence: Presence { Presence(isOnline: bits & 1 != 0, since: bits >> 1) }

        func isForgettable(now: UInt64) -> Bool {
            bits & 1 == 0 && presence.since + PresenceDirectory.rememberedMilliseconds < now
        }
    }

    package init() { stripes = (0..<PresenceDirectory.stripeCount).map { _ in Stripe() } }

    private func stripe(_ hash: UInt64) -> Stripe { stripes[Int(hash >> 56)] }

    /// nil: not online, and not within the last minutes either.
    package func presence(of user: Identifier) -> Presence? {
        let hash = user.hash64
        let snapshot = stripe(hash).snapshot.withLock { $0 }
        return snapshot[hash]?.presence
    }

    /// *Thread:* the loop that owns the user.
    func set(_ user: Identifier, isOnline: Bool, now: UInt64) {
        let hash = user.hash64
        stripe(hash).snapshot.withLock { $0[hash] = Packed(Presence(isOnline: isOnline, since: now)) }
    }

    /// Forgets users who have been offline for long; one stripe a call. *Thread:* any one.
    package func sweep(turn: Int, now: UInt64) {
        stripes[turn % PresenceDirectory.stripeCount].snapshot.withLock { users in
            guard users.contains(where: { $1.isForgettable(now: now) }) else { return }
            users = users.filter { !$1.isForgettable(now: now) }
        }
    }
}
