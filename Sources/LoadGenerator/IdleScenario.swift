internal import Glibc
internal import Reactor

/// Clients that do nothing, or say now and then that they are there, in turn.
final class IdleLoop: LoadLoop {
    private var pace: Pace?
    private var turn = 0

    /// Lets each client send a heartbeat every so many seconds from now on.
    func beginHeartbeats(seconds: Double) {
        guard !clients.isEmpty else { return }
        pace = Pace(start: Stamp.now, messagesPerSecond: Double(clients.count) / seconds)
        loop.beforeFlush = { [unowned self] in sendWhatIsDue() }
        sendWhatIsDue()
    }

    private func sendWhatIsDue() {
        guard var pace else { return }
        let now = Stamp.now
        while pace.take(now: now) != nil {
            clients[turn].sendHeartbeat()
            meter.sent += 1
            turn = turn + 1 == clients.count ? 0 : turn + 1
        }
        // A millisecond's heartbeats together: nobody asks how late one is.
        loop.wakeAt = Stamp.monotonic(max(pace.next, now + 1_000_000))
        self.pace = pace
    }
}

/// `idle`: what a connection costs that is signed in and does nothing.
package struct IdleScenario: Sendable {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Connections that are opened before memory is looked at for the first time, so that what the router needs once
    /// isn't shared out among them.
    package var primed: Int
    /// Seconds of quiet between the last sign-in and the second look.
    package var settle: Double
    /// Seconds between two heartbeats of a client while the CPU is looked at; nil: none.
    package var heartbeat: Double?

    package init(
        _ plan: Plan, _ circumstances: Circumstances, primed: Int, settle: Double, heartbeat: Double? = nil
    ) {
        self.plan = plan
        self.circumstances = circumstances
        self.primed = primed
        self.settle = settle
        self.heartbeat = heartbeat
    }

    package struct Result: Sendable {
        package var before: MemoryUsage
        package var after: MemoryUsage
        /// The CPU of `Circumstances.seconds` in which nothing but heartbeats happens.
        package var measurement: Measurement
        /// Bytes that the router wrote to disks meanwhile; nil if that can't be read.
        package var writtenBytes: Int?
    }

    package func run() throws -> Result {
        guard let pid = circumstances.serverPID else {
            throw BenchError("idle needs the server's process: --server-pid")
        }
        guard plan.connections > primed else { throw BenchError("more connections than \(primed) are needed") }
        let crew = try Crew(plan, cores: circumstances.cores) { IdleLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: primed, secondsMax: 60)
        usleep(UInt32(settle * 1e6))
        let before = try MemoryUsage(pid: pid)
        let line = ProgressLine(isShown: circumstances.showsProgress)
        try crew.open(first: primed, count: plan.connections - primed, secondsMax: 60, progress: line.showSignedIn)
        line.show("settling")
        usleep(UInt32(settle * 1e6))
        line.clear()
        let after = try MemoryUsage(pid: pid)
        if let heartbeat { try crew.ask { $0.beginHeartbeats(seconds: heartbeat) } }
        let written = ProcessUsage.writtenBytes(pid: pid)
        var measurement = try Measurement.take(crew, circumstances, message: \.acked)
        measurement.whole = try crew.meter()
        let writtenAfter = ProcessUsage.writtenBytes(pid: pid)
        return Result(
            before: before, after: after, measurement: measurement,
            writtenBytes: written.flatMap { before in writtenAfter.map { $0 - before } })
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
        let (meter, seconds) = (result.measurement.meter, result.measurement.seconds)
        report.add("pings", "  pings of the router", Double(meter.pings) / seconds, places: 0, "/s")
        report.add("heartbeats", "  heartbeats of clients, answered", Double(meter.acked) / seconds, places: 0, "/s")
        if let written = result.writtenBytes {
            report.add("written_bytes", "  written to disk by the router", written, "B")
        }
        report.addTrouble(result.measurement)
        return report
    }
}
