package import Base
package import Store
internal import Synchronization

/// Who is online, for whatever must ask from another thread: the read side of the client maps.
///
/// It lies in stripes, so that those who look rarely wait for one who writes. Only the loop that owns a user writes
/// about it. *Thread:* any.
package final class PresenceDirectory: Sendable {
    /// Whether a user is online.
    package enum Presence: Equatable, Sendable {
        case online
        /// Gone, since a time in milliseconds.
        case left(since: UInt64)
    }

    private static let stripeCount = 256
    /// Users who went offline stay here until the store surely knows when: its index is never this far behind.
    private static let rememberedMilliseconds: UInt64 = 600_000

    private let stripes: [Stripe]

    private final class Stripe: Sendable {
        let users = Mutex(Users())
    }

    /// Users by the hashes of their ids. There are many online and few who have just left.
    private struct Users {
        var online: Set<UInt64> = []
        var left: [UInt64: UInt64] = [:]
    }

    package init() { stripes = (0..<PresenceDirectory.stripeCount).map { _ in Stripe() } }

    private func stripe(_ hash: UInt64) -> Stripe { stripes[Int(hash >> 56)] }

    /// nil: not online, and not within the last minutes either.
    package func presence(of user: Identifier) -> Presence? {
        let hash = user.hash64
        return stripe(hash).users.withLock { users in
            users.online.contains(hash) ? .online : users.left[hash].map { .left(since: $0) }
        }
    }

    /// How a user stands for others: online through the time in which a client that dropped may come back. `lastSeen`
    /// is 0 for one who is online, or if the store is to be asked.
    package func state(of user: Identifier, now: UInt64) -> PresenceChange {
        switch presence(of: user) {
        case .online: PresenceChange(user: user, isOnline: true, lastSeen: 0)
        case .left(let since) where PresenceDirectory.isGrace(since: since, now: now):
            PresenceChange(user: user, isOnline: true, lastSeen: 0)
        case .left(let since): PresenceChange(user: user, isOnline: false, lastSeen: since)
        case nil: PresenceChange(user: user, isOnline: false, lastSeen: 0)
        }
    }

    /// Whether someone who dropped then may still be back without anyone noticing. Another loop's clock may be ahead.
    static func isGrace(since: UInt64, now: UInt64) -> Bool {
        now < since + Limits.presenceGraceMilliseconds && since < now + Limits.presenceGraceMilliseconds
    }

    /// *Thread:* the loop that owns the user.
    func set(_ user: Identifier, isOnline: Bool, now: UInt64) {
        let hash = user.hash64
        stripe(hash).users.withLock { users in
            if isOnline {
                users.online.insert(hash)
                users.left[hash] = nil
            } else {
                users.online.remove(hash)
                users.left[hash] = now
            }
        }
    }

    /// Forgets users who have been offline for long; one stripe a call. *Thread:* any one.
    package func sweep(turn: Int, now: UInt64) {
        stripes[turn % PresenceDirectory.stripeCount].users.withLock { users in
            let isForgettable = { (since: UInt64) in since + PresenceDirectory.rememberedMilliseconds < now }
            guard users.left.values.contains(where: isForgettable) else { return }
            users.left = users.left.filter { !isForgettable($0.value) }
        }
    }
}
