extension CompareScenario {
    package func report(_ outcomes: [Outcome]) -> Report {
        var report = Report()
        for outcome in outcomes {
            report.begin("\(outcome.product.title), window \(outcome.window)")
            if let failure = outcome.failure { report.add("failure", "given up", .text(failure)) }
            guard !outcome.rounds.isEmpty else { continue }
            add("rate", "deliveries a second", outcome.rate, 0, "", to: &report)
            add("server_us", "server CPU a delivery", outcome.cost, 2, "µs", to: &report)
            add("delivery_p99_us", "delivery p99", outcome.delivery, 0, "µs", to: &report)
            if outcome.product.isStored { add("ack_p99_us", "ack p99", outcome.ack, 0, "µs", to: &report) }
            let sum = outcome.sum
            let trouble = sum.unanswered + sum.undelivered + sum.whole.lost + sum.whole.refused + sum.whole.behind
            if trouble > 0 { report.add("trouble", "messages missing or refused, connections lost or behind", trouble) }
            report.add("answer", "the answer", .text(outcome.product.guarantee))
            report.add("setting", "run with", .text(outcome.product.setting))
            if let version = outcome.product.version { report.add("version", "version", .text(version)) }
            report.add(roundTable(outcome))
        }
        return report
    }

    /// What each round gave.
    private func roundTable(_ outcome: Outcome) -> Report.Table {
        var table = Report.Table([
            .init("round", "round"), .init("rate", "deliveries/s"), .init("server_us", "CPU µs"),
            .init("delivery_p50_us", "delivery p50 µs"), .init("delivery_p99_us", "p99 µs"),
            .init("ack_p99_us", "ack p99 µs"), .init("client_percent", "load %"), .init("other_percent", "others %"),
        ])
        for (number, round) in outcome.rounds.enumerated() {
            let single = Outcome(product: outcome.product, window: outcome.window, rounds: [round])
            let share = 1 / max(round.seconds, 1e-9) / 1e4
            table.lines.append([
                .integer(number + 1), .decimal(single.rate.median, places: 0), .decimal(single.cost.median, places: 2),
                .decimal(round.meter.deliveryLatency.microseconds(50), places: 0),
                .decimal(single.delivery.median, places: 0),
                round.meter.ackLatency.count > 0 ? .decimal(single.ack.median, places: 0) : .text("none"),
                .decimal(round.client.microseconds * share, places: 0),
                .decimal(round.disturbance * share, places: 0),
            ])
        }
        return table
    }

    private func add(
        _ key: String, _ label: String, _ value: Spread, _ places: Int, _ unit: String, to report: inout Report
    ) {
        report.add(key, label, value.median, places: places, unit)
        guard rounds > 1 else { return }
        report.add("\(key)_spread", "  spread of \(rounds) rounds", value.percent, places: 0, "%")
    }

    /// A table for a document.
    package func markdown(_ outcomes: [Outcome]) -> String {
        let turns = rounds == 1 ? "1 round" : "\(rounds) rounds in turn"
        var text = "\(MachineUsage.description); \(connections) connections, \(size) B, \(turns) of "
        text +=
            "\(Scale.short(circumstances.seconds)) s after \(Scale.short(circumstances.warmup)) s of warm-up; "
        text += rounds > 1 ? "medians, and half of the spread.\n\n" : "one round says nothing of the spread.\n\n"
        text += "| product | window | deliveries a second | CPU a delivery, µs | delivery p99, ms | ack p99, ms |\n"
        text += "| --- | --- | --- | --- | --- | --- |\n"
        for outcome in outcomes {
            guard !outcome.rounds.isEmpty else {
                text += "| \(outcome.product.title) | \(outcome.window) | \(outcome.failure ?? "") | | | |\n"
                continue
            }
            let ack = outcome.product.isStored ? cell(outcome.ack, scale: 1e-3, places: 1) : "none"
            let cells = [
                outcome.product.title, "\(outcome.window)", cell(outcome.rate, places: 0),
                cell(outcome.cost, places: 2),
                cell(outcome.delivery, scale: 1e-3, places: 1), ack,
            ]
            text += "| \(cells.joined(separator: " | ")) |\n"
        }
        text += "\n"
        for product in products where outcomes.contains(where: { $0.product == product }) {
            let version = product.version.map { " (\($0))" } ?? ""
            text += "- \(product.title)\(version): \(product.guarantee). Run with `\(product.setting)`.\n"
        }
        return text
    }

    private func cell(_ value: Spread, scale: Double = 1, places: Int) -> String {
        let spread = rounds > 1 ? " ± \(Report.fixed(value.percent / 2, 0)) %" : ""
        return Report.grouped(Report.fixed(value.median * scale, places)) + spread
    }

    /// Those that store by themselves: the others do less.
    package func charts(_ outcomes: [Outcome]) -> [Chart] {
        windows.flatMap { window in
            [false, true].flatMap { isStored in
                let chosen = outcomes.filter {
                    $0.window == window && $0.product.isStored == isStored && !$0.rounds.isEmpty
                }
                return charts(of: chosen, "\(isStored ? "stored" : "live"), window \(window)")
            }
        }
    }

    private func charts(of outcomes: [Outcome], _ what: String) -> [Chart] {
        guard !outcomes.isEmpty else { return [] }
        return [
            Chart(
                "Server CPU a delivery, \(what)", unit: "µs",
                .bars(outcomes.map { Chart.Bar($0.product.title, $0.cost.median) })),
            Chart(
                "Deliveries, \(what)", unit: "a second",
                .bars(outcomes.map { Chart.Bar($0.product.title, $0.rate.median) })),
            Chart.percentiles(
                "Delivery latency, \(what)", outcomes.map { ($0.product.title, $0.sum.meter.deliveryLatency) }),
        ].compactMap { $0 }
    }
}
