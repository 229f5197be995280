internal import Synchronization

/// How many attempts there may be at once, and how fast they come back.
struct Allowance: Sendable {
    let burst: UInt64
    /// Nanoseconds after which one more is allowed.
    let refill: UInt64

    /// - Parameter refill: milliseconds after which one more is allowed.
    init(burst: UInt64, refill: UInt64) {
        self.burst = burst
        self.refill = refill * 1_000_000
    }

    /// So many a second, and what comes together within ten seconds.
    ///
    /// - Parameter atLeast: the least burst, for what is counted in large pieces.
    init(perSecond rate: Int, atLeast least: Int = 1) {
        burst = UInt64(max(rate * TrafficLimits.burstSeconds, least))
        refill = 1_000_000_000 / UInt64(rate)
    }
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

    /// Takes one attempt, or what counts as several.
    ///
    /// - Parameter now: milliseconds of a clock that never goes back.
    /// - Returns: nil if it is allowed, else the milliseconds until it is, with nothing taken.
    func take(_ key: some Hashable, cost: Int = 1, now: UInt64) -> UInt64? {
        slots.withLock { slots in
            let slot = Throttle.slot(of: key, slots.count)
            let now = now * 1_000_000
            let whole = max(slots[slot], now) + allowance.refill * UInt64(cost)
            let latest = now + allowance.burst * allowance.refill
            guard whole <= latest else { return (whole - latest + 999_999) / 1_000_000 }
            slots[slot] = whole
            return nil
        }
    }

    /// Gives back an attempt that was taken.
    func giveBack(_ key: some Hashable) {
        slots.withLock { slots in
            let slot = Throttle.slot(of: key, slots.count)
            slots[slot] -= min(slots[slot], allowance.refill)
        }
    }

    /// By a hash that is keyed per process: nobody can choose keys that share a slot.
    private static func slot(of key: some Hashable, _ count: Int) -> Int {
        Int(UInt(bitPattern: key.hashValue) % UInt(count))
    }
}
