import ArgumentParser
import LoadGenerator
import Reactor

struct PairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pair", abstract: "Clients that send to each other: throughput, latency and CPU a message.")

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var page: PageOption

    @Option(help: "Clients; each sends and each receives.")
    var connections = 100

    @Option(help: "Messages without an answer that each sender keeps in flight.")
    var window = 1

    @Option(help: "Bytes of content, or of the whole frame of a typing event.")
    var size = 64

    @Option(help: "durable or accepted (stored; answered by an ack), or typing (not stored; answered by its arrival).")
    var mode = MessageMode.durable

    @Option(help: "Who sends to whom: pairs (0 and 1, 2 and 3 …) or ring (each to the next).")
    var shape = Plan.Shape.pairs

    @Option(help: "Messages a second of all clients together, on a schedule; latency counts from the intended time.")
    var rate: Double?

    @Flag(help: "Compress bodies; binary protocol only.")
    var lz4 = false

    @Flag(help: "Measure what the kernel (typing) or SQLite (durable) alone costs in turn with the router.")
    var floor = false

    @Option(help: "How often the router, and its floor, are measured.")
    var rounds = 1

    mutating func validate() throws {
        guard (2...1_000_000).contains(connections), (1...100_000).contains(window), (0...1 << 20).contains(size) else {
            throw ValidationError("connections from 2 to 1000000, window from 1 to 100000, size up to 1048576")
        }
        if let rate, !(rate > 0 && rate <= 1e7) { throw ValidationError("--rate above 0 and up to 10000000") }
        if floor, page.html != nil { throw ValidationError("--html shows a router alone, without --floor") }
        guard (1...100).contains(rounds) else { throw ValidationError("--rounds from 1 to 100") }
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
        plan.window = window
        plan.shape = shape
        plan.rate = rate
        plan.isCompressed = lz4
        return plan
    }

    private var title: String {
        let pressure = rate.map { "\(Report.grouped(Report.fixed($0, 0)))/s intended" } ?? "window \(window)"
        return "\(mode.rawValue), \(connections) connections, \(pressure), \(size) B, \(target.wire.rawValue)"
    }

    func run() throws {
        prepareProcess()
        try target.withTarget(connections: connections) { target, pid in
            let scenario = ExchangeScenario(plan(target), circumstances(pid))
            if floor {
                try options.show(
                    FloorComparison(scenario, title: title, rounds: rounds, core: self.target.pinServer).run())
            } else {
                var sum = Measurement()
                for _ in 0..<rounds { sum.add(try scenario.run()) }
                let report = scenario.report(sum, title: title)
                options.show(report)
                try page.write(report, sum.charts, title: "bench pair")
            }
        }
    }
}
