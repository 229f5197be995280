import ArgumentParser
import LoadGenerator
import Reactor

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Clients with journals chat while connections break and the router is killed; checks every promise.",
        discussion: """
            Exits with 1 if a promise was broken, and prints which one, where, and the entries it is about. With
            --protocol both every other client speaks binary, so that messages cross from one protocol to the other.

              bench verify --spawn .build/release/router --seconds 60 --clients 50 --kill-every 2 --protocol both
              bench verify --spawn .build/release/router --seconds 180 --stop-every 3 --cut-every 0.2 --delay 20
              bench verify --spawn .build/release/router --seconds 180 --disk-faults --clock-jumps

            --disk-faults and --clock-jumps load the library faultshim in front of the router's C library: calls on its
            files fail now and then, and its clock jumps by up to an hour. A router whose sync failed must stop and say
            that it needs a restart, which it gets.
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Clients.")
    var clients = 20

    @Option(help: "Messages a second of all clients together.")
    var rate = 500.0

    @Option(help: "Seconds between two kills of the router by SIGKILL, on average; with --spawn.")
    var killEvery: Double?

    @Option(help: "Seconds between two stops of the router by SIGSTOP, each of up to two seconds; with --spawn.")
    var stopEvery: Double?

    @Option(
        help: "Seconds between two harms to connections: cut, closed on one side, stalled, byte by byte, answers lost.")
    var cutEvery: Double?

    @Option(help: "Milliseconds up to which bytes between clients and router are late.")
    var delay = 0

    @Flag(help: "Syncs, writes and truncations of the router's files fail now and then; with --spawn.")
    var diskFaults = false

    @Flag(help: "The router's clock jumps back and forth; with --spawn.")
    var clockJumps = false

    @Option(help: "The library for --disk-faults and --clock-jumps; libfaultshim.so beside this program without.")
    var shim: String?

    @Flag(help: "Compress bodies that go over the binary protocol.")
    var lz4 = false

    @Option(help: "Members up to which a group message goes to every inbox; a router that is started here is told so.")
    var inboxMembers = 500

    @Option(help: "Repeats a run's choices.")
    var seed: UInt64?

    mutating func validate() throws {
        try require((2...2_000).contains(clients), "--clients from 2 to 2000")
        try require(rate > 0 && rate <= 100_000, "--rate above 0 and up to 100000")
        for (seconds, name) in [(killEvery, "--kill-every"), (stopEvery, "--stop-every"), (cutEvery, "--cut-every")] {
            if let seconds { try require((0.05...3_600).contains(seconds), "\(name) from 0.05 to 3600") }
        }
        try require((0...2_000).contains(delay), "--delay from 0 to 2000")
        for (isUsed, name) in [
            (killEvery != nil, "--kill-every"), (stopEvery != nil, "--stop-every"), (diskFaults, "--disk-faults"),
            (clockJumps, "--clock-jumps"),
        ] where isUsed && target.spawn == nil {
            throw ValidationError("\(name) needs --spawn")
        }
        try target.validateCompression(lz4, allowsBoth: true)
    }

    private var faults: VerifyFaults {
        var faults = VerifyFaults()
        faults.killEvery = killEvery
        faults.stopEvery = stopEvery
        faults.cutEvery = cutEvery
        faults.delayMilliseconds = delay
        faults.hasDiskFaults = diskFaults
        faults.jumpsClock = clockJumps
        return faults
    }

    /// The library that the started router needs; nil if none.
    private var neededShim: String? {
        get throws {
            guard faults.needsShim else { return nil }
            let path = shim ?? ProcessUsage.ownDirectory + "/libfaultshim.so"
            guard ChildServer.canRead(path) else {
                throw ValidationError("no \(path): build it by `swift build -c release --product faultshim`")
            }
            return path
        }
    }

    func run() throws {
        prepareProcess()
        var target = target
        if target.spawn != nil { target.routerArgs += ["--inbox-members", "\(inboxMembers)"] }
        try target.withServer(shim: neededShim) { target, pid, server in
            var plan = Plan(target: target, connections: clients)
            plan.isCompressed = lz4
            let scenario = try VerifyScenario(
                plan, options.circumstances(serverPID: pid), rate: rate, faults: faults,
                seed: seed ?? .random(in: 0..<1 << 32), inboxMembersMax: inboxMembers, server: server)
            let result = try scenario.run()
            options.show(scenario.report(result))
            if !result.violations.isEmpty { throw ExitCode.failure }
        }
    }
}
