/// A router and its floor in turn, A B A B, so that both see the same machine: the ratio of the two holds where
/// absolute figures drift.
package struct FloorComparison: Sendable {
    private let scenario: ExchangeScenario
    private let title: String
    private let rounds: Int
    /// The core of the forwarder: that of the router.
    private let core: Int?

    package init(_ scenario: ExchangeScenario, title: String, rounds: Int, core: Int?) {
        self.scenario = scenario
        self.title = title
        self.rounds = rounds
        self.core = core
    }

    package func run() throws -> Report {
        var floor = Measurement()
        var router = Measurement()
        for _ in 0..<rounds {
            floor.add(try measureFloor())
            router.add(try scenario.run())
        }
        var report = Report()
        if isStored {
            report.append(FloorComparison.report(floor, batch: FloorComparison.batch, payloadBytes: scenario.plan.size))
        } else {
            report.append(
                scenario.floor(at: scenario.plan.target.tcp, serverPID: 0).report(floor, title: "kernel alone"))
        }
        report.append(scenario.report(router, title: title))
        report.begin("router in units of its floor")
        let messages = (router: router.meter[keyPath: scenario.message], floor: floorMessages(floor))
        let rates = (router: Double(messages.router) / router.seconds, floor: Double(messages.floor) / floor.seconds)
        report.add("rate_ratio", "messages a second", rates.router / max(rates.floor, 1), places: 2, "× the floor's")
        if let server = router.server, let alone = floor.server, messages.router > 0, messages.floor > 0 {
            let ratio = (server.microseconds / Double(messages.router)) / (alone.microseconds / Double(messages.floor))
            report.add("cpu_ratio", "CPU a message", ratio, places: 2, "× the floor's")
        }
        return report
    }

    private var isStored: Bool { scenario.plan.mode != .typing }

    private func floorMessages(_ floor: Measurement) -> Int {
        isStored ? floor.meter.acked : floor.meter.delivered
    }

    private func measureFloor() throws -> Measurement {
        guard isStored else { return try FloorComparison.forward(scenario, core: core) }
        return try DiskFloor.threeRows(
            batch: FloorComparison.batch, payloadBytes: scenario.plan.size, users: scenario.plan.connections,
            seconds: scenario.circumstances.seconds)
    }

    private static let batch = 256

    /// Runs an exchange against a forwarder of its own.
    package static func forward(_ scenario: ExchangeScenario, core: Int?) throws -> Measurement {
        let server = try ChildServer.floor("/proc/self/exe", capacity: scenario.plan.connections, core: core)
        defer { server.stop() }
        return try scenario.floor(at: server.tcp, serverPID: server.pid).run()
    }

    /// The figures of ``DiskFloor/threeRows(batch:payloadBytes:users:seconds:)``.
    package static func report(_ measurement: Measurement, batch: Int, payloadBytes: Int) -> Report {
        var report = Report()
        let count = measurement.meter.acked
        report.begin("SQLite alone: three rows a message, \(batch) messages a commit, \(payloadBytes) B")
        report.add("rate", "messages a second", Double(count) / measurement.seconds, places: 0)
        report.addCost(measurement, messages: count)
        report.addLatency("commit", "commit", measurement.meter.ackLatency)
        return report
    }
}
