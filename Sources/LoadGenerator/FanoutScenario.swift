internal import Glibc
internal import Reactor
internal import Wire

/// The members of a group, of whom one sends.
final class FanoutLoop: LoadLoop {
    private var isSending = false
    private var sender: LoadClient?

    /// Lets client 0, if it lives here, send to the group with a window of messages without an ack.
    func start(group: String) throws {
        guard let sender = clients.first(where: { $0.index == 0 }) else { return }
        sender.template =
            switch plan.target.wire {
            case .json, .both: try .json(.durable, command: 11, to: group, size: plan.size)
            case .binary:
                try .binary(.durable, kind: .group, to: group, size: plan.size, isCompressed: plan.isCompressed)
            case .floor: try .floor(size: plan.floorMessageBytes)
            }
        self.sender = sender
        isSending = true
        let now = Stamp.now
        for _ in 0..<plan.window { sender.send(stamp: now) }
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

/// `fanout`: one member of a group sends, all others receive.
package struct FanoutScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances

    package init(_ plan: Plan, _ circumstances: Circumstances) {
        self.plan = plan
        self.circumstances = circumstances
    }

    package func run() throws -> Measurement {
        // A group of its own for each round.
        let group = "group-\(plan.target.run)-\(Target.randomRun())"
        if plan.target.wire != .floor { try plan.target.createGroup(group, members: 0..<plan.connections) }
        let crew = try Crew(plan, cores: circumstances.cores) { FanoutLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: plan.connections, secondsMax: 60)
        let depth = try stampDepth(group)
        try crew.ask { loop in
            loop.stampDepth = depth
            try loop.start(group: group)
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

    /// The same against the forwarder at `address`, with messages of another size.
    func floor(at address: SocketAddress, serverPID: Int, messageBytes: Int) -> FanoutScenario {
        var floor = self
        floor.plan.floorWork = .fanout
        floor.plan.size = messageBytes
        floor.plan.target.wire = .floor
        floor.plan.target.tcp = address
        floor.circumstances.serverPID = serverPID
        return floor
    }

    private func stampDepth(_ group: String) throws -> Int? {
        guard plan.target.wire == .binary else { return nil }
        let template = try MessageTemplate.binary(
            .durable, kind: .group, to: group, size: plan.size, isCompressed: plan.isCompressed)
        return template.stampDepth
    }

    package func report(_ measurement: Measurement) -> Report {
        var report = Report()
        report.begin("fanout to \(plan.connections) members, window \(plan.window), \(plan.size) B")
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
