extension CompareScenario {
    package func report(_ outcomes: [Outcome]) -> Report {
        var report = Report()
        for outcome in outcomes {
            report.begin("\(outcome.product.title), window \(outcome.window)")
            add("rate", "deliveries a second", outcome.rate, 0, "", to: &report)
            add("server_us", "server CPU a delivery", outcome.cost, 2, "µs", to: &report)
            add("delivery_p99_us", "delivery p99", outcome.delivery, 0, "µs", to: &report)
            if outcome.product.isStored { add("ack_p99_us", "ack p99", outcome.ack, 0, "µs", to: &report) }
            let sum = outcome.sum
            let trouble = sum.missing + sum.whole.lost + sum.whole.refused + sum.whole.behind
            if trouble > 0 { report.add("trouble", "messages missing or refused, connections lost or behind", trouble) }
            report.add("answer", "the answer", .text(outcome.product.guarantee))
        }
        return report
    }

    private func add(
        _ key: String, _ label: String, _ value: Spread, _ places: Int, _ unit: String, to report: inout Report
    ) {
        report.add(key, label, value.median, places: places, unit)
        report.add("\(key)_spread", "  spread of \(rounds) rounds", value.percent, places: 0, "%")
    }

    /// A table for a document.
    package func markdown(_ outcomes: [Outcome]) -> String {
        var text = "| product | window | deliveries a second | CPU a delivery, µs | delivery p99, ms | ack p99, ms |\n"
        text += "| --- | --- | --- | --- | --- | --- |\n"
        for outcome in outcomes {
            let ack = outcome.product.isStored ? CompareScenario.cell(outcome.ack, scale: 1e-3, places: 1) : "none"
            let cells = [
                outcome.product.title, "\(outcome.window)", CompareScenario.cell(outcome.rate, places: 0),
                CompareScenario.cell(outcome.cost, places: 2),
                CompareScenario.cell(outcome.delivery, scale: 1e-3, places: 1), ack,
            ]
            text += "| \(cells.joined(separator: " | ")) |\n"
        }
        text += "\n"
        for product in products where outcomes.contains(where: { $0.product == product }) {
            text += "- \(product.title): \(product.guarantee).\n"
        }
        return text
    }

    private static func cell(_ value: Spread, scale: Double = 1, places: Int) -> String {
        "\(Report.grouped(Report.fixed(value.median * scale, places))) ± \(Report.fixed(value.percent / 2, 0)) %"
    }

    package func charts(_ outcomes: [Outcome]) -> [Chart] {
        windows.flatMap { window in
            let chosen = outcomes.filter { $0.window == window }
            return [
                Chart(
                    "Server CPU a delivery, window \(window)", unit: "µs",
                    .bars(chosen.map { Chart.Bar($0.product.title, $0.cost.median) })),
                Chart(
                    "Deliveries, window \(window)", unit: "a second",
                    .bars(chosen.map { Chart.Bar($0.product.title, $0.rate.median) })),
                Chart.percentiles(
                    "Delivery latency, window \(window)",
                    chosen.map { ($0.product.title, $0.sum.meter.deliveryLatency) }),
            ].compactMap { $0 }
        }
    }
}
