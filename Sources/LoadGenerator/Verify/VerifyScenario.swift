internal import Base
internal import Glibc
internal import Reactor

/// `verify`: clients chat while their connections break and the router is killed; every promise is checked.
package struct VerifyScenario {
    package var plan: Plan
    package var circumstances: Circumstances
    /// Messages a second of all clients together.
    package var rate: Double
    /// Seconds between kills, on average; nil: none.
    package var killEvery: Double?
    package var seed: UInt64
    /// Members up to which the router writes a group message to every inbox.
    package var inboxMembersMax: Int
    /// The router to be killed.
    package var server: ChildServer?
    private let setup: VerifySetup

    package init(
        _ plan: Plan, _ circumstances: Circumstances, rate: Double, killEvery: Double?, seed: UInt64,
        inboxMembersMax: Int = Limits.inboxMembersDefault, server: ChildServer?
    ) {
        self.inboxMembersMax = inboxMembersMax
        self.plan = plan
        self.circumstances = circumstances
        self.rate = rate
        self.killEvery = killEvery
        self.seed = seed
        self.server = server
        var random = SeededRandom(seed: seed)
        let groups = (0..<max(1, plan.connections / 10)).map { number in
            let size = min(plan.connections, Int.random(in: 3...20, using: &random))
            return VerifySetup.Group(
                name: "group-\(plan.target.run)-\(number)",
                members: Array((0..<plan.connections).shuffled(using: &random).prefix(size)))
        }
        setup = VerifySetup(clients: plan.connections, seed: seed, groups: groups)
    }

    package struct Result: Sendable {
        package var kills = 0
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
        let line = ProgressLine(isShown: circumstances.showsProgress)
        let start = Stamp.now
        let end = start + UInt64(circumstances.seconds * 1e9)
        repeat {
            try crew.ask { [rate, count = crew.count] in $0.start(messagesPerSecond: rate / Double(count)) }
            let left = Double(end - min(end, Stamp.now)) / 1e9
            let pause = min(left, killEvery.map { $0 * Double.random(in: 0.5...1.5, using: &random) } ?? left)
            usleep(UInt32(pause * 1e6))
            if killEvery != nil { try kill(&random, &result) }
            try settle(crew, &result)
            try check(crew, &result)
            line.show("\(result.kills) kills, \(result.acked) messages acked, \(result.violations.count) violations")
        } while Stamp.now < end && result.violations.isEmpty
        line.clear()
        result.seconds = Double(Stamp.now - start) / 1e9
        return result
    }

    private func registerAuditors() throws {
        let crew = try Crew(plan, cores: [nil]) { AuditorLoop($0, loop: $1) }
        defer { crew.stop() }
        try crew.open(count: plan.connections, secondsMax: 60)
    }

    /// Kills the router, sometimes once more while it recovers, and waits until it is ready again.
    private func kill(_ random: inout SeededRandom, _ result: inout Result) throws {
        guard let server else { throw BenchError("only a router that was started here is killed") }
        server.end(isKilled: true)
        result.kills += 1
        if Int.random(in: 0..<10, using: &random) < 3 {
            try server.launch()
            usleep(UInt32.random(in: 0...150_000, using: &random))
            server.end(isKilled: true)
            result.kills += 1
        }
        try server.start()
    }

    /// Lets nothing new begin and waits until everything is answered and everyone has what there is.
    private func settle(_ crew: Crew<VerifyLoop>, _ result: inout Result) throws {
        try crew.ask { $0.pause() }
        let deadline = Stamp.now + VerifyScenario.patience
        var seen: UInt64 = 0
        var calm = 0
        while calm < 10 {
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
    private static let patience: UInt64 = 15_000_000_000

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
        report.add("kills", "kills of the router", result.kills)
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
