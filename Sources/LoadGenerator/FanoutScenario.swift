internal import Glibc
internal import Reactor
internal import Wire

/// The members of a group, of whom one sends; or one who publishes on a channel, and its subscribers.
final class FanoutLoop: LoadLoop {
    private var isSending = false
    /// Clients whose subscription was answered.
    private(set) var subscribedCount = 0
    private var sender: LoadClient?

    /// Lets all but client 0 subscribe.
    func subscribe(channel: String) {
        for client in clients where client.index != 0 {
            client.send(command: "{\"cmd\":\"subscribe\",\"channel\":\"\(channel)\"}")
        }
    }

    override func subscribed(_ client: LoadClient) { subscribedCount += 1 }

    /// Lets client 0, if it lives here, send to the group or channel with a window of messages without an ack.
    func start(to name: String, isChannel: Bool) throws {
        guard let sender = clients.first(where: { $0.index == 0 }) else { return }
        sender.template = try makeTemplate(to: name, isChannel: isChannel)
        self.sender = sender
        isSending = true
        let now = Stamp.now
        for _ in 0..<plan.window { sender.send(stamp: now) }
    }

    private func makeTemplate(to name: String, isChannel: Bool) throws -> MessageTemplate {
        switch plan.target.wire {
        case .floor: try .floor(size: plan.floorMessageBytes)
        case .binary where isChannel: try .publication(on: name, size: plan.size, isBinary: true)
        case .binary: try .binary(.durable, kind: .group, to: name, size: plan.size, isCompressed: plan.isCompressed)
        case .json where isChannel, .both where isChannel:
            try .publication(on: name, size: plan.size, isBinary: false)
        case .json, .both: try .json(.durable, command: 11, to: name, size: plan.size)
        }
    }

    func stopSending() { isSending = false }

    override func acked(_ client: LoadClient, _ stamp: UInt64?, isAccepted: Bool, _ now: UInt64) {
        meter.acked += 1
        if isMeasuring, let stamp { meter.ackLatency.record(from: stamp, to: now) }
        client.outstanding -= 1
        if isSending { client.send(stamp: now) }
    }

    override func delivered(_ client: LoadClient, _ stamp: UInt64?, _ now: UInt64) {
        meter.delivered += 1
        if isMeasuring, let stamp { meter.deliveryLatency.record(from: stamp, to: now) }
    }

    override func refused(_ client: LoadClient) {
        meter.refused += 1
        isSending = false
    }
}

/// `fanout`: one member of a group sends, all others receive; or one publishes on a channel, and all others subscribe.
package struct FanoutScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Over a channel, instead of a group.
    package var isChannel = false

    package init(_ plan: Plan, _ circumstances: Circumstances) {
        self.plan = plan
        self.circumstances = circumstances
    }

    package func run() throws -> Measurement {
        // One of its own for each round.
        let name = "fanout-\(plan.target.run)-\(Target.randomRun())"
        if plan.target.wire != .floor, !isChannel {
            try plan.target.createGroup(name, members: 0..<plan.connections)
        }
        let crew = try Crew(plan, cores: circumstances.cores) { FanoutLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: plan.connections, secondsMax: 60)
        if isChannel { try subscribe(crew, to: name) }
        let depth = try stampDepth(name)
        let isChannel = isChannel
        try crew.ask { loop in
            loop.stampDepth = depth
            try loop.start(to: name, isChannel: isChannel)
        }
        usleep(UInt32(circumstances.warmup * 1e6))
        var measurement = try Measurement.take(crew, circumstances, message: \.delivered)
        try crew.ask { $0.stopSending() }
        let others = plan.connections - 1
        try crew.drain(into: &measurement) { meter in
            let taken = meter.sent - meter.refused
            return (taken - meter.acked, taken * others - meter.delivered)
        }
        return measurement
    }

    private func subscribe(_ crew: Crew<FanoutLoop>, to channel: String) throws {
        try crew.ask { $0.subscribe(channel: channel) }
        let deadline = Stamp.now + UInt64(60e9)
        while true {
            let count = try crew.ask { $0.subscribedCount }.reduce(0, +)
            if count == plan.connections - 1 { return }
            if Stamp.now > deadline { throw BenchError("only \(count) clients are subscribed") }
            usleep(10_000)
        }
    }

    /// The same against the forwarder at `address`, with messages of another size.
    func floor(at address: SocketAddress, serverPID: Int, messageBytes: Int) -> FanoutScenario {
        var floor = self
        floor.isChannel = false
        floor.plan.floorWork = .fanout
        floor.plan.size = messageBytes
        floor.plan.target.wire = .floor
        floor.plan.target.tcp = address
        floor.circumstances.serverPID = serverPID
        return floor
    }

    private func stampDepth(_ group: String) throws -> Int? {
        guard plan.target.wire == .binary, !isChannel else { return nil }
        let template = try MessageTemplate.binary(
            .durable, kind: .group, to: group, size: plan.size, isCompressed: plan.isCompressed)
        return template.stampDepth
    }

    package func report(_ measurement: Measurement) -> Report {
        var report = Report()
        let others = isChannel ? "\(plan.connections - 1) subscribers" : "\(plan.connections) members"
        report.begin("fanout to \(others), window \(plan.window), \(plan.size) B")
        let meter = measurement.meter
        report.addSeconds(measurement)
        report.add("messages", "messages", meter.acked)
        report.add("rate", "messages a second", Double(meter.acked) / measurement.seconds, places: 0)
        report.add("delivered", "deliveries a second", Double(meter.delivered) / measurement.seconds, places: 0)
        report.addCost(measurement, messages: meter.delivered, each: "a delivery")
        report.addClient(measurement)
        report.addLatency("ack", "ack", meter.ackLatency)
        report.addLatency("delivery", "delivery", meter.deliveryLatency)
        report.addTrouble(measurement)
        return report
    }
}
