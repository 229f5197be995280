internal import Synchronization

/// Counts connections by where they come from, in a fixed amount of memory: an origin is a slot by hash, and those
/// that share one are counted together. *Thread:* any.
package final class ConnectionCounts: Sendable {
    /// The slot that a connection counts in; 0 for none.
    package typealias Place = UInt32

    private let counts: Mutex<[UInt32]>
    private let slots: Int

    package init(slots: Int = 1 << 16) {
        self.slots = slots
        counts = Mutex(Array(repeating: 0, count: slots))
    }

    /// Counts a connection; nil if its origin has `max` already.
    package func take(_ origin: String, max: Int) -> Place? {
        // Keyed per process: nobody can choose origins that share a slot.
        let slot = Int(UInt(bitPattern: origin.hashValue) % UInt(slots))
        return counts.withLock { counts in
            guard counts[slot] < max else { return nil }
            counts[slot] += 1
            return Place(slot + 1)
        }
    }

    /// A connection has ended.
    func giveBack(_ place: Place) {
        guard place > 0 else { return }
        counts.withLock { $0[Int(place) - 1] -= 1 }
    }

    /// Connections that count at a time.
    package var total: Int { counts.withLock { $0.reduce(0) { $0 + Int($1) } } }
}
