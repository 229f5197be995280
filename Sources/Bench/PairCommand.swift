import ArgumentParser
import LoadGenerator
import Reactor

struct PairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pair", abstract: "Clients that send to each other: throughput, latency and CPU a message.",
        discussion: """
            With --window (closed loop) each client keeps so many messages in flight: that shows what a message costs.
            With --rate (open loop) messages go out on a schedule, and latency counts from the time at which they
            should have gone: that shows what users feel at a given load. --rates does so for several loads.

              bench pair --spawn .build/release/router --mode typing --window 16 --floor --rounds 3
              bench pair --spawn .build/release/router --rates 5000,20000,50000 --html latency.html
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var floor: FloorOptions
    @OptionGroup var page: PageOption

    @Option(help: "Clients; each sends and each receives.")
    var connections = 100

    @Option(help: "Messages without an answer that each sender keeps in flight; 1 without.")
    var window: Int?

    @Option(help: "Bytes of content, or of the whole frame of a typing event.")
    var size = 64

    @Option(help: "durable or accepted (stored; answered by an ack), or typing (not stored; answered by its arrival).")
    var mode = MessageMode.durable

    @Option(help: "Who sends to whom: pairs (0 and 1, 2 and 3 …) or ring (each to the next).")
    var shape = Plan.Shape.pairs

    @Option(help: "Messages a second of all clients together, on a schedule; latency counts from the intended time.")
    var rate: Double?

    @Option(
        help: "Rates to try one after the other, as 10000,20000,50000: latency by load.", transform: list)
    var rates: [Double] = []

    @Flag(help: "Compress bodies; binary protocol only.")
    var lz4 = false

    mutating func validate() throws {
        try require((2...1_000_000).contains(connections), "--connections from 2 to 1000000")
        try require((1...100_000).contains(window ?? 1), "--window from 1 to 100000")
        try require((0...1 << 20).contains(size), "--size from 0 to 1048576")
        try require(window == nil || rate == nil && rates.isEmpty, "--window goes without --rate and --rates")
        if let rate, !(rate > 0 && rate <= 1e7) { throw ValidationError("--rate above 0 and up to 10000000") }
        if !rates.isEmpty, rate != nil || floor.isMeasured || floor.rounds != 1 {
            throw ValidationError("--rates goes without --rate, --floor and --rounds")
        }
        guard rates.allSatisfy({ $0 > 0 && $0 <= 1e7 }) else {
            throw ValidationError("--rates above 0 and up to 10000000")
        }
        try target.validateCompression(lz4)
        var nowhere = Target.nowhere
        nowhere.wire = target.wire
        if let objection = ExchangeScenario(plan(nowhere), circumstances(nil)).objection {
            throw ValidationError(objection)
        }
    }

    private func circumstances(_ pid: Int?) -> Circumstances {
        options.circumstances(serverPID: pid, connections: connections)
    }

    private func plan(_ target: Target) -> Plan {
        var plan = Plan(target: target, connections: connections)
        plan.mode = mode
        plan.size = size
        plan.window = window ?? 1
        plan.shape = shape
        plan.rate = rate
        plan.isCompressed = lz4
        return plan
    }

    private var title: String {
        "\(mode.rawValue), \(connections) connections, \(pressure), \(size) B, \(target.wire.rawValue)"
    }

    private var pressure: String {
        if !rates.isEmpty { return "on a schedule" }
        return rate.map { "\(Report.grouped(Report.fixed($0, 0)))/s intended" } ?? "window \(window ?? 1)"
    }

    func run() throws {
        prepareProcess()
        try target.withTarget(connections: connections) { target, pid in
            let scenario = ExchangeScenario(plan(target), circumstances(pid))
            if !rates.isEmpty { return try sweep(scenario) }
            try floor.run(
                floor.isMeasured ? floors(scenario) : [], message: scenario.message,
                title: "bench pair", options, page, { try scenario.run() },
                report: { scenario.report($0, title: title) })
        }
    }

    private func sweep(_ scenario: ExchangeScenario) throws {
        let sweep = RateSweep(scenario, rates: rates)
        let steps = try sweep.run()
        let report = sweep.report(steps, title: title)
        options.show(report)
        try page.write(report, sweep.charts(steps), title: "bench pair")
        for step in steps { try step.measurement.requireAnswers(step.measurement.meter[keyPath: scenario.message]) }
    }

    private func floors(_ scenario: ExchangeScenario) -> [Floor] {
        guard mode != .typing else { return [.exchange(scenario, .forward, core: target.pinServer)] }
        return RowLayout.allCases.map {
            .rows(
                $0, batch: FloorCommand.batchDefault, payloadBytes: size, users: connections, seconds: options.seconds)
        }
    }
}
