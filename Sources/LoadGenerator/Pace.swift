/// What an open loop was asked for in an interval, and what came of it.
package struct Schedule: Sendable {
    /// Messages a second.
    package var rate: Double
    package var count: Int
    package var seconds: Double
    /// The longest time that was seen, in microseconds.
    package var longest: Double

    package init(rate: Double, count: Int, seconds: Double, longest: Double) {
        self.rate = rate
        self.count = count
        self.seconds = seconds
        self.longest = longest
    }

    /// The part of the rate below which it wasn't kept: less is what was still on its way.
    private static let kept = 0.98

    /// Whether less came than the schedule says, by more than a few messages on their way.
    package var isBehind: Bool { Double(count) < rate * seconds * Schedule.kept - 5 }

    /// What is to be said of a rate that wasn't kept; nil if it was.
    package var objection: String? {
        func number(_ value: Double) -> String { Report.grouped(Report.fixed(value, 0)) }
        return isBehind ? "\(number(Double(count) / max(seconds, 1e-9))) of \(number(rate)) a second" : nil
    }

    /// Why a time can be longer than the interval; nil if none is.
    package var note: String? {
        longest > seconds * 1e6 ? "times count from the schedule, which began with the warm-up" : nil
    }
}

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
