/// A router and its floors in turn, A B A B, so that all see the same machine: the ratio of two holds where absolute
/// figures drift.
package struct FloorComparison: Sendable {
    package var floors: [Floor]
    package var rounds: Int

    package init(_ floors: [Floor], rounds: Int) {
        self.floors = floors
        self.rounds = rounds
    }

    /// The sums of all rounds.
    package struct Outcome: Sendable {
        package var router = Measurement()
        /// The router's, one by one.
        package var rounds: [Measurement] = []
        package var floors: [Measurement]
    }

    package func run(_ router: () throws -> Measurement) throws -> Outcome {
        var outcome = Outcome(floors: floors.map { _ in Measurement() })
        for _ in 0..<rounds {
            let measured = try router()
            outcome.router.add(measured)
            outcome.rounds.append(measured)
            for (number, floor) in floors.enumerated() { outcome.floors[number].add(try floor.measure(measured)) }
        }
        return outcome
    }

    /// Each floor's own figures, and the router's in units of them.
    ///
    /// - Parameter message: what is counted as a message of the router.
    package func report(_ outcome: Outcome, message: KeyPath<Meter, Int>) -> Report {
        var report = Report()
        for (floor, measurement) in zip(floors, outcome.floors) { report.append(floor.report(measurement)) }
        for (floor, measurement) in zip(floors, outcome.floors) {
            report.begin("router in units of its floor: \(floor.name)")
            for ratio in FloorComparison.ratios(outcome.router, message, of: floor, measurement) {
                report.add(ratio.key, ratio.label, ratio.value, places: 2, "× the floor's")
            }
        }
        return report
    }

    package struct Ratio: Sendable, Equatable {
        package var key: String
        package var label: String
        package var value: Double
    }

    /// The router's figures divided by the floor's; those are left out that one of the two doesn't have.
    package static func ratios(
        _ router: Measurement, _ message: KeyPath<Meter, Int>, of floor: Floor, _ measurement: Measurement
    ) -> [Ratio] {
        let count = (
            router: Double(router.meter[keyPath: message]), floor: Double(measurement.meter[keyPath: floor.message])
        )
        guard count.router > 0, count.floor > 0, router.seconds > 0, measurement.seconds > 0 else { return [] }
        var ratios = [
            Ratio(
                key: "rate_ratio", label: "\(floor.unit.many) a second",
                value: (count.router / router.seconds) / (count.floor / measurement.seconds))
        ]
        if let server = router.server, let alone = measurement.server, alone.microseconds > 0 {
            ratios.append(
                Ratio(
                    key: "cpu_ratio", label: "CPU \(floor.unit.one)",
                    value: (server.microseconds / count.router) / (alone.microseconds / count.floor)))
        }
        guard let latency = floor.latency else { return ratios }
        let times = (router: router.meter[keyPath: latency], floor: measurement.meter[keyPath: latency])
        guard times.router.count > 0, times.floor.count > 0 else { return ratios }
        for (name, percentile) in [("p50", 50.0), ("p99", 99)] {
            let value = times.router.microseconds(percentile) / max(times.floor.microseconds(percentile), 0.1)
            ratios.append(Ratio(key: "\(name)_ratio", label: "latency \(name)", value: value))
        }
        return ratios
    }

    /// Server CPU a message, side by side.
    package func chart(_ outcome: Outcome, message: KeyPath<Meter, Int>) -> Chart? {
        func cost(_ measurement: Measurement, _ count: Int) -> Double {
            (measurement.server?.microseconds ?? 0) / Double(max(count, 1))
        }
        guard outcome.router.server != nil else { return nil }
        let router = Chart.Bar("router", cost(outcome.router, outcome.router.meter[keyPath: message]))
        let bars = zip(floors, outcome.floors).map { floor, measurement in
            Chart.Bar(floor.name, cost(measurement, measurement.meter[keyPath: floor.message]))
        }
        return Chart(
            "CPU \(floors.first?.unit.one ?? "a message"), with a router and without", unit: "µs",
            .bars([router] + bars))
    }
}
