internal import Base
internal import Glibc

/// Lets things go wrong at instants of its own choice, each kind as often as was asked for.
struct FaultSchedule {
    private(set) var counts = FaultCounts()
    private let faults: VerifyFaults
    private let proxy: FaultProxy?
    private let control: FaultControl?
    private let server: ChildServer?
    private var random: SeededRandom
    private var nextStop = UInt64.max
    private var nextCut = UInt64.max
    private var nextJump = UInt64.max
    /// Requests for a restart in the router's log that were heeded.
    private var restartsHeeded = 0

    init(_ faults: VerifyFaults, proxy: FaultProxy?, control: FaultControl?, server: ChildServer?, seed: UInt64) {
        self.faults = faults
        self.proxy = proxy
        self.control = control
        self.server = server
        random = SeededRandom(seed: seed ^ 0xFA17)
    }

    /// Why it came back before the end.
    enum Outcome {
        case done
        /// The router says that it needs a restart.
        case restart
        /// The router ended by itself.
        case ended(String)
    }

    /// Lets things go wrong until `end`, or until the router needs something.
    mutating func run(until end: UInt64) -> Outcome {
        schedule()
        control?.isOn = faults.hasDiskFaults
        defer { control?.isOn = false }
        while true {
            let now = Stamp.now
            if let reason = server?.ownEnd { return .ended(reason) }
            if wantsRestart { return .restart }
            if now >= end { return .done }
            if now >= nextCut { harm() }
            if now >= nextJump { jump() }
            if now >= nextStop { stopServer() }
            let next = min(end, nextStop, nextCut, nextJump)
            let pause = min(next > Stamp.now ? next - Stamp.now : 0, FaultSchedule.stepNanoseconds)
            usleep(UInt32(pause / 1_000) + 1)
        }
    }

    private static let stepNanoseconds: UInt64 = 50_000_000

    /// Chooses the next instants; those that passed while the router was checked don't count.
    private mutating func schedule() {
        nextStop = faults.stopEvery.map { after($0) } ?? .max
        nextCut = faults.cutEvery.map { after($0) } ?? .max
        nextJump = faults.jumpsClock ? after(FaultSchedule.jumpEvery) : .max
    }

    private mutating func after(_ seconds: Double) -> UInt64 {
        Stamp.now + UInt64(seconds * Double.random(in: 0.5...1.5, using: &random) * 1e9)
    }

    // MARK: Faults

    private mutating func stopServer() {
        guard let server else { return }
        let isLong = Int.random(in: 0..<4, using: &random) == 0
        let milliseconds = UInt32.random(in: isLong ? 500...2_000 : 5...500, using: &random)
        kill(pid_t(server.pid), SIGSTOP)
        usleep(milliseconds * 1_000)
        kill(pid_t(server.pid), SIGCONT)
        counts.add("stops", "stops of the router, by SIGSTOP")
        nextStop = after(faults.stopEvery ?? 0)
    }

    private mutating func harm() {
        if let proxy {
            let harm = FaultProxy.Harm.allCases[Int.random(in: 0..<FaultProxy.Harm.allCases.count, using: &random)]
            proxy.demand(harm)
        }
        nextCut = after(faults.cutEvery ?? 0)
    }

    private static let jumpEvery = 1.0
    /// Resends are recognised for a day, so the clock stays well within one.
    private static let jumpsSeconds = [-3_600.0, -60, -1, -0.01, 0, 0.01, 1, 60, 3_600]

    private mutating func jump() {
        let seconds = FaultSchedule.jumpsSeconds[Int.random(in: 0..<FaultSchedule.jumpsSeconds.count, using: &random)]
        control?.clockOffset = Int64(seconds * 1e9)
        counts.add("clock_jumps", "jumps of the router's clock, of up to an hour")
        nextJump = after(FaultSchedule.jumpEvery)
    }

    // MARK: What the router says

    /// What the router's log has when it can't go on after a disk error.
    private static let restartWords = "needs a restart"

    /// Whether the router has asked for a restart that it didn't get.
    var wantsRestart: Bool { faults.hasDiskFaults && restartRequests > restartsHeeded }

    private var restartRequests: Int { server?.log.ranges(of: FaultSchedule.restartWords).count ?? 0 }

    /// Notes that the router was started again.
    mutating func heedRestart() {
        restartsHeeded = restartRequests
        counts.add("restarts", "restarts that the router asked for")
    }

    mutating func noteKill() {
        restartsHeeded = restartRequests
        counts.add("kills", "kills of the router")
    }

    mutating func noteRefusedStart() { counts.add("refused_starts", "starts that the disk didn't let the router make") }

    /// What happened in all.
    var allCounts: FaultCounts {
        var all = counts
        proxy?.addCounts(to: &all)
        if faults.hasDiskFaults { control?.addCounts(to: &all) }
        return all
    }
}
