/// How often values fell between fixed bounds, for quantiles that are good enough to run a server by.
/// Whoever counts owns it, and gives copies away.
package struct Histogram: Sendable, Equatable {
    /// What is counted, and so the bounds.
    package enum Scale: Sendable {
        /// Nanoseconds; shown as seconds.
        case seconds
        /// Things, such as messages of a batch.
        case count
        case bytes

        /// Upper bounds of all buckets but the last, which has none.
        package var bounds: [UInt64] {
            switch self {
            case .seconds: Histogram.secondsBounds
            case .count: Histogram.countBounds
            case .bytes: Histogram.bytesBounds
            }
        }

        /// How many units of a value make one of what is shown.
        package var unit: Double { self == .seconds ? 1e9 : 1 }
    }

    private static let secondsBounds: [UInt64] = [
        50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]
    private static let countBounds: [UInt64] = [
        1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
    ]
    private static let bytesBounds: [UInt64] = (8...26).filter { $0 % 2 == 0 }.map { 1 << $0 }

    package let scale: Scale
    /// Values of each bucket, not of those below it; the last one has what is above all bounds.
    package private(set) var buckets: [UInt64]
    /// All values together, in the scale's unit of counting.
    package private(set) var sum: UInt64 = 0

    package init(_ scale: Scale) {
        self.scale = scale
        buckets = Array(repeating: 0, count: scale.bounds.count + 1)
    }

    /// Values in all buckets.
    package var count: UInt64 { buckets.reduce(0, +) }

    /// Counts a value, as often as it came.
    package mutating func record(_ value: UInt64, times: UInt64 = 1) {
        let bounds = scale.bounds
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        buckets[index] &+= times
        sum &+= value &* times
    }

    /// Adds what another one of the same scale has counted.
    package mutating func add(_ other: Histogram) {
        precondition(scale == other.scale)
        for index in buckets.indices { buckets[index] &+= other.buckets[index] }
        sum &+= other.sum
    }
}
