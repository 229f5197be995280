import ArgumentParser
import LoadGenerator
import Reactor

struct FanoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout", abstract: "One member of a group, or of a channel, sends; all others receive.",
        discussion: """
            Counts deliveries: a message to 100 members is 99 of them, and the costs are those of one delivery. The
            sender keeps --window messages without an ack in flight. --floor puts a bare sender in C beside it that
            writes as many bytes to as many sockets. With --channel one client publishes on a channel that all others
            subscribe to, and nothing is stored.

              bench fanout --spawn .build/release/router --members 100 --window 4 --floor --rounds 3
            """)

    @OptionGroup var target: TargetOptions
    @OptionGroup var options: RunOptions
    @OptionGroup var floor: FloorOptions
    @OptionGroup var page: PageOption

    @Flag(help: "Over a channel.")
    var channel = false

    @Option(help: "Members of the group, or clients of the channel, the sender among them.")
    var members = 100

    @Option(help: "Messages without an ack that the sender keeps in flight.")
    var window = 1

    @Option(help: "Bytes of content.")
    var size = 64

    @Flag(help: "Compress bodies; binary protocol only.")
    var lz4 = false

    mutating func validate() throws {
        let most = channel ? 100_000 : 10_000
        try require((2...most).contains(members), "--members from 2 to \(most)")
        try require(!(channel && lz4), "--lz4 is for messages, not for --channel")
        try require((1...10_000).contains(window), "--window from 1 to 10000")
        let least = target.wire == .binary || channel ? 12 : 0
        let largest = channel ? (64 << 10) - 2 : 1 << 20
        try require((least...largest).contains(size), "--size from \(least) to \(largest)")
        try target.validateCompression(lz4)
    }

    func run() throws {
        prepareProcess()
        try target.withTarget { target, pid in
            var plan = Plan(target: target, connections: members)
            plan.mode = .durable
            plan.window = window
            plan.size = size
            plan.isCompressed = lz4
            var scenario = FanoutScenario(plan, options.circumstances(serverPID: pid))
            scenario.isChannel = channel
            let floors = floor.isMeasured ? [Floor.fanout(scenario, core: self.target.pinServer)] : []
            try floor.run(
                floors, message: \.delivered, unit: ("a delivery", "deliveries"), title: "bench fanout", options, page,
                { try scenario.run() }, report: scenario.report)
        }
    }
}
