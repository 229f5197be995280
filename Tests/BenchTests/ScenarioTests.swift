import Reactor
import Testing

@testable import LoadGenerator

/// Every scenario in each protocol, small, against a real router: that it does what it says, and nothing is missing.
@Suite(.serialized) struct ScenarioTests {
    struct Speech: Sendable, CustomTestStringConvertible {
        var wire: WireProtocol
        var isCompressed = false
        var testDescription: String { wire.rawValue + (isCompressed ? ", LZ4" : "") }
    }

    static let speeches = [
        Speech(wire: .json), Speech(wire: .binary), Speech(wire: .binary, isCompressed: true),
    ]

    private static func circumstances(seconds: Double) -> Circumstances {
        Circumstances(seconds: seconds, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false)
    }

    private func run<Result: Sendable>(
        _ speech: Speech, connections: Int, _ body: @escaping @Sendable (Plan) throws -> Result
    ) async throws -> Result {
        try await withTestRouter { web, tcp in
            var plan = Plan(target: Target(web: web, tcp: tcp, wire: speech.wire), connections: connections)
            plan.mode = .durable
            plan.isCompressed = speech.isCompressed
            return try body(plan)
        }
    }

    private func expectNoTrouble(_ measurement: Measurement) {
        #expect(measurement.unanswered == 0 && measurement.undelivered == 0)
        let meter = measurement.whole
        #expect(meter.refused == 0 && meter.lost == 0 && meter.other == 0 && meter.skipped == 0)
    }

    @Test(arguments: speeches)
    func pair(_ speech: Speech) async throws {
        let measurement = try await run(speech, connections: 4) { plan in
            try ExchangeScenario(plan, ScenarioTests.circumstances(seconds: 0.3)).run()
        }
        expectNoTrouble(measurement)
        #expect(measurement.meter.acked > 0 && measurement.meter.deliveryLatency.count > 0)
    }

    /// A rate that nothing keeps is told, and what was intended with it.
    @Test func aRateThatIsNotKept() async throws {
        let report = try await run(Speech(wire: .json), connections: 4) { plan in
            var plan = plan
            plan.rate = 9e6
            let scenario = ExchangeScenario(plan, ScenarioTests.circumstances(seconds: 0.3))
            return scenario.report(try scenario.run(), title: "t")
        }
        #expect(report.text.contains("behind the schedule"))
        #expect(report.text.contains("of 9,000,000 a second"))
    }

    /// Beside a process that never rests, and never more than the machine has.
    @Test func connectTellsWhatOthersUsed() async throws {
        let busy = try BusyProcess()
        defer { busy.end() }
        let measurement = try await run(Speech(wire: .json), connections: 1_000) { plan in
            var circumstances = ScenarioTests.circumstances(seconds: 1)
            // Any process but this one, which router and generator share here, stands for the router's.
            circumstances.serverPID = busy.parent
            return try ConnectScenario(plan, circumstances).run()
        }
        #expect(measurement.meter.acked == 1_000)
        let server = try #require(measurement.server)
        #expect(measurement.disturbance > 0)
        let all = measurement.disturbance + server.microseconds + measurement.client.microseconds
        #expect(all <= measurement.seconds * 1e6 * Double(MachineUsage.coreCount) + 30_000)
    }

    @Test(arguments: speeches)
    func fanout(_ speech: Speech) async throws {
        let measurement = try await run(speech, connections: 6) { plan in
            try FanoutScenario(plan, ScenarioTests.circumstances(seconds: 0.3)).run()
        }
        expectNoTrouble(measurement)
        #expect(measurement.whole.delivered == 5 * measurement.whole.acked)
        #expect(measurement.meter.deliveryLatency.count > 0)
    }

    @Test(arguments: [WireProtocol.json, .binary])
    func fanoutOverAChannel(_ wire: WireProtocol) async throws {
        let measurement = try await run(Speech(wire: wire), connections: 6) { plan in
            var plan = plan
            plan.window = 3
            var scenario = FanoutScenario(plan, ScenarioTests.circumstances(seconds: 0.3))
            scenario.isChannel = true
            return try scenario.run()
        }
        expectNoTrouble(measurement)
        #expect(measurement.whole.acked > 0 && measurement.whole.delivered == 5 * measurement.whole.acked)
        #expect(measurement.meter.deliveryLatency.count > 0 && measurement.meter.ackLatency.count > 0)
    }

    @Test(arguments: speeches)
    func storm(_ speech: Speech) async throws {
        let result = try await run(speech, connections: 20) { plan in
            try StormScenario(
                plan, ScenarioTests.circumstances(seconds: 1), messages: 130, restarts: nil
            ).run()
        }
        #expect(!result.state.isWrong && result.state.current == 20)
        #expect(result.measurement.meter.ackLatency.count == 20)
    }

    @Test(arguments: speeches)
    func mixed(_ speech: Speech) async throws {
        let result = try await run(speech, connections: 12) { plan in
            try MixedScenario(plan, ScenarioTests.circumstances(seconds: 1.5), rate: 400, seed: 3).run()
        }
        #expect(result.measurement.whole.refused == 0 && result.measurement.whole.lost == 0)
        for kind in DayOfChat.Kind.allCases {
            let tally = try #require(result.tallies[kind], "\(kind) never happened")
            #expect(tally.latency.count > 0, "no \(kind) of \(tally.begun) was answered")
        }
        #expect((result.tallies[.privateMessage]?.delivery.count ?? 0) > 0)
        #expect((result.tallies[.groupMessage]?.delivery.count ?? 0) > 0)
    }

    /// Messages of each protocol reach clients of the other.
    @Test(arguments: [false, true])
    func verifyOfBothProtocols(_ isCompressed: Bool) async throws {
        let result = try await run(Speech(wire: .both, isCompressed: isCompressed), connections: 6) { plan in
            try VerifyScenario(
                plan, ScenarioTests.circumstances(seconds: 1), rate: 200, seed: 5, server: nil
            ).run()
        }
        #expect(result.violations == [])
        #expect(result.acked > 40)
    }
}
