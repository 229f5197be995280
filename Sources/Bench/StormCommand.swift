import ArgumentParser
import LoadGenerator
import Reactor

struct StormCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "Everyone loses the connection and comes back at once: the time until everyone has everything.",
        discussion: """
            All clients get a message, lose their connections, are written to while they are away, and resume together.
            A client is current when it has all that it was sent; all times count from the order to come back. Exits
            with 1 if an entry came twice, too early or never.

              bench storm --spawn .build/release/router --connections 15000 --messages 15000 --concurrency 4096
              bench storm --spawn .build/release/router --protocol binary --restart
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var page: PageOption

    @Option(help: "Clients that go and come back.")
    var connections = 1_000

    @Option(help: "Messages that are sent to them meanwhile, to one after the other.")
    var messages = 10_000

    @Option(help: "Bytes of content.")
    var size = 64

    @Option(help: "Connections that are being opened at a time, a thread; all others wait, and their time counts.")
    var concurrency = 512

    @Flag(help: "Compress bodies; binary protocol only.")
    var lz4 = false

    @Flag(help: "The router is told to go and started again, instead of the connections being cut; with --spawn.")
    var restart = false

    mutating func validate() throws {
        try require((1...1_000_000).contains(connections), "--connections from 1 to 1000000")
        try require((0...10_000_000).contains(messages), "--messages from 0 to 10000000")
        try require((0...65_536).contains(size), "--size from 0 to 65536")
        try require((1...60_000).contains(concurrency), "--concurrency from 1 to 60000")
        try target.validateCompression(lz4)
        if restart, target.spawn == nil { throw ValidationError("--restart needs --spawn") }
    }

    func run() throws {
        prepareProcess()
        try target.withServer(connections: connections) { target, pid, server in
            var plan = Plan(target: target, connections: connections)
            plan.mode = .durable
            plan.size = size
            plan.ramp = concurrency
            plan.isCompressed = lz4
            let circumstances = options.circumstances(serverPID: pid, connections: connections)
            let scenario = StormScenario(
                plan, circumstances, messages: messages, restarts: restart ? server : nil)
            let result = try scenario.run()
            let report = scenario.report(result)
            options.show(report)
            try page.write(report, result.charts, title: "bench storm")
            if result.state.isWrong || result.state.current < connections { throw ExitCode.failure }
        }
    }
}
