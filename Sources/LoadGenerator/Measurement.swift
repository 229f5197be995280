internal import Glibc

/// What was counted, timed and used within one interval.
package struct Measurement: Sendable {
    /// Within the interval.
    package var meter = Meter()
    /// From the first connection to the last.
    package var whole = Meter()
    package var seconds = 0.0
    /// The server's CPU; nil if its process isn't known.
    package var server: ProcessUsage?
    /// The load generator's own CPU.
    package var client = ProcessUsage(threads: [])
    /// What everything but server and load generator used, and what the hypervisor took away, in microseconds.
    package var disturbance = 0.0
    /// Messages that had no answer some seconds after the last was sent.
    package var unanswered = 0
    /// Deliveries that hadn't happened by then.
    package var undelivered = 0
    /// How far it had come in the course of the interval; of a sum, in that of the first one.
    package var samples: [Sample] = []

    /// A count at an instant, both from the beginning of the interval.
    package struct Sample: Sendable, Equatable {
        package var seconds: Double
        package var count: Int

        package init(seconds: Double, count: Int) {
            self.seconds = seconds
            self.count = count
        }
    }

    package init() {}

    /// Adds another interval of the same scenario and the same process.
    package mutating func add(_ other: Measurement) {
        if samples.isEmpty { samples = other.samples }
        meter.add(other.meter)
        seconds += other.seconds
        if let used = other.server {
            if server == nil { server = used } else { server?.add(used) }
        }
        client.add(other.client)
        whole.add(other.whole)
        disturbance += other.disturbance
        unanswered += other.unanswered
        undelivered += other.undelivered
    }

    /// Refuses a run in which nothing came of anything: its figures would say nothing.
    package func requireAnswers(_ count: Int) throws {
        if count == 0 { throw BenchError("nothing was answered in \(Report.fixed(seconds, 2)) s") }
    }

    /// Lets a crew that is already at work run for `seconds` and measures what happens.
    package static func take<Member: LoadLoop>(
        _ crew: Crew<Member>, _ circumstances: Circumstances, message: any KeyPath<Meter, Int> & Sendable
    ) throws -> Measurement {
        var measurement = Measurement()
        try crew.ask { $0.beginMeasuring() }
        let before = try UsageMark(serverPID: circumstances.serverPID)
        let start = before.time
        measurement.samples = [Sample(seconds: 0, count: 0)]
        let end = start + UInt64(circumstances.seconds * 1e9)
        let line = ProgressLine(isShown: circumstances.showsProgress)
        var shown = 0
        let step = min(1, max(0.1, circumstances.seconds / 40))
        while Stamp.now < end {
            usleep(UInt32(min(Double(end - min(end, Stamp.now)) / 1e3, step * 1e6)))
            if let pid = circumstances.serverPID, ProcessUsage.hasEnded(pid: pid) {
                throw BenchError("the router ended")
            }
            let count = try crew.measured()[keyPath: message]
            measurement.samples.append(Sample(seconds: Double(Stamp.now - start) / 1e9, count: count))
            line.show("\(Report.grouped(Report.fixed(Double(count - shown) / step, 0))) messages/s")
            shown = count
        }
        measurement.meter = try crew.measured()
        measurement.noteUsage(from: before, to: try UsageMark(serverPID: circumstances.serverPID))
        try crew.ask { $0.isMeasuring = false }
        line.clear()
        return measurement
    }
}

extension Crew {
    /// Waits, a few seconds at most, until nothing is missing any more, and notes what is.
    ///
    /// - Parameter missing: messages without an answer, and deliveries that are still to come.
    func drain(
        into measurement: inout Measurement, missing: (Meter) -> (unanswered: Int, undelivered: Int)
    ) throws {
        for _ in 0..<500 {
            if try missing(meter()) == (0, 0) { break }
            usleep(10_000)
        }
        measurement.whole = try meter()
        (measurement.unanswered, measurement.undelivered) = missing(measurement.whole)
    }
}

/// How a scenario is run, beside what it does.
package struct Circumstances: Sendable {
    package var seconds: Double
    package var warmup: Double
    /// The process whose CPU and memory are looked at.
    package var serverPID: Int?
    /// One entry for each thread of the load generator: the core it is pinned to.
    package var cores: [Int?]
    package var showsProgress: Bool

    package init(seconds: Double, warmup: Double, serverPID: Int?, cores: [Int?], showsProgress: Bool) {
        self.seconds = seconds
        self.warmup = warmup
        self.serverPID = serverPID
        self.cores = cores
        self.showsProgress = showsProgress
    }
}

/// One line of standard error that is written over and over.
package struct ProgressLine {
    private let isShown: Bool
    package init(isShown: Bool) { self.isShown = isShown }

    /// Whether standard error is a terminal.
    package static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    package func show(_ text: String) { write("\r\u{1B}[K\(text)") }
    /// How far signing in has come: clients, of how many, in seconds.
    package func showSignedIn(_ count: Int, _ total: Int, _ seconds: Double) {
        let rate = Report.fixed(Double(count) / max(seconds, 0.001), 0)
        show("\(Report.grouped("\(count)")) of \(Report.grouped("\(total)")) signed in, \(Report.grouped(rate))/s")
    }

    /// A line of standard error that stays.
    package static func note(_ text: String) { ProgressLine(isShown: true).write(text + "\n") }

    package func clear() { write("\r\u{1B}[K") }

    private func write(_ text: String) {
        guard isShown else { return }
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
