internal import Glibc
internal import Reactor

/// `idle`: what a connection costs that is signed in and does nothing.
package struct IdleScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Connections that are opened before memory is looked at for the first time, so that what the router needs once
    /// isn't shared out among them.
    package var primed: Int
    /// Seconds of quiet between the last sign-in and the second look.
    package var settle: Double

    package init(_ plan: Plan, _ circumstances: Circumstances, primed: Int, settle: Double) {
        self.plan = plan
        self.circumstances = circumstances
        self.primed = primed
        self.settle = settle
    }

    package struct Result: Sendable {
        package var before: MemoryUsage
        package var after: MemoryUsage
        /// The CPU of `Circumstances.seconds` in which nothing but heartbeats happens.
        package var measurement: Measurement
    }

    package func run() throws -> Result {
        guard let pid = circumstances.serverPID else {
            throw BenchError("idle needs the server's process: --server-pid")
        }
        guard plan.connections > primed else { throw BenchError("more connections than \(primed) are needed") }
        let crew = try Crew(plan, cores: circumstances.cores) { LoadLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: primed, secondsMax: 60)
        usleep(UInt32(settle * 1e6))
        let before = try MemoryUsage(pid: pid)
        let line = ProgressLine(isShown: circumstances.showsProgress)
        try crew.open(first: primed, count: plan.connections - primed, secondsMax: 300) { line.show("\($0) signed in") }
        line.show("settling")
        usleep(UInt32(settle * 1e6))
        line.clear()
        let after = try MemoryUsage(pid: pid)
        var measurement = try Measurement.take(crew, circumstances, message: \.other)
        measurement.whole = try crew.meter()
        return Result(before: before, after: after, measurement: measurement)
    }

    /// The same with a bare forwarder in the router's place.
    package func runFloor(core: Int?) throws -> Result {
        try Floor.withForwarder(capacity: plan.connections, core: core) { address, pid in
            var floor = self
            floor.plan.target.wire = .floor
            floor.plan.target.tcp = address
            floor.circumstances.serverPID = pid
            return try floor.run()
        }
    }

    /// The memory of both ends of a connection, user space and kernel, beside that of a bare forwarder's.
    package func ratios(_ result: Result, floor: Result) -> Report {
        var report = Report()
        let count = plan.connections - primed
        let fields: [(String, String, [KeyPath<MemoryUsage, Int>])] = [
            ("user", "user space", [\.resident]), ("kernel", "kernel, both ends", [\.slab, \.tcpBuffers]),
            ("all", "both together", [\.resident, \.slab, \.tcpBuffers]),
        ]
        report.begin("idle connection in units of its floor: one of a bare forwarder")
        for (key, label, paths) in fields {
            func bytes(_ result: Result) -> Double {
                paths.reduce(0) { $0 + result.after.bytes($1, since: result.before, each: count) }
            }
            report.add("\(key)_floor_bytes", "\(label), forwarder", bytes(floor), places: 0, "B")
            if bytes(floor) > 0 {
                report.add("\(key)_ratio", label, bytes(result) / bytes(floor), places: 2, "× the floor's")
            }
        }
        return report
    }

    package func report(_ result: Result) -> Report {
        var report = Report()
        let count = plan.connections - primed
        let (before, after) = (result.before, result.after)
        report.begin("idle connections, signed in")
        report.add("connections", "connections", plan.connections)
        report.add("measured", "  opened between the two looks", count)
        let resident = after.bytes(\.resident, since: before, each: count)
        let anonymous = after.bytes(\.anonymous, since: before, each: count)
        report.add("user_bytes", "user-space memory each", resident, places: 0, "B")
        report.add("user_anonymous_bytes", "  of it heap and stacks", anonymous, places: 0, "B")
        report.add("resident_kib", "router's resident memory", after.resident, "KiB")
        report.add("resident_before_kib", "  before", before.resident, "KiB")
        let slab = after.bytes(\.slab, since: before, each: count)
        let buffers = after.bytes(\.tcpBuffers, since: before, each: count)
        report.add("kernel_slab_bytes", "kernel slab each, both ends", slab, places: 0, "B")
        report.add("kernel_buffer_bytes", "kernel TCP buffers each, both ends", buffers, places: 0, "B")
        if let server = result.measurement.server {
            let share = server.microseconds / result.measurement.seconds / 1e4
            report.add("idle_percent", "router CPU while idle", share, places: 2, "% of a core")
        }
        report.addTrouble(result.measurement)
        return report
    }
}
