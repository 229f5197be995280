/// `pair --rates`: the same exchange at one load after the other, each on a schedule, so that latency can be seen over
/// load.
package struct RateSweep: Sendable {
    package var scenario: ExchangeScenario
    /// Messages a second, in the order in which they are tried.
    package var rates: [Double]

    package init(_ scenario: ExchangeScenario, rates: [Double]) {
        self.scenario = scenario
        self.rates = rates
    }

    /// One load and what came of it.
    package struct Step: Sendable {
        package var rate: Double
        package var measurement: Measurement

        package init(rate: Double, measurement: Measurement) {
            self.rate = rate
            self.measurement = measurement
        }
    }

    package func run() throws -> [Step] {
        try rates.map { rate in
            var scenario = scenario
            scenario.plan.rate = rate
            return Step(rate: rate, measurement: try scenario.run())
        }
    }

    private static let percentiles = [("p50", 50.0), ("p99", 99), ("p99.9", 99.9), ("p99.99", 99.99)]

    /// Distributions that were timed, by their names.
    private var latencies: [(key: String, path: KeyPath<Meter, Latency>)] {
        scenario.plan.mode == .typing
            ? [("delivery", \.deliveryLatency)] : [("ack", \.ackLatency), ("delivery", \.deliveryLatency)]
    }

    /// A table for each kind of latency, with a line for each load.
    package func report(_ steps: [Step], title: String) -> Report {
        var report = Report()
        for (key, path) in latencies {
            report.begin("\(key) latency by load: \(title)")
            var table = Report.Table([
                .init("rate", "intended/s"), .init("achieved", "answered/s"), .init("skipped", "skipped"),
                .init("server_us", "CPU µs"),
                .init("other_percent", "others %"),
            ])
            table.columns +=
                RateSweep.percentiles.map { .init("\($0.0)_us", "\($0.0) µs") } + [.init("max_us", "max µs")]
            for step in steps { table.lines.append(line(step, path)) }
            report.add(table)
        }
        for step in steps {
            var trouble = Report()
            trouble.begin("at \(Report.grouped(Report.fixed(step.rate, 0))) a second")
            let schedule = scenario.schedule(step.measurement, rate: step.rate)
            if let objection = schedule.objection {
                trouble.add("behind_schedule", "behind the schedule", .text(objection))
            }
            if let note = schedule.note { trouble.add("schedule_note", "longer than the interval", .text(note)) }
            trouble.addTrouble(step.measurement)
            if trouble.sections.contains(where: { !$0.rows.isEmpty }) { report.append(trouble) }
        }
        return report
    }

    private func line(_ step: Step, _ path: KeyPath<Meter, Latency>) -> [Report.Value] {
        let measurement = step.measurement
        let latency = measurement.meter[keyPath: path]
        let count = measurement.meter[keyPath: scenario.message]
        var line: [Report.Value] = [
            .decimal(step.rate, places: 0), .decimal(Double(count) / max(measurement.seconds, 1e-9), places: 0),
            .integer(measurement.whole.skipped),
            .decimal((measurement.server?.microseconds ?? 0) / Double(max(count, 1)), places: 2),
            .decimal(measurement.disturbance / max(measurement.seconds, 1e-9) / 1e4, places: 0),
        ]
        line += RateSweep.percentiles.map { .decimal(latency.microseconds($0.1), places: 0) }
        return line + [.decimal(latency.maxMicroseconds, places: 0)]
    }

    /// Latency over load, a line for each percentile, and what a message cost.
    package func charts(_ steps: [Step]) -> [Chart] {
        var charts = latencies.compactMap { key, path -> Chart? in
            let lines = RateSweep.percentiles.compactMap { name, percentile -> Chart.Line? in
                // A percentile means something once a few values lie beyond it.
                let known = steps.filter {
                    Double($0.measurement.meter[keyPath: path].count) * (1 - percentile / 100) >= 3
                }
                guard !known.isEmpty else { return nil }
                return Chart.Line(
                    name,
                    known.map {
                        Chart.Point(
                            $0.rate, $0.measurement.meter[keyPath: path].microseconds(percentile),
                            isMarked: scenario.schedule($0.measurement, rate: $0.rate).isBehind)
                    })
            }
            guard !lines.isEmpty else { return nil }
            var chart = Chart("Latency to the \(key) by intended messages a second", unit: "µs", .load(lines))
            if lines.contains(where: { $0.points.contains(where: \.isMarked) }) {
                chart.note = "Hollow: behind the schedule, fewer were answered than intended."
            }
            return chart
        }
        if steps.contains(where: { $0.measurement.server != nil }) {
            let bars = steps.map { step in
                let count = Double(max(step.measurement.meter[keyPath: scenario.message], 1))
                return Chart.Bar(
                    "\(Scale.short(step.rate)) a second", (step.measurement.server?.microseconds ?? 0) / count)
            }
            charts.append(Chart("CPU a message by load", unit: "µs", .bars(bars)))
        }
        let known = steps.filter { $0.measurement.meter.deliveryLatency.count > 0 }
        let curves = known.map { ("\(Scale.short($0.rate)) a second", $0.measurement.meter.deliveryLatency) }
        charts += [Chart.percentiles("Latency to the delivery by percentile", curves)].compactMap { $0 }
        if let last = steps.last, var threads = Chart.threads(last.measurement) {
            threads.title += " at \(Scale.short(last.rate)) a second"
            charts.append(threads)
        }
        return charts
    }
}
