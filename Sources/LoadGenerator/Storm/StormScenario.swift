internal import Glibc
internal import Reactor

/// `storm`: everyone loses the connection, messages are sent meanwhile, and everyone comes back at once.
package struct StormScenario {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Messages that are sent while the readers are away.
    package var messages: Int
    /// The router that is told to go and started again; nil: only the connections end.
    package var restarts: ChildServer?
    private let readers: Int

    /// Clients that stay, or are the first to be back, and send.
    static let writers = 8

    /// - Parameter plan: its connections are the readers.
    package init(_ plan: Plan, _ circumstances: Circumstances, messages: Int, restarts: ChildServer?) {
        self.plan = plan
        self.plan.connections += StormScenario.writers
        readers = plan.connections
        self.circumstances = circumstances
        self.messages = messages
        self.restarts = restarts
    }

    package struct Result: Sendable {
        package var measurement = Measurement()
        package var state = StormState()
        /// From the order to end to readiness; 0 without a restart.
        package var restartSeconds = 0.0
        package var signInSeconds = 0.0
        package var currentSeconds = 0.0
    }

    package func run() throws -> Result {
        let crew = try Crew(plan, cores: circumstances.cores) { StormLoop($0, loop: $1) }
        defer { crew.stop() }
        var result = Result()
        let line = ProgressLine(isShown: circumstances.showsProgress)
        try crew.open(count: plan.connections, secondsMax: 60, progress: line.showSignedIn)
        line.show("everyone gets a first message")
        try send(0..<readers, crew)
        try awaitCurrent(crew, seconds: seconds(60))
        line.show("everyone is gone")
        result.restartSeconds = try sendAway(crew)
        try send(readers..<readers + messages, crew)
        line.show("everyone comes back")
        try measureReturn(crew, &result)
        line.clear()
        return result
    }

    private func sendAway(_ crew: Crew<StormLoop>) throws -> Double {
        let isRestart = restarts != nil
        try crew.ask { $0.leave(all: isRestart) }
        guard let restarts else {
            usleep(500_000)
            return 0
        }
        let start = Stamp.now
        restarts.end(isKilled: false)
        try restarts.start()
        let seconds = Double(Stamp.now - start) / 1e9
        try crew.ask { $0.reopenWriters() }
        try wait(seconds: 30, "the writers aren't back") {
            try crew.ask { $0.readyCount }.reduce(0, +) == StormScenario.writers
        }
        return seconds
    }

    /// Sends messages with these numbers and waits for their acks.
    private func send(_ numbers: Range<Int>, _ crew: Crew<StormLoop>) throws {
        let acked = try crew.meter().acked
        let readers = readers
        try crew.ask { $0.expect(numbers.upperBound, readers: readers) }
        // The writers have the last indices: each loop that has some sends an equal part.
        let writing = try crew.ask { $0.hasWriters }
        var parts = Crew<StormLoop>.shares(of: numbers, among: writing.count { $0 })
        let shares = writing.map { $0 ? parts.removeFirst() : numbers.upperBound..<numbers.upperBound }
        try crew.askEach { loop, number in loop.send(shares[number], readers: readers) }
        try wait(seconds: seconds(120), "the messages weren't all acked") {
            try crew.meter().acked - acked == numbers.count
        }
    }

    private func awaitCurrent(_ crew: Crew<StormLoop>, seconds: Double) throws {
        let readers = readers
        try wait(seconds: seconds, "the first message didn't reach everyone") {
            try crew.ask { $0.currentCount }.reduce(0, +) == readers
        }
    }

    private func measureReturn(_ crew: Crew<StormLoop>, _ result: inout Result) throws {
        let pid = restarts?.pid ?? circumstances.serverPID
        let before = try crew.meter()
        let mark = try UsageMark(serverPID: pid)
        let start = mark.time
        try crew.ask { $0.comeBack(at: start) }
        let deadline = start + UInt64(seconds(120) * 1e9)
        var samples = [Measurement.Sample(seconds: 0, count: 0)]
        while Stamp.now < deadline {
            let current = try crew.ask { $0.currentCount }.reduce(0, +)
            samples.append(Measurement.Sample(seconds: Double(Stamp.now - start) / 1e9, count: current))
            if current == readers { break }
            usleep(20_000)
        }
        result.measurement.noteUsage(from: mark, to: try UsageMark(serverPID: pid))
        result.measurement.samples = samples
        // What comes twice may come late.
        usleep(300_000)
        var late = StormState()
        for state in try crew.ask({ $0.state }) { late.add(state) }
        result.state = late
        result.measurement.whole = try crew.meter()
        result.measurement.meter = result.measurement.whole.since(before)
        let isComplete = late.current == readers
        result.signInSeconds = late.lastWelcome > start ? Double(late.lastWelcome - start) / 1e9 : 0
        result.currentSeconds = isComplete ? Double(late.lastCurrent - start) / 1e9 : .infinity
    }

    /// How long to wait at most: so long, and longer for many.
    private func seconds(_ few: Double) -> Double { few + Double(plan.connections) * LoadLoop.signInSecondsMax }

    private func wait(seconds: Double, _ failure: String, until isDone: () throws -> Bool) throws {
        let deadline = Stamp.now + UInt64(seconds * 1e9)
        while try !isDone() {
            if Stamp.now > deadline { throw BenchError("\(failure) within \(Int(seconds)) seconds") }
            usleep(5_000)
        }
    }

    package func report(_ result: Result) -> Report {
        var report = Report()
        let meter = result.measurement.meter
        let kind = restarts == nil ? "connections cut" : "router restarted"
        report.begin("storm: \(kind), \(readers) clients come back, \(messages) messages sent meanwhile")
        report.add("connections", "clients", readers)
        report.add("messages", "messages sent meanwhile", messages)
        if restarts != nil { report.add("restart_s", "router gone", result.restartSeconds, places: 3, "s") }
        if result.state.current == readers {
            report.add("current_s", "everyone current after", result.currentSeconds, places: 3, "s")
        } else {
            report.add("not_current", "clients that never became current", readers - result.state.current)
        }
        report.add("signed_in_s", "everyone signed in after", result.signInSeconds, places: 3, "s")
        let rate = Double(meter.deliveryLatency.count) / max(result.signInSeconds, 1e-9)
        report.add("sign_ins", "sign-ins a second", rate, places: 0)
        report.addLatency("current", "a client current", meter.ackLatency)
        report.addLatency("welcome", "a client signed in", meter.deliveryLatency)
        report.addCost(result.measurement, messages: readers, each: "a client")
        report.addClient(result.measurement)
        report.add("repeated", "entries that came twice", result.state.repeated)
        report.add("early", "entries that came before others", result.state.early)
        report.add("missing_entries", "entries missing", result.state.missing)
        report.add("surplus", "entries that nobody sent", result.state.surplus)
        report.addTrouble(result.measurement)
        return report
    }
}
