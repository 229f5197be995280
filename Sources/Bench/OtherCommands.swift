import ArgumentParser
import LoadGenerator
import Reactor

struct FanoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout", abstract: "One member of a group sends, all others receive.")

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Members of the group, the sender among them.")
    var members = 100

    @Option(help: "Messages without an ack that the sender keeps in flight.")
    var window = 1

    @Option(help: "Bytes of content.")
    var size = 64

    @Flag(help: "Compress bodies; binary protocol only.")
    var lz4 = false

    mutating func validate() throws {
        guard (2...10_000).contains(members), (1...10_000).contains(window), (0...1 << 20).contains(size) else {
            throw ValidationError("members from 2 to 10000, window from 1 to 10000, size up to 1048576")
        }
        if lz4, target.wire != .binary { throw ValidationError("--lz4 needs --protocol binary") }
    }

    func run() throws {
        prepareProcess()
        try target.withTarget { target, pid in
            var plan = Plan(target: target, connections: members)
            plan.mode = .durable
            plan.window = window
            plan.size = size
            plan.isCompressed = lz4
            let scenario = FanoutScenario(plan, options.circumstances(serverPID: pid))
            options.show(scenario.report(try scenario.run()))
        }
    }
}

struct ConnectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect", abstract: "Clients that connect, sign in and leave: connections a second, and latency.")

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Connections in all.")
    var connections = 10_000

    @Option(help: "Connections that are being opened at a time, a thread.")
    var concurrency = 64

    mutating func validate() throws {
        guard (1...1_000_000).contains(connections), (1...10_000).contains(concurrency) else {
            throw ValidationError("connections from 1 to 1000000, concurrency from 1 to 10000")
        }
    }

    func run() throws {
        prepareProcess()
        try target.withTarget { target, pid in
            var plan = Plan(target: target, connections: connections)
            plan.ramp = concurrency
            let scenario = ConnectScenario(plan, options.circumstances(serverPID: pid))
            options.show(scenario.report(try scenario.run()))
        }
    }
}

struct IdleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "Connections that do nothing: the router's memory for each.")

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Connections in all.")
    var connections = 10_000

    @Option(help: "Connections that are opened before memory is looked at for the first time.")
    var primed = 100

    @Option(help: "Seconds of quiet before memory is looked at.")
    var settle = 4.0

    @Option(help: "Each client sends a heartbeat every so many seconds while the CPU is looked at; none without.")
    var heartbeat: Double?

    mutating func validate() throws {
        guard (1...1_000_000).contains(connections), (0..<connections).contains(primed) else {
            throw ValidationError("connections from 1 to 1000000, fewer of them primed")
        }
        guard (0...600).contains(settle) else { throw ValidationError("--settle up to 600") }
        if let heartbeat, !(0.1...600).contains(heartbeat) { throw ValidationError("--heartbeat from 0.1 to 600") }
    }

    func run() throws {
        prepareProcess()
        try target.withTarget(connections: connections) { target, pid in
            let plan = Plan(target: target, connections: connections)
            let circumstances = options.circumstances(serverPID: pid, connections: connections)
            let scenario = IdleScenario(
                plan, circumstances, primed: primed, settle: settle, heartbeat: heartbeat)
            options.show(scenario.report(try scenario.run()))
        }
    }
}
