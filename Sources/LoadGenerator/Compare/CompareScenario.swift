internal import Glibc

/// `compare`: the same work for every product, in rounds that take turns, so that all of them see the same machine.
package struct CompareScenario: Sendable {
    package var products: [Product]
    package var windows: [Int]
    package var connections: Int
    package var size: Int
    package var rounds: Int
    package var circumstances: Circumstances
    /// The router's program.
    package var router: String

    package init(
        products: [Product], windows: [Int], connections: Int, size: Int, rounds: Int, circumstances: Circumstances,
        router: String
    ) {
        self.products = products
        self.windows = windows
        self.connections = connections
        self.size = size
        self.rounds = rounds
        self.circumstances = circumstances
        self.router = router
    }

    /// One product under one pressure, round by round.
    package struct Outcome: Sendable {
        package var product: Product
        package var window: Int
        package var rounds: [Measurement] = []
        /// Why a round failed. The product isn't measured again: the others' figures don't wait for it.
        package var failure: String?
    }

    /// The products that can't be measured here, each with the reason.
    package var skipped: [String] {
        products.filter { $0.package != nil && $0.program == nil }.map {
            "\($0.title): skipped, not installed (apt-get install \($0.package ?? ""))"
        }
    }

    package func run() throws -> [Outcome] {
        let present = products.filter { $0.package == nil || $0.program != nil }
        var outcomes = windows.flatMap { window in present.map { Outcome(product: $0, window: window) } }
        if present.contains(where: { $0.package == nil }) { try ChildServer.requireProgram(router) }
        let count = rounds * outcomes.count
        let each = circumstances.seconds + circumstances.warmup + CompareScenario.startSeconds
        for round in 0..<rounds {
            for index in outcomes.indices {
                let (product, window) = (outcomes[index].product, outcomes[index].window)
                let done = round * outcomes.count + index
                let left = Report.fixed(Double(count - done) * each, 0)
                ProgressLine.note(
                    "round \(round + 1) of \(rounds): \(product.title), window \(window) "
                        + "(\(done + 1) of \(count), about \(left) s left)")
                guard outcomes[index].failure == nil else { continue }
                do {
                    outcomes[index].rounds.append(try measure(product, window: window))
                } catch where product.package != nil {
                    outcomes[index].failure = "failed in round \(round + 1): \(error)"
                    ProgressLine.note("\(product.title), window \(window): \(error); going on without it")
                }
            }
        }
        return outcomes
    }

    /// About what starting and stopping a server takes.
    private static let startSeconds = 1.0

    /// One round: a server of its own with fresh data.
    private func measure(_ product: Product, window: Int) throws -> Measurement {
        guard
            let server = try product.package == nil
                ? ChildServer.router(router, arguments: [], security: nil, loops: 1, core: nil) : product.start()
        else { throw BenchError("\(product.title) isn't installed") }
        defer { server.stop() }
        var plan = Plan(target: Target(web: server.web, tcp: server.tcp, wire: product.wire), connections: connections)
        plan.product = product
        plan.mode = product.isStored ? .durable : .typing
        plan.size = size
        plan.window = window
        var circumstances = circumstances
        circumstances.serverPID = server.pid
        circumstances.showsProgress = false
        let measurement = try ExchangeScenario(plan, circumstances).run()
        do {
            try measurement.requireAnswers(measurement.meter.delivered)
        } catch {
            throw BenchError("\(product.title), window \(window): \(error)")
        }
        return measurement
    }
}

/// The middle of some figures, and how far apart they are.
package struct Spread: Sendable, Equatable {
    package let median: Double
    /// From the least to the greatest, in percent of the median.
    package let percent: Double

    package init(_ values: [Double]) {
        let sorted = values.sorted()
        guard let low = sorted.first, let high = sorted.last else {
            (median, percent) = (0, 0)
            return
        }
        let middle = sorted.count / 2
        let median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        self.median = median
        percent = median == 0 ? 0 : (high - low) / median * 100
    }
}

extension CompareScenario.Outcome {
    private func spread(_ value: (Measurement) -> Double) -> Spread { Spread(rounds.map(value)) }

    package var rate: Spread { spread { Double($0.meter.delivered) / max($0.seconds, 1e-9) } }

    /// Server CPU a delivered message, in microseconds.
    package var cost: Spread {
        spread { ($0.server?.microseconds ?? 0) / Double(max($0.meter.delivered, 1)) }
    }

    /// 99 % of the messages took no longer to reach their recipient, in microseconds.
    package var delivery: Spread { spread { $0.meter.deliveryLatency.microseconds(99) } }

    /// The same to the server's answer; 0 where there is none.
    package var ack: Spread {
        spread { $0.meter.ackLatency.count > 0 ? $0.meter.ackLatency.microseconds(99) : 0 }
    }

    package var sum: Measurement {
        var sum = Measurement()
        for round in rounds { sum.add(round) }
        return sum
    }
}
