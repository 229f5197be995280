import LoadGenerator
import Testing

@Suite struct MeasurementTests {
    private func mark(_ seconds: Double, server: Double?, client: Double, busy: Double, stolen: Double = 0) throws
        -> UsageMark
    {
        func usage(_ microseconds: Double) -> ProcessUsage {
            ProcessUsage(threads: [.init(id: 1, name: "x", userMicroseconds: microseconds, systemMicroseconds: 0)])
        }
        var machine = try MachineUsage()
        machine.busyMicroseconds = busy
        machine.stolenMicroseconds = stolen
        return UsageMark(
            time: UInt64(seconds * 1e9), server: server.map(usage), client: usage(client), machine: machine)
    }

    @Test func whatOthersUsedIsTheRestOfTheMachine() throws {
        var measurement = Measurement()
        measurement.noteUsage(
            from: try mark(1, server: 10, client: 20, busy: 0),
            to: try mark(2, server: 100_010, client: 200_020, busy: 1_000_000, stolen: 50_000), cores: 2)
        #expect(measurement.seconds == 1)
        #expect(measurement.server?.microseconds == 100_000 && measurement.client.microseconds == 200_000)
        #expect(measurement.disturbance == 750_000)
    }

    @Test func allTogetherIsNoMoreThanTheMachine() throws {
        var measurement = Measurement()
        measurement.noteUsage(
            from: try mark(0, server: 0, client: 0, busy: 0),
            to: try mark(1, server: 100_000, client: 60_000, busy: 2_140_000), cores: 2)
        #expect(measurement.disturbance == 1_840_000)
    }

    @Test func withoutTheServerNothingIsSaidOfOthers() throws {
        var measurement = Measurement()
        measurement.noteUsage(
            from: try mark(0, server: nil, client: 0, busy: 0), to: try mark(1, server: nil, client: 5, busy: 9),
            cores: 2)
        var report = Report()
        report.begin("t")
        report.addClient(measurement)
        #expect(report.text.contains("load generator CPU") && !report.text.contains("everything else"))
    }

    @Test(arguments: [(90_000.0, false), (110_000.0, true)])
    func othersThatWereBusyAreMarked(_ disturbance: Double, _ isMarked: Bool) {
        var measurement = Measurement()
        measurement.seconds = 1
        measurement.server = ProcessUsage(threads: [])
        measurement.disturbance = disturbance
        var report = Report()
        report.begin("t")
        report.addClient(measurement)
        #expect(report.text.contains("others were busy, repeat") == isMarked)
    }

    @Test(arguments: [(990_000.0, true), (1_000_000.0, false)])
    func fewTicksAreTold(_ microseconds: Double, _ isTold: Bool) {
        var measurement = Measurement()
        measurement.seconds = 1
        measurement.server = ProcessUsage(
            threads: [.init(id: 1, name: "x", userMicroseconds: microseconds, systemMicroseconds: 0)])
        var report = Report()
        report.begin("t")
        report.addCost(measurement, messages: 10)
        #expect(report.text.contains("run longer") == isTold)
    }

    @Test func answersAndDeliveriesAreCountedApart() {
        var measurement = Measurement()
        measurement.unanswered = 3
        measurement.undelivered = 40
        var sum = measurement
        sum.add(measurement)
        var report = Report()
        report.begin("t")
        report.addTrouble(sum)
        #expect(report.json.contains(#""unanswered":6,"undelivered":80"#))
    }

    @Test func aRunWithoutAnAnswerIsAnError() {
        #expect(throws: BenchError.self) { try Measurement().requireAnswers(0) }
        #expect(throws: Never.self) { try Measurement().requireAnswers(1) }
    }

    @Test func aScheduleIsKeptOrNot() {
        let kept = Schedule(rate: 1_000, count: 990, seconds: 1, longest: 500)
        #expect(!kept.isBehind && kept.objection == nil && kept.note == nil)
        let late = Schedule(rate: 400_000, count: 573_572, seconds: 2, longest: 3e6)
        #expect(late.objection == "286,786 of 400,000 a second")
        #expect(late.note != nil)
    }

    @Test func roundsTellTheirRange() {
        let rounds = [300, 100, 200].map { count in
            var round = Measurement()
            round.seconds = 1
            round.meter.acked = count
            round.meter.ackLatency.record(from: 0, to: 1_000_000)
            return round
        }
        let report = RoundRange(rounds, message: \.acked, unit: ("a message", "messages")).report(rounds: 3)
        #expect(
            report.json.contains(
                #"{"figure":"rate","label":"messages a second","median":200,"min":100,"max":300}"#))
        #expect(report.text.contains("range of 3 rounds") && report.text.contains("ack p99, µs"))
        #expect(!report.text.contains("delivery") && !report.text.contains("CPU"), "nothing is known of these")
    }
}

@Suite struct OriginTests {
    @Test func aReportSaysHowItWasMade() {
        var report = Report()
        report.begin("t")
        report.add("a", "a", 1)
        report.origin = Origin(command: "bench pair", machine: "a date, a machine")
        #expect(report.text.hasSuffix("\nbench pair (a date, a machine)\n"))
        #expect(
            report.json.contains(#"{"section":"origin","command":"bench pair","machine":"a date, a machine"}"#))
        let page = HTMLPage.make(title: "t", report: report, charts: [])
        #expect(page.contains("<code>bench pair</code>") && page.contains("a date, a machine"))
        #expect(Origin.current.machine.contains("Linux"))
    }

    @Test func secretsAreLeftOut() {
        #expect(Origin.command(["bench", "--jwt-secret", "x y", "a b"]) == "bench --jwt-secret SECRET 'a b'")
        #expect(Origin.command(["bench", "--jwt-secret=x"]) == "bench --jwt-secret=SECRET")
    }
}

@Suite struct ChildServerTests {
    @Test(arguments: [("/nope", "no such program /nope"), (".", ". is no program"), ("/etc/passwd", "is no program")])
    func refusesWhatIsNoProgram(_ path: String, _ part: String) {
        let error = #expect(throws: BenchError.self) {
            try ChildServer.router(path, arguments: [], security: nil, loops: 1, core: nil)
        }
        #expect(error?.description.contains(part) == true)
    }

    @Test func aServerThatEndsAtOnceSaysHow() {
        let error = #expect(throws: BenchError.self) {
            try ChildServer.router("/bin/false", arguments: [], security: nil, loops: 1, core: nil)
        }
        #expect(error?.description.contains("ended at once (exit code 1)") == true)
        #expect(ChildServer.description(ofEnd: 9) == "signal 9")
        #expect(ChildServer.description(ofEnd: 3 << 8) == "exit code 3")
    }

    @Test func aDirectoryTellsItsProcess() {
        #expect(ChildServer.owner(ofDirectory: "/var/tmp/switchboard-bench-42-abcdef") == 42)
        for other in ["/var/tmp/switchboard-bench-abcdef", "/var/tmp/x-42-a", "/var/tmp/switchboard-bench-0-a"] {
            #expect(ChildServer.owner(ofDirectory: other) == nil)
        }
    }
}
