/// How far the rounds of one run lie apart.
package struct RoundRange: Sendable {
    /// The same figure of each round.
    package struct Figure: Sendable, Equatable {
        package var key: String
        package var label: String
        package var values: [Double]
        package var places: Int

        package init(_ key: String, _ label: String, _ values: [Double], places: Int) {
            self.key = key
            self.label = label
            self.values = values
            self.places = places
        }
    }

    package var figures: [Figure]

    /// - Parameters:
    ///   - message: what is counted, called `unit`.
    package init(_ rounds: [Measurement], message: KeyPath<Meter, Int>, unit: (one: String, many: String)) {
        figures = [
            Figure(
                "rate", "\(unit.many) a second",
                rounds.map { Double($0.meter[keyPath: message]) / max($0.seconds, 1e-9) }, places: 0)
        ]
        if rounds.allSatisfy({ $0.server != nil }) {
            let costs = rounds.map {
                ($0.server?.microseconds ?? 0) / Double(max($0.meter[keyPath: message], 1))
            }
            figures.append(Figure("server_us", "CPU \(unit.one), µs", costs, places: 3))
        }
        let latencies: [(String, KeyPath<Meter, Latency>)] = [("ack", \.ackLatency), ("delivery", \.deliveryLatency)]
        for (key, path) in latencies where rounds.allSatisfy({ $0.meter[keyPath: path].count > 0 }) {
            for (name, percentile) in [("p50", 50.0), ("p99", 99)] {
                let times = rounds.map { $0.meter[keyPath: path].microseconds(percentile) }
                figures.append(Figure("\(key)_\(name)_us", "\(key) \(name), µs", times, places: 1))
            }
        }
    }

    /// A line for each figure: its median, least and greatest.
    package func report(rounds: Int) -> Report {
        var report = Report()
        report.begin("range of \(rounds) rounds")
        var table = Report.Table([
            .init("figure", "figure"), .init("label", "what"), .init("median", "median"), .init("min", "min"),
            .init("max", "max"),
        ])
        for figure in figures {
            guard let low = figure.values.min(), let high = figure.values.max() else { continue }
            table.lines.append(
                [.text(figure.key), .text(figure.label)]
                    + [Spread(figure.values).median, low, high].map { .decimal($0, places: figure.places) })
        }
        report.add(table)
        return report
    }
}
