import ArgumentParser
import LoadGenerator
import Reactor

struct FloorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "floor", abstract: "What the kernel, the disk and SQLite alone cost on this machine and day.",
        discussion: """
            What a router can't be cheaper than: an epoll echo, a forwarder, a sender to many and an accept in C, that
            parse nothing; an fdatasync; SQLite that stores a message as three rows, and as one appended row. `pair`,
            `fanout`, `connect` and `idle` measure theirs in turn with the router if they get --floor.

              bench floor --pin-server 0 --pin-client 1
              bench floor --connections 2000
            """)

    @OptionGroup var options: RunOptions

    @Option(help: "Clients.")
    var connections = 100

    @Option(help: "Bytes of a message.")
    var size = 64

    @Option(help: "Messages of one SQLite commit.")
    var batch = FloorCommand.batchDefault

    @Option(help: "The core that the forwarder is pinned to.")
    var pinServer: Int?

    static let batchDefault = 256

    mutating func validate() throws {
        try require((2...15_000).contains(connections) && connections % 2 == 0, "--connections: even, from 2 to 15000")
        try require((12...65_536).contains(size), "--size from 12 to 65536")
        try require((1...100_000).contains(batch), "--batch from 1 to 100000")
        try requireCore(pinServer, "--pin-server")
    }

    func run() throws {
        prepareProcess()
        var report = Report()
        for (floor, pressure) in network {
            let measured = floor.report(try floor.measure(Measurement()))
            report.append(measured, named: "kernel alone, \(floor.name): \(pressure)")
        }
        report.begin("disk alone: append of 4 KiB and fdatasync")
        report.addLatency("sync", "fdatasync", try DiskFloor.syncs(count: 1_000))
        for layout in RowLayout.allCases {
            let floor = Floor.rows(
                layout, batch: batch, payloadBytes: size, users: connections, seconds: options.seconds)
            report.append(floor.report(try floor.measure(Measurement())))
        }
        options.show(report)
    }

    /// The kernel's floors, and how hard each is pressed.
    private var network: [(Floor, String)] {
        let circumstances = options.circumstances(serverPID: nil)
        var plan = Plan(target: .nowhere, connections: connections)
        plan.size = size
        var floors: [(Floor, String)] = []
        for window in [1, 16] {
            plan.window = window
            let scenario = ExchangeScenario(plan, circumstances)
            let pressure = "\(connections) connections, window \(window), \(size) B"
            floors += [FloorWork.echo, .forward].map { (.exchange(scenario, $0, core: pinServer), pressure) }
        }
        plan.window = 4
        let fanout = FanoutScenario(plan, circumstances)
        floors.append((.fanout(fanout, core: pinServer), "\(connections) members, window 4, \(size) B"))
        plan.connections = max(connections, FloorCommand.connectsMin)
        let connect = ConnectScenario(plan, circumstances)
        floors.append((.connect(connect, core: pinServer), "\(plan.connections) connections, \(plan.ramp) at a time"))
        return floors
    }

    /// Fewer connections take too little time to be measured.
    private static let connectsMin = 10_000
}

extension Target {
    /// For a plan whose server isn't there yet.
    static let nowhere = Target(
        web: SocketAddress(host: "127.0.0.1", port: 1), tcp: SocketAddress(host: "127.0.0.1", port: 1), wire: .json)
}

/// The forwarder's process; the other commands start it.
struct FloorServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "floor-server", shouldDisplay: false)

    @Option var port: UInt16
    @Option var capacity: Int

    func run() throws {
        _ = ProcessResources.raiseDescriptorLimit()
        try ChildServer.serveFloor(port: port, capacity: capacity)
    }
}
