/// The schedule of an open loop: when each message should go out, whether or not the answers come.
///
/// Latency counts from these instants, not from when the generator got to it: a server that stalls for a second is
/// charged for every message of that second (no coordinated omission).
package struct Pace: Sendable, Equatable {
    /// Stamp of the first message.
    private let start: UInt64
    private let messagesPerSecond: Double
    /// Messages that were taken.
    package private(set) var taken: UInt64 = 0

    /// - Parameter messagesPerSecond: above 0.
    package init(start: UInt64, messagesPerSecond: Double) {
        precondition(messagesPerSecond > 0)
        self.start = start
        self.messagesPerSecond = messagesPerSecond
    }

    /// When the next message should go out. Computed from its number, so that rounding doesn't add up.
    package var next: UInt64 { start + UInt64(Double(taken) * 1e9 / messagesPerSecond) }

    /// Takes the next message if its time has come: its intended time.
    package mutating func take(now: UInt64) -> UInt64? {
        let next = next
        guard next <= now else { return nil }
        taken += 1
        return next
    }
}
