package import Histogram

/// What one loop counted and timed; loops' meters add up.
package struct Meter: Sendable {
    package var sent = 0
    /// Acks of the level that was asked for.
    package var acked = 0
    /// Messages and events that reached a client other than their sender.
    package var delivered = 0
    /// Error frames.
    package var refused = 0
    /// Connections that ended without having been asked to.
    package var lost = 0
    /// `behind` frames: the router found a client too slow.
    package var behind = 0
    /// Frames that weren't what the scenario waits for.
    package var other = 0
    /// Open loop: messages whose time came while the connection couldn't take more. They were never sent, so every
    /// latency beside them is too good.
    package var skipped = 0
    /// Pings that were answered.
    package var pings = 0
    /// Bytes received.
    package var bytesIn = 0
    /// From the send, or its intended time, to the ack.
    package var ackLatency = Latency()
    /// From the send, or its intended time, to the delivery.
    package var deliveryLatency = Latency()

    package init() {}

    /// The counts since `earlier`; distributions stay whole.
    package func since(_ earlier: Meter) -> Meter {
        var difference = self
        difference.sent -= earlier.sent
        difference.acked -= earlier.acked
        difference.delivered -= earlier.delivered
        difference.refused -= earlier.refused
        difference.lost -= earlier.lost
        difference.behind -= earlier.behind
        difference.other -= earlier.other
        difference.skipped -= earlier.skipped
        difference.pings -= earlier.pings
        difference.bytesIn -= earlier.bytesIn
        return difference
    }

    package mutating func add(_ other: Meter) {
        sent += other.sent
        acked += other.acked
        delivered += other.delivered
        refused += other.refused
        lost += other.lost
        behind += other.behind
        self.other += other.other
        skipped += other.skipped
        pings += other.pings
        bytesIn += other.bytesIn
        ackLatency.add(other.ackLatency)
        deliveryLatency.add(other.deliveryLatency)
    }
}

/// A distribution of times in nanoseconds with three significant digits.
package struct Latency: Sendable {
    package private(set) var histogram = Histogram<UInt64>(
        lowestDiscernibleValue: 100, highestTrackableValue: Latency.nanosecondsMax)

    private static let nanosecondsMax: UInt64 = 120_000_000_000

    package init() {}

    /// Records the time from `start` to `end`; 0 if `end` lies before, the largest time if it is beyond.
    @inline(__always)
    package mutating func record(from start: UInt64, to end: UInt64) {
        histogram.record(end > start ? min(end &- start, Latency.nanosecondsMax) : 0)
    }

    package mutating func add(_ other: Latency) { histogram.add(other.histogram) }

    package var count: UInt64 { histogram.totalCount }
    package func microseconds(_ percentile: Double) -> Double {
        Double(histogram.valueAtPercentile(percentile)) / 1_000
    }
    package var maxMicroseconds: Double { count == 0 ? 0 : Double(histogram.max) / 1_000 }
    package var meanMicroseconds: Double { count == 0 ? 0 : histogram.mean / 1_000 }
}
