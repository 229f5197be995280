internal import Base
internal import Glibc
internal import Reactor

/// `verify`: clients chat while their connections break and the router is killed; every promise is checked.
package struct VerifyScenario {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Messages a second of all clients together.
    package var rate: Double
    package let faults: VerifyFaults
    package var seed: UInt64
    /// Members up to which the router writes a group message to every inbox.
    package var inboxMembersMax: Int
    /// The router to be killed, stopped and started again.
    package var server: ChildServer?
    private let setup: VerifySetup
    private let proxy: FaultProxy?
    private let control: FaultControl?

    package init(
        _ plan: Plan, _ circumstances: Circumstances, rate: Double, faults: VerifyFaults = VerifyFaults(), seed: UInt64,
        inboxMembersMax: Int = Limits.inboxMembersDefault, server: ChildServer?
    ) throws {
        var plan = plan
        proxy = faults.needsProxy
            ? try FaultProxy(
                web: plan.target.web, tcp: plan.target.tcp, delayMilliseconds: faults.delayMilliseconds, seed: seed)
            : nil
        if let proxy { (plan.target.web, plan.target.tcp) = (proxy.web, proxy.tcp) }
        control = faults.needsShim ? try server.map { try FaultControl(path: $0.faultControl, seed: seed) } : nil
        self.inboxMembersMax = inboxMembersMax
        self.plan = plan
        self.circumstances = circumstances
        self.rate = rate
        self.faults = faults
        self.seed = seed
        self.server = server
        var random = SeededRandom(seed: seed)
        let groups = (0..<max(1, plan.connections / 10)).map { number in
            let size = min(plan.connections, Int.random(in: 3...20, using: &random))
            return VerifySetup.Group(
                name: "group-\(plan.target.run)-\(number)",
                members: Array((0..<plan.connections).shuffled(using: &random).prefix(size)))
        }
        setup = VerifySetup(
            clients: plan.connections, seed: seed, groups: groups, expectsDiskErrors: faults.hasDiskFaults)
    }

    package struct Result: Sendable {
        package var faults = FaultCounts()
        package var checks = 0
        package var sent = 0
        package var acked = 0
        package var resent = 0
        package var duplicates = 0
        package var sessions = 0
        package var entriesRead = 0
        package var violations: [Violation] = []
        package var seconds = 0.0
    }

    package func run() throws -> Result {
        try registerAuditors()
        for group in setup.groups { try plan.target.createGroup(group.name, members: group.members) }
        let setup = setup
        let crew = try Crew(plan, cores: circumstances.cores) { VerifyLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.ask { $0.take(setup) }
        try crew.open(count: plan.connections, secondsMax: 60)
        var result = Result()
        var random = SeededRandom(seed: seed ^ 0xABCD)
        var schedule = FaultSchedule(faults, proxy: proxy, control: control, server: server, seed: seed)
        defer { proxy?.stop() }
        let line = ProgressLine(isShown: circumstances.showsProgress)
        let start = Stamp.now
        let end = start + UInt64(circumstances.seconds * 1e9)
        repeat {
            try crew.ask { [rate, count = crew.count] in $0.start(messagesPerSecond: rate / Double(count)) }
            let roundEnd = min(end, faults.areAny ? Stamp.now + roundNanoseconds(&random) : end)
            try heed(schedule.run(until: roundEnd), crew, &schedule, &random, &result)
            if faults.killEvery != nil { try kill(&random, &schedule, &result) }
            try settle(crew, &schedule, &random, &result)
            try check(crew, &result)
            result.faults = schedule.allCounts
            line.show("\(result.checks) checks, \(result.acked) messages acked, \(result.violations.count) violations")
        } while Stamp.now < end && result.violations.isEmpty
        line.clear()
        result.seconds = Double(Stamp.now - start) / 1e9
        return result
    }

    private func roundNanoseconds(_ random: inout SeededRandom) -> UInt64 {
        let seconds = faults.killEvery.map { $0 * Double.random(in: 0.5...1.5, using: &random) }
        return UInt64((seconds ?? VerifyScenario.roundSeconds) * 1e9)
    }

    /// Between two checks, if nothing is killed.
    private static let roundSeconds = 10.0

    private func registerAuditors() throws {
        let crew = try Crew(plan, cores: [nil]) { AuditorLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: plan.connections, secondsMax: 60)
    }

    /// Gives the router what it needs after a disk error.
    private func heed(
        _ outcome: FaultSchedule.Outcome, _ crew: Crew<VerifyLoop>, _ schedule: inout FaultSchedule,
        _ random: inout SeededRandom, _ result: inout Result
    ) throws {
        switch outcome {
        case .done: break
        case .ended(let reason):
            let detail = "\(reason): \(server?.log.suffix(VerifyScenario.logShown) ?? "")"
            result.violations.append(Violation(promise: .keepsRunning, subject: "the router", detail: detail))
            try server?.start()
        case .restart:
            try checkSilence(crew, &result)
            server?.end(isKilled: Bool.random(using: &random))
            try startAgain(&schedule, &result)
            schedule.heedRestart()
        }
    }

    private static let logShown = 2_000

    /// A router that has asked for a restart must not ack anything. Behind a proxy older acks may still be on the way.
    private func checkSilence(_ crew: Crew<VerifyLoop>, _ result: inout Result) throws {
        guard proxy == nil else { return }
        usleep(VerifyScenario.silenceMicroseconds)
        let before = try crew.ask { $0.ackCount }.reduce(0, +)
        usleep(VerifyScenario.silenceMicroseconds)
        let after = try crew.ask { $0.ackCount }.reduce(0, +)
        guard after != before else { return }
        result.violations.append(
            Violation(promise: .stopsWhenTold, subject: "the router", detail: "\(after - before) acks came"))
    }

    private static let silenceMicroseconds: UInt32 = 300_000

    /// Starts the router; while its disk still fails that may need some attempts, each of which says why.
    private func startAgain(_ schedule: inout FaultSchedule, _ result: inout Result) throws {
        guard let server else { return }
        control?.isOn = faults.hasDiskFaults
        defer { control?.isOn = false }
        for _ in 0..<VerifyScenario.startsMax where control?.isOn == true {
            do {
                return try server.start()
            } catch let error as BenchError {
                schedule.noteRefusedStart()
                guard !"\(error)".contains("exit code 1)") else { continue }
                result.violations.append(
                    Violation(promise: .keepsRunning, subject: "the router, starting", detail: "\(error)"))
                server.end(isKilled: true)
            }
        }
        control?.isOn = false
        try server.start()
    }

    private static let startsMax = 5

    /// Kills the router, sometimes once more while it recovers, and waits until it is ready again.
    private func kill(
        _ random: inout SeededRandom, _ schedule: inout FaultSchedule, _ result: inout Result
    ) throws {
        guard let server else { throw BenchError("only a router that was started here is killed") }
        server.end(isKilled: true)
        schedule.noteKill()
        if Int.random(in: 0..<10, using: &random) < 3 {
            try server.launch()
            usleep(UInt32.random(in: 0...150_000, using: &random))
            server.end(isKilled: true)
            schedule.noteKill()
        }
        try startAgain(&schedule, &result)
    }

    /// Lets nothing new begin and waits until everything is answered and everyone has what there is.
    private func settle(
        _ crew: Crew<VerifyLoop>, _ schedule: inout FaultSchedule, _ random: inout SeededRandom, _ result: inout Result
    ) throws {
        try crew.ask { $0.pause() }
        let deadline = Stamp.now + VerifyScenario.patience
        var seen: UInt64 = 0
        var calm = 0
        while calm < 10 {
            if schedule.wantsRestart { try heed(.restart, crew, &schedule, &random, &result) }
            let quiet = try crew.ask { $0.quietCount }.reduce(0, +)
            let now = try crew.ask { $0.seenCount }.reduce(0, +)
            calm = quiet == plan.connections && now == seen ? calm + 1 : 0
            seen = now
            if Stamp.now > deadline {
                for standing in try crew.ask({ $0.unquiet }).flatMap({ $0 }) {
                    result.violations.append(
                        Violation(promise: .everythingIsAnswered, subject: "after a minute", detail: standing))
                }
                return
            }
            usleep(20_000)
        }
    }

    /// Nanoseconds within which everything must be answered, and the store read.
    private static let patience: UInt64 = 60_000_000_000

    private func check(_ crew: Crew<VerifyLoop>, _ result: inout Result) throws {
        var journals = try crew.ask { $0.journals }.flatMap { $0 }
        let assigned = assignConversations(journals)
        try crew.ask { $0.beginAudit(assigned) }
        var inboxes: [String: [StoredEntry]] = [:]
        var histories: [String: [StoredEntry]] = [:]
        let deadline = Stamp.now + VerifyScenario.patience
        while true {
            let parts = try crew.ask { $0.audited() }.compactMap { $0 }
            if parts.count == crew.count {
                for part in parts {
                    inboxes.merge(part.inboxes) { first, _ in first }
                    histories.merge(part.histories) { first, _ in first }
                }
                break
            }
            if Stamp.now > deadline { throw BenchError("the store wasn't read within a minute") }
            usleep(20_000)
        }
        journals = try crew.ask { $0.journals }.flatMap { $0 }
        let checker = PromiseChecker(
            journals: journals, inboxes: inboxes, histories: histories, groups: groupMembers,
            inboxMembersMax: inboxMembersMax)
        result.violations += checker.violations()
        result.checks += 1
        result.note(journals, entriesRead: inboxes.values.reduce(0) { $0 + $1.count })
    }

    private var groupMembers: [String: [String]] {
        Dictionary(uniqueKeysWithValues: setup.groups.map { ($0.name, $0.members.map(plan.target.user)) })
    }

    /// Gives each conversation that was written to one reader.
    private func assignConversations(_ journals: [ClientJournal]) -> [String: [String]] {
        var readers: [String: String] = [:]
        for journal in journals {
            for sent in journal.sent.values {
                let conversation = PromiseChecker.conversation(journal.user, sent)
                if readers[conversation] == nil { readers[conversation] = journal.user }
            }
        }
        return Dictionary(grouping: readers.keys) { readers[$0] ?? "" }
    }
}

extension VerifyScenario.Result {
    mutating func note(_ journals: [ClientJournal], entriesRead: Int) {
        sent = journals.reduce(0) { $0 + $1.sent.count }
        acked = journals.reduce(0) { $0 + Set($1.acks.map(\.cid)).count }
        resent = journals.reduce(0) { $0 + $1.resendCount }
        duplicates = journals.reduce(0) { $0 + $1.duplicateCount }
        sessions = journals.reduce(0) { $0 + $1.sessions.count }
        self.entriesRead = entriesRead
    }
}

extension VerifyScenario {
    package func report(_ result: Result) -> Report {
        var report = Report()
        report.begin("verify: \(plan.connections) clients, seed \(seed)")
        report.add("seconds", "ran for", result.seconds, places: 1, "s")
        for row in result.faults.rows { report.add(row.key, row.label, row.count) }
        report.add("checks", "checks of every promise", result.checks)
        report.add("sent", "messages sent", result.sent)
        report.add("acked", "messages acked", result.acked)
        report.add("resent", "resends", result.resent)
        report.add("duplicates", "resends that were known already", result.duplicates)
        report.add("sessions", "sessions", result.sessions)
        report.add("entries", "inbox entries read back at the end", result.entriesRead)
        report.add("violations", "broken promises", result.violations.count)
        for (number, violation) in result.violations.prefix(VerifyScenario.shownMax).enumerated() {
            report.add(
                "violation_\(number + 1)", violation.promise.rawValue,
                .text("\(violation.subject): \(violation.detail)"))
        }
        return report
    }

    private static let shownMax = 50
}
