import ArgumentParser
import LoadGenerator
import Reactor

struct FloorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "floor", abstract: "What the kernel, the disk and SQLite alone cost on this machine and day.")

    @OptionGroup var options: RunOptions

    @Option(help: "Clients.")
    var connections = 100

    @Option(help: "Bytes of a message.")
    var size = 64

    @Option(help: "Messages of one SQLite commit.")
    var batch = 256

    @Option(help: "The core that the forwarder is pinned to.")
    var pinServer: Int?

    mutating func validate() throws {
        guard (2...15_000).contains(connections), connections % 2 == 0, (0...65_536).contains(size) else {
            throw ValidationError("an even number of connections up to 15000, size up to 65536")
        }
        guard (1...100_000).contains(batch) else { throw ValidationError("--batch from 1 to 100000") }
    }

    func run() throws {
        prepareProcess()
        var report = Report()
        for window in [1, 16] {
            var plan = Plan(target: .nowhere, connections: connections)
            plan.window = window
            plan.size = size
            let scenario = ExchangeScenario(plan, options.circumstances(serverPID: nil))
            let measurement = try FloorComparison.forward(scenario, core: pinServer)
            let title = "kernel alone: forwarding, \(connections) connections, window \(window), \(size) B"
            report.append(scenario.report(measurement, title: title))
        }
        report.begin("disk alone: append of 4 KiB and fdatasync")
        report.addLatency("sync", "fdatasync", try DiskFloor.syncs(count: 1_000))
        report.append(
            FloorComparison.report(
                try DiskFloor.threeRows(batch: batch, payloadBytes: size, users: connections, seconds: options.seconds),
                batch: batch, payloadBytes: size))
        options.show(report)
    }
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
