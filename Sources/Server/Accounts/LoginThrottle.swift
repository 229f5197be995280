internal import Synchronization

/// How many attempts there may be at once, and how fast they come back.
struct Allowance: Sendable {
    var burst: UInt64
    /// Milliseconds after which one more is allowed.
    var refill: UInt64
}

/// Counts attempts by key, in a fixed amount of memory: a key is a slot by hash, and keys that share one share its
/// allowance. A slot holds the time at which its whole allowance is back. *Thread:* any.
final class Throttle: Sendable {
    private let allowance: Allowance
    private let slots: Mutex<[UInt64]>

    init(_ allowance: Allowance, slots: Int = 1 << 14) {
        self.allowance = allowance
        self.slots = Mutex(Array(repeating: 0, count: slots))
    }

    /// Takes one attempt.
    ///
    /// - Parameter now: milliseconds of a clock that never goes back.
    /// - Returns: nil if it is allowed, else the milliseconds until it is, with nothing taken.
    func take(_ key: String, now: UInt64) -> UInt64? {
        slots.withLock { slots in
            let slot = Throttle.slot(of: key, slots.count)
            let whole = max(slots[slot], now) + allowance.refill
            let latest = now + allowance.burst * allowance.refill
            guard whole <= latest else { return whole - latest }
            slots[slot] = whole
            return nil
        }
    }

    /// Gives back an attempt that was taken.
    func giveBack(_ key: String) {
        slots.withLock { slots in
            let slot = Throttle.slot(of: key, slots.count)
            slots[slot] -= min(slots[slot], allowance.refill)
        }
    }

    /// By a hash that is keyed per process: nobody can choose keys that share a slot.
    private static func slot(of key: String, _ count: Int) -> Int {
        Int(UInt(bitPattern: key.hashValue) % UInt(count))
    }
}

/// What keeps passwords from being guessed and accounts from being made by the thousand: failures of each account and
/// of each address are limited, and so is what an address registers.
final class LoginThrottle: Sendable {
    private let accounts = Throttle(Allowance(burst: 10, refill: 30_000))
    private let addresses = Throttle(Allowance(burst: 50, refill: 3_000))
    private let registrations = Throttle(Allowance(burst: 1_000, refill: 10_000))

    /// Takes an attempt at a password; it counts unless it is given back.
    ///
    /// - Returns: milliseconds to wait if it isn't allowed.
    func attempt(at account: String, from address: String, now: UInt64) -> UInt64? {
        if let wait = accounts.take(account, now: now) { return wait }
        guard let wait = addresses.take(address, now: now) else { return nil }
        accounts.giveBack(account)
        return wait
    }

    /// Gives an attempt back that succeeded, or came to nothing: only failures count.
    func giveBack(at account: String, from address: String) {
        accounts.giveBack(account)
        addresses.giveBack(address)
    }

    func registration(from address: String, now: UInt64) -> UInt64? { registrations.take(address, now: now) }
}
