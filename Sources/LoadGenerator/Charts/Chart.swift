/// One plot of a page, drawn as SVG.
package struct Chart: Sendable, Equatable {
    package struct Line: Sendable, Equatable {
        package var name: String
        package var points: [Point]

        package init(_ name: String, _ points: [Point]) {
            self.name = name
            self.points = points
        }
    }

    package struct Point: Sendable, Equatable {
        package var x: Double
        package var y: Double
        /// Drawn hollow: the chart's note says why.
        package var isMarked: Bool

        package init(_ x: Double, _ y: Double, isMarked: Bool = false) {
            self.x = x
            self.y = y
            self.isMarked = isMarked
        }
    }

    package struct Bar: Sendable, Equatable {
        package var name: String
        package var value: Double
        /// Of the value, what was spent in the kernel; nil where that isn't known.
        package var system: Double?

        package init(_ name: String, _ value: Double, system: Double? = nil) {
            self.name = name
            self.value = value
            self.system = system
        }
    }

    package enum Content: Sendable, Equatable {
        /// Microseconds over the "number of nines": 0 is none, 1 is 90 %, 2 is 99 %. The y axis is logarithmic.
        case percentiles([Line])
        /// Something a second, over seconds.
        case course([Line])
        /// Microseconds over messages a second. Both axes are logarithmic.
        case load([Line])
        case bars([Bar])
    }

    package var title: String
    package var unit: String
    package var content: Content
    /// What stands below.
    package var note: String?

    package init(_ title: String, unit: String, _ content: Content) {
        self.title = title
        self.unit = unit
        self.content = content
    }

    /// Latency percentiles of distributions that hold something; nil if none does.
    package static func percentiles(_ title: String, _ latencies: [(String, Latency)]) -> Chart? {
        let lines = latencies.filter { $0.1.count > 0 }.map { name, latency in
            // No further than the data: 1,000 values say nothing about the 99.99th percentile.
            let reach = min(4, nines(of: Double(latency.count)))
            let steps = stride(from: 0.0, through: reach, by: 0.05)
            return Line(name, steps.map { Point($0, latency.microseconds(100 - 100 * power(-$0))) })
        }
        return lines.isEmpty ? nil : Chart(title, unit: "µs", .percentiles(lines))
    }

    /// The rate between one sample and the next, from the first to the last; steps that are too short to tell a rate
    /// are joined.
    package static func course(_ title: String, unit: String, _ lines: [(String, [Measurement.Sample])]) -> Chart? {
        let drawn = lines.filter { $0.1.count > 1 }.map { name, samples in
            let ends = joined(samples)
            let points = zip(ends, ends.dropFirst()).map {
                Point($1.seconds, Double($1.count - $0.count) / ($1.seconds - $0.seconds))
            }
            return Line(name, [Point(ends[0].seconds, points.first?.y ?? 0)] + points)
        }
        return drawn.isEmpty ? nil : Chart(title, unit: unit, .course(drawn))
    }

    /// Samples at least a sixtieth of the course apart, the first and the last among them.
    private static func joined(_ samples: [Measurement.Sample]) -> [Measurement.Sample] {
        guard let first = samples.first, let last = samples.last else { return [] }
        let least = max((last.seconds - first.seconds) / 60, 1e-6)
        var kept = [first]
        for sample in samples where sample.seconds - kept[kept.count - 1].seconds >= least { kept.append(sample) }
        if kept.count > 1, kept[kept.count - 1] != last { kept.removeLast() }
        if kept[kept.count - 1] != last { kept.append(last) }
        return kept
    }

    /// CPU by thread in percent of a core; nil if the server's process isn't known.
    package static func threads(_ measurement: Measurement) -> Chart? {
        guard let server = measurement.server, measurement.seconds > 0 else { return nil }
        let bars = server.threads.filter { $0.microseconds > 0 }.sorted { $0.microseconds > $1.microseconds }
        guard !bars.isEmpty else { return nil }
        let scale = 1 / measurement.seconds / 1e4
        return Chart(
            "CPU of the router by thread", unit: "% of a core",
            .bars(bars.prefix(8).map { Bar($0.name, $0.microseconds * scale, system: $0.systemMicroseconds * scale) }))
    }
}
