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
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions

    @Option(help: "Clients.")
    var clients = 20

    @Option(help: "Messages a second of all clients together.")
    var rate = 500.0

    @Option(help: "Seconds between two kills of the router by SIGKILL, on average; with --spawn.")
    var killEvery: Double?

    @Flag(help: "Compress bodies that go over the binary protocol.")
    var lz4 = false

    @Option(help: "Members up to which a group message goes to every inbox; a router that is started here is told so.")
    var inboxMembers = 500

    @Option(help: "Repeats a run's choices.")
    var seed: UInt64?

    mutating func validate() throws {
        try require((2...2_000).contains(clients), "--clients from 2 to 2000")
        try require(rate > 0 && rate <= 100_000, "--rate above 0 and up to 100000")
        if let killEvery, !(0.05...3_600).contains(killEvery) {
            throw ValidationError("--kill-every from 0.05 to 3600")
        }
        if killEvery != nil, target.spawn == nil { throw ValidationError("--kill-every needs --spawn") }
        try target.validateCompression(lz4, allowsBoth: true)
    }

    func run() throws {
        prepareProcess()
        var target = target
        if target.spawn != nil { target.routerArgs += ["--inbox-members", "\(inboxMembers)"] }
        try target.withServer { target, pid, server in
            var plan = Plan(target: target, connections: clients)
            plan.isCompressed = lz4
            let scenario = VerifyScenario(
                plan, options.circumstances(serverPID: pid), rate: rate, killEvery: killEvery,
                seed: seed ?? .random(in: 0..<1 << 32), inboxMembersMax: inboxMembers, server: server)
            let result = try scenario.run()
            options.show(scenario.report(result))
            if !result.violations.isEmpty { throw ExitCode.failure }
        }
    }
}
