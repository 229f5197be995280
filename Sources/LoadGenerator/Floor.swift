package import Reactor

/// What the forwarder does with what it reads.
package enum FloorWork: Sendable {
    /// To the peer, as a router does with a private message.
    case forward
    /// Back to where it came from.
    case echo
    /// What client 0 sends, to everybody and to itself, where it stands for the ack.
    case fanout
}

/// What the same work costs where there is no router: the kernel's part of it, or the disk's.
package struct Floor: Sendable {
    package var name: String
    /// What is counted: one, and many.
    package var unit = (one: "a message", many: "messages")
    /// Where it is counted.
    package var message: any KeyPath<Meter, Int> & Sendable
    /// A latency that compares with the router's of the same name; nil where none does.
    package var latency: (any KeyPath<Meter, Latency> & Sendable)?
    /// Measures once, after the router was measured in the same round.
    package var measure: @Sendable (_ router: Measurement) throws -> Measurement

    /// Runs `body` with a forwarder of its own.
    package static func withForwarder<Result>(
        capacity: Int, core: Int?, _ body: (_ address: SocketAddress, _ pid: Int) throws -> Result
    ) throws -> Result {
        let server = try ChildServer.floor("/proc/self/exe", capacity: capacity, core: core)
        defer { server.stop() }
        return try body(server.tcp, server.pid)
    }

    /// The bare forwarder, or echo, under the same pressure as `scenario`.
    package static func exchange(_ scenario: ExchangeScenario, _ work: FloorWork, core: Int?) -> Floor {
        let isEcho = work == .echo
        return Floor(
            name: isEcho ? "a bare epoll echo" : "a bare forwarder",
            message: \.delivered, latency: \Meter.deliveryLatency
        ) { _ in
            try withForwarder(capacity: scenario.plan.connections, core: core) { address, pid in
                try scenario.floor(work, at: address, serverPID: pid).run()
            }
        }
    }

    /// A bare sender that writes to each member as many bytes as the router did.
    package static func fanout(_ scenario: FanoutScenario, core: Int?) -> Floor {
        Floor(
            name: "a bare sender to all members", unit: ("a delivery", "deliveries"), message: \.delivered,
            latency: \Meter.deliveryLatency
        ) { router in
            try withForwarder(capacity: scenario.plan.connections, core: core) { address, pid in
                let bytes = router.meter.bytesIn / max(router.meter.delivered, 1)
                return try scenario.floor(at: address, serverPID: pid, messageBytes: bytes).run()
            }
        }
    }

    /// Accepting, reading eight bytes and answering with one.
    package static func connect(_ scenario: ConnectScenario, core: Int?) -> Floor {
        Floor(
            name: "a bare accept and answer", unit: ("a connection", "connections"), message: \.acked,
            latency: \Meter.ackLatency
        ) { _ in
            try withForwarder(capacity: scenario.plan.connections, core: core) { address, pid in
                try scenario.floor(at: address, serverPID: pid).run()
            }
        }
    }

    /// SQLite alone, one thread, no network.
    package static func rows(_ layout: RowLayout, batch: Int, payloadBytes: Int, users: Int, seconds: Double) -> Floor {
        Floor(
            name: "SQLite alone, \(layout.rawValue), \(batch) messages a commit", message: \.acked
        ) { _ in
            try DiskFloor.rows(layout, batch: batch, payloadBytes: payloadBytes, users: users, seconds: seconds)
        }
    }

    /// The figures of the floor by itself.
    package func report(_ measurement: Measurement) -> Report {
        var report = Report()
        let count = measurement.meter[keyPath: message]
        report.begin(name)
        report.add("rate", "\(unit.many) a second", Double(count) / max(measurement.seconds, 1e-9), places: 0)
        report.addCost(measurement, messages: count, each: unit.one)
        if latency == nil {
            report.addLatency("commit", "commit", measurement.meter.ackLatency)
        } else if let latency {
            report.addLatency("latency", "latency", measurement.meter[keyPath: latency])
        }
        report.addTrouble(measurement)
        return report
    }
}
