internal import Glibc
internal import Reactor

/// `pair`: clients that send to each other, against a router or against its floor.
package struct ExchangeScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances

    package init(_ plan: Plan, _ circumstances: Circumstances) {
        self.plan = plan
        self.circumstances = circumstances
    }

    /// What is wrong with the plan; nil if it can be run.
    package var objection: String? {
        if plan.connections < 2 { return "two connections at least" }
        if plan.shape == .pairs, plan.connections % 2 != 0 { return "pairs need an even number of connections" }
        if plan.shape == .ring, circumstances.cores.count > 1 { return "a ring lives on one thread" }
        if plan.rate == nil, plan.window < 1 { return "the window must be at least 1" }
        if plan.size < plan.smallestSize { return "--size must be at least \(plan.smallestSize) for this mode" }
        if plan.target.wire == .binary, plan.mode == .accepted { return "the binary protocol has no accepted level" }
        if plan.isCompressed, plan.target.wire != .binary || plan.mode == .typing {
            return "only binary messages that are stored are compressed"
        }
        return nil
    }

    /// What is counted as a message of this mode.
    package var message: any KeyPath<Meter, Int> & Sendable { plan.mode == .typing ? \.delivered : \.acked }

    /// Opens the clients, lets them send, measures, and waits for what is still on its way.
    package func run() throws -> Measurement {
        if let objection { throw BenchError(objection) }
        let crew = try Crew(plan, cores: circumstances.cores) { ExchangeLoop($0, loop: $1) }
        defer { crew.stop() }
        let line = ProgressLine(isShown: circumstances.showsProgress)
        try crew.open(count: plan.connections, secondsMax: 60, progress: line.showSignedIn)
        line.clear()
        let share = plan.rate.map { $0 / Double(crew.count) }
        try crew.ask { loop in
            try loop.prepare()
            loop.start(messagesPerSecond: share)
        }
        usleep(UInt32(circumstances.warmup * 1e6))
        var measurement = try Measurement.take(crew, circumstances, message: message)
        try crew.ask { $0.stopSending() }
        let isStored = plan.mode != .typing
        try crew.drain(into: &measurement) { meter in
            let taken = meter.sent - meter.refused
            return (isStored ? taken - meter.acked : 0, taken - meter.delivered)
        }
        return measurement
    }

    /// The figures of a run.
    package func report(_ measurement: Measurement, title: String) -> Report {
        var report = Report()
        let count = measurement.meter[keyPath: message]
        report.begin(title)
        report.addSeconds(measurement)
        report.add("messages", "messages", count)
        report.add("rate", "messages a second", Double(count) / measurement.seconds, places: 0)
        if plan.mode != .typing {
            report.add(
                "delivered", "deliveries a second", Double(measurement.meter.delivered) / measurement.seconds, places: 0
            )
        }
        if let rate = plan.rate { report.addSchedule(schedule(measurement, rate: rate)) }
        report.addCost(measurement, messages: count)
        report.addClient(measurement)
        if plan.mode != .typing { report.addLatency("ack", "ack", measurement.meter.ackLatency) }
        report.addLatency("delivery", "delivery", measurement.meter.deliveryLatency)
        report.addTrouble(measurement)
        return report
    }

    /// What the open loop was asked for and what came of it.
    package func schedule(_ measurement: Measurement, rate: Double) -> Schedule {
        let meter = measurement.meter
        return Schedule(
            rate: rate, count: meter[keyPath: message], seconds: measurement.seconds,
            longest: max(meter.ackLatency.maxMicroseconds, meter.deliveryLatency.maxMicroseconds))
    }

    /// The same exchange against the forwarder at `address`.
    func floor(_ work: FloorWork, at address: SocketAddress, serverPID: Int) -> ExchangeScenario {
        var floor = self
        floor.plan.floorWork = work
        floor.plan.mode = .typing
        floor.plan.isCompressed = false
        floor.plan.target.wire = .floor
        floor.plan.target.tcp = address
        floor.circumstances.serverPID = serverPID
        return floor
    }
}
