import ArgumentParser
import LoadGenerator
import Reactor

struct ConnectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect", abstract: "Clients that connect, sign in and leave: connections a second, and latency.",
        discussion: """
            Each client connects, signs in, and leaves once it is welcome; --concurrency are on their way at a time.
            --floor puts a bare accept in C beside it, which reads eight bytes and answers with one.

              bench connect --spawn .build/release/router --connections 20000 --floor
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var floor: FloorOptions
    @OptionGroup var page: PageOption

    @Option(help: "Connections in all.")
    var connections = 10_000

    @Option(help: "Connections that are being opened at a time, a thread.")
    var concurrency = 64

    mutating func validate() throws {
        try require((1...1_000_000).contains(connections), "--connections from 1 to 1000000")
        try require((1...10_000).contains(concurrency), "--concurrency from 1 to 10000")
        try target.validateCompression(false)
    }

    func run() throws {
        prepareProcess()
        try target.withTarget { target, pid in
            var plan = Plan(target: target, connections: connections)
            plan.ramp = concurrency
            let scenario = ConnectScenario(plan, options.circumstances(serverPID: pid))
            let floors = floor.isMeasured ? [Floor.connect(scenario, core: self.target.pinServer)] : []
            try floor.run(
                floors, message: \.acked, unit: ("a connection", "connections"), title: "bench connect", options, page,
                { try scenario.run() }, report: scenario.report)
        }
    }
}

struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "Connections that do nothing: the router's memory for each.",
        discussion: """
            Opens --primed connections, looks at the router's memory, opens the rest, waits, and looks again; what grew
            is shared out among those between. Kernel memory is that of the whole machine and of both ends. --floor
            does the same with a bare forwarder in C.

              bench idle --spawn .build/release/router --connections 15000 --floor
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Connections in all.")
    var connections = 10_000

    @Option(help: "Connections that are opened before memory is looked at for the first time.")
    var primed = 100

    @Flag(help: "Look at the same connections to a bare forwarder, too.")
    var floor = false

    @Option(help: "Seconds of quiet before memory is looked at.")
    var settle = 9.0

    @Option(help: "Each client sends a heartbeat every so many seconds while the CPU is looked at; none without.")
    var heartbeat: Double?

    mutating func validate() throws {
        try require((1...1_000_000).contains(connections), "--connections from 1 to 1000000")
        try require((0..<connections).contains(primed), "--primed must be fewer than --connections")
        try require((0...600).contains(settle), "--settle from 0 to 600")
        if let heartbeat, !(0.1...600).contains(heartbeat) { throw ValidationError("--heartbeat from 0.1 to 600") }
        try target.validateCompression(false)
    }

    func run() throws {
        prepareProcess()
        try target.withTarget(connections: connections) { target, pid in
            let plan = Plan(target: target, connections: connections)
            let circumstances = options.circumstances(serverPID: pid, connections: connections)
            let scenario = IdleScenario(
                plan, circumstances, primed: primed, settle: settle, heartbeat: heartbeat)
            let result = try scenario.run()
            var report = scenario.report(result)
            if floor {
                report.append(scenario.ratios(result, floor: try scenario.runFloor(core: self.target.pinServer)))
            }
            options.show(report)
        }
    }
}
