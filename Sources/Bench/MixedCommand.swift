import ArgumentParser
import LoadGenerator
import Reactor

struct MixedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mixed",
        abstract: "A day of chat in a few seconds: messages, groups, typing, histories, people who go and come back.",
        discussion: """
            What happens, and when, is drawn from --seed and doesn't wait for answers (open loop): each kind has a count
            and percentiles of its own, from the time at which it should have happened.

              bench mixed --spawn .build/release/router --clients 500 --rate 5000 --html day.html
              bench mixed --spawn .build/release/router --protocol binary --lz4
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var page: PageOption

    @Option(help: "Clients.")
    var clients = 500

    @Option(help: "Things that happen a second, of all kinds together; latency counts from the intended time.")
    var rate = 5_000.0

    @Flag(help: "Compress bodies; binary protocol only.")
    var lz4 = false

    @Option(help: "Repeats a run's choices.")
    var seed: UInt64 = 1

    mutating func validate() throws {
        try require((3...10_000).contains(clients), "--clients from 3 to 10000")
        try require(rate > 0 && rate <= 1e6, "--rate above 0 and up to 1000000")
        try target.validateCompression(lz4)
    }

    func run() throws {
        prepareProcess()
        try target.withTarget { target, pid in
            var plan = Plan(target: target, connections: clients)
            plan.isCompressed = lz4
            let scenario = MixedScenario(plan, options.circumstances(serverPID: pid), rate: rate, seed: seed)
            let result = try scenario.run()
            let report = scenario.report(result)
            options.show(report)
            try page.write(report, result.measurement.charts(counted: "actions"), title: "bench mixed")
            try result.measurement.requireAnswers(result.measurement.meter.acked)
        }
    }
}
