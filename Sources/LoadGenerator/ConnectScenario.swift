internal import Glibc
internal import Reactor

/// Clients that connect, sign in and leave again.
final class ConnectLoop: LoadLoop {
    override func clientReady(_ client: LoadClient) {
        meter.acked += 1
        meter.ackLatency.record(from: client.startedAt, to: Stamp.now)
        client.close()
        super.clientReady(client)
    }
}

/// `connect`: how many connections a second are opened and signed in, and how long one takes.
package struct ConnectScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances

    package init(_ plan: Plan, _ circumstances: Circumstances) {
        self.plan = plan
        self.circumstances = circumstances
    }

    /// The interval ends with the last sign-in.
    package func run() throws -> Measurement {
        let crew = try Crew(plan, cores: circumstances.cores) { ConnectLoop($0, loop: $1) }
        defer { crew.stop() }
        var measurement = Measurement()
        let before = try UsageMark(serverPID: circumstances.serverPID)
        let line = ProgressLine(isShown: circumstances.showsProgress)
        try crew.open(count: plan.connections, secondsMax: 60, progress: line.showSignedIn)
        measurement.noteUsage(from: before, to: try UsageMark(serverPID: circumstances.serverPID))
        line.clear()
        measurement.meter = try crew.meter()
        measurement.whole = measurement.meter
        return measurement
    }

    /// The same against the forwarder at `address`.
    func floor(at address: SocketAddress, serverPID: Int) -> ConnectScenario {
        var floor = self
        floor.plan.target.wire = .floor
        floor.plan.target.tcp = address
        floor.circumstances.serverPID = serverPID
        return floor
    }

    package func report(_ measurement: Measurement) -> Report {
        var report = Report()
        let count = measurement.meter.acked
        report.begin("connect and sign in, \(plan.ramp) at a time")
        report.addSeconds(measurement)
        report.add("connections", "connections", count)
        report.add("rate", "connections a second", Double(count) / measurement.seconds, places: 0)
        report.addCost(measurement, messages: count, each: "a connection")
        report.addClient(measurement)
        report.addLatency("sign_in", "connect to welcome", measurement.meter.ackLatency)
        report.addTrouble(measurement)
        return report
    }
}
