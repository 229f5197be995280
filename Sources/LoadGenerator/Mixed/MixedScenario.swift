internal import Glibc
internal import Reactor

/// `mixed`: everything that people do in a chat, at the same time and at a rate.
package struct MixedScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Things that happen a second, of all kinds and clients together.
    package var rate: Double
    package var seed: UInt64

    package init(_ plan: Plan, _ circumstances: Circumstances, rate: Double, seed: UInt64) {
        self.plan = plan
        self.circumstances = circumstances
        self.rate = rate
        self.seed = seed
    }

    package struct Result: Sendable {
        package var measurement: Measurement
        var tallies: [DayOfChat.Kind: MixedLoop.Tally] = [:]
    }

    static func group(_ number: Int, _ plan: Plan) -> String { "group-\(plan.target.run)-\(number)" }

    package func run() throws -> Result {
        var day = DayOfChat(seed: seed)
        let groups = (0..<max(1, plan.connections / 8)).map { _ in
            let size = day.groupSize(clients: plan.connections)
            let first = day.pick(plan.connections)
            return (0..<size).map { (first + $0) % plan.connections }
        }
        for (number, members) in groups.enumerated() {
            try plan.target.createGroup(MixedScenario.group(number, plan), members: members)
        }
        let crew = try Crew(plan, cores: circumstances.cores) { MixedLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: plan.connections, secondsMax: 60)
        let share = rate / Double(crew.count)
        try crew.askEach { [seed] loop, number in
            loop.start(DayOfChat(seed: seed &+ UInt64(number) &+ 1), groups: groups, actionsPerSecond: share)
        }
        usleep(UInt32(circumstances.warmup * 1e6))
        var result = Result(measurement: try Measurement.take(crew, circumstances, message: \.sent))
        try crew.ask { $0.stopActing() }
        usleep(300_000)
        result.measurement.whole = try crew.meter()
        for tallies in try crew.ask({ $0.tallies }) {
            for (kind, tally) in tallies {
                result.tallies[kind, default: MixedLoop.Tally()].begun += tally.begun
                result.tallies[kind, default: MixedLoop.Tally()].latency.add(tally.latency)
                result.tallies[kind, default: MixedLoop.Tally()].delivery.add(tally.delivery)
            }
        }
        return result
    }

    package func report(_ result: Result) -> Report {
        var report = Report()
        let measurement = result.measurement
        report.begin("a day of chat: \(plan.connections) clients, \(Report.fixed(rate, 0))/s intended, seed \(seed)")
        report.addSeconds(measurement)
        report.add("actions", "actions", measurement.meter.sent)
        report.add("rate", "actions a second", Double(measurement.meter.sent) / measurement.seconds, places: 0)
        let deliveries = Double(measurement.meter.delivered) / measurement.seconds
        report.add("delivered", "deliveries a second", deliveries, places: 0)
        report.addSchedule(
            Schedule(
                rate: rate, count: measurement.meter.sent + measurement.meter.skipped, seconds: measurement.seconds,
                longest: measurement.meter.ackLatency.maxMicroseconds))
        report.addCost(measurement, messages: measurement.meter.sent, each: "an action")
        report.addClient(measurement)
        report.addTrouble(measurement)
        for kind in DayOfChat.Kind.allCases {
            guard let tally = result.tallies[kind] else { continue }
            report.begin(kind.rawValue)
            report.add("count", "count, warm-up included", tally.begun)
            report.addLatency("answer", kind == .typing ? "arrival" : "answer", tally.latency)
            report.addLatency("delivery", "delivery", tally.delivery)
        }
        return report
    }
}
