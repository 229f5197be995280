/// Deadlines of connections in whole seconds: one entry a connection, moved on lazily when it comes up.
///
/// Nothing is cancelled and nothing is touched when a message passes; whoever comes up says when it wants to be
/// looked at next. Scheduling and firing cost O(1).
package struct TimerWheel {
    /// One more than the longest delay in seconds.
    package static let slotCount = 256

    private var slots: [[UInt64]] = Array(repeating: [], count: TimerWheel.slotCount)
    /// The tick that was fired last.
    package private(set) var tick: UInt64
    package private(set) var count = 0

    package init(tick: UInt64) { self.tick = tick }

    /// Puts `token` where it comes up in `seconds` (1…255).
    package mutating func schedule(_ token: UInt64, in seconds: UInt64) {
        let delay = min(max(seconds, 1), UInt64(TimerWheel.slotCount - 1))
        slots[Int((tick + delay) % UInt64(TimerWheel.slotCount))].append(token)
        count += 1
    }

    /// Gives back what slots keep beyond what is in them.
    mutating func releaseSpareMemory() {
        for index in slots.indices where slots[index].capacity > slots[index].count * 2 {
            slots[index] = slots[index].isEmpty ? [] : Array(slots[index][...])
        }
    }

    /// Moves one tick on and takes what comes up in it into `due`, whose memory is re-used.
    package mutating func advance(into due: inout [UInt64]) {
        tick += 1
        due.removeAll(keepingCapacity: true)
        swap(&due, &slots[Int(tick % UInt64(TimerWheel.slotCount))])
        count -= due.count
    }
}
