internal import Base
internal import Core
internal import EmbeddedStore

/// What can happen in a step.
enum Action: Int, CaseIterable {
    case connect, disconnect, send, resend, confirm, fetch, history, edit, recall, typing, markRead, watch, channel
    case serve, flush, journal, fold, read, deliver, bus, groups
    case crash, powerCut, haltLater, diskFault, heal, clock
}

/// How likely everything is in one run: drawn from the seed as well, so that runs differ in kind, and what is rare
/// in the middle of all of them is common in some.
struct Profile {
    let hubs: Int
    let users: Int
    let devicesPerUser: Int
    let groups: Int
    /// Small, so that groups grow beyond it and shrink again; or so large that none does.
    let inboxMembersMax: Int
    /// Largest body; most are far smaller.
    let bodyBytesMax: Int
    /// Bytes that a flush takes at most: small for slow sockets.
    let flushBytesMax: Int
    let pageEntries: Int
    let cachedUsersMax: Int
    let checkpointBytes: Int
    /// Small, so that the index has many runs and merges of some messages.
    let runs: RunOptions
    /// Requests waiting for the journal from which on the store calls itself congested.
    let congestedRequests: Int
    /// Of 100.
    let acceptedShare: Int
    let cidShare: Int
    let groupShare: Int
    let busLossShare: Int
    let channels: ChannelLimits
    /// How many of what waits is taken at once, at most.
    let burst: Int
    private let limits: [Int]

    init(_ random: inout SeededRandom) {
        hubs = random.pick([1, 1, 2, 3])
        users = random.below(6) + 3
        devicesPerUser = random.below(3) + 1
        groups = random.below(3)
        inboxMembersMax = random.pick([1, 2, 3, 4, 500])
        bodyBytesMax = random.pick([0, 40, 40, 200, 2_000, 40_000])
        flushBytesMax = random.pick([64, 1_000, 100_000, 1_000_000])
        pageEntries = random.pick([1, 3, 10, 100])
        cachedUsersMax = random.pick([0, 2, 1 << 18])
        checkpointBytes = random.pick([1, 10_000, 100_000, 8 << 20])
        var runs = RunOptions()
        runs.blockEntries = random.pick([1, 3, RunOptions().blockEntries])
        runs.openEntries = random.pick([0, 2, 20])
        runs.fanIn = random.pick([2, 3, 8])
        runs.mergeFactor = random.pick([1, 3, 8])
        runs.stepEntries = random.pick([1, 5, 30])
        self.runs = runs
        congestedRequests = random.pick([2, 20, 1_000])
        acceptedShare = random.pick([0, 10, 50])
        cidShare = random.pick([100, 90, 50])
        groupShare = random.pick([0, 30, 60])
        busLossShare = random.pick([0, 20])
        burst = random.pick([1, 3, 10, 50])
        var channels = ChannelLimits()
        channels.historyCountMax = random.pick([1, 10, 1_000])
        channels.pageBytesMax = random.pick([100, 2_000, channels.pageBytesMax])
        self.channels = channels
        var total = 0
        var limits: [Int] = []
        for action in Action.allCases {
            total += Profile.weight(of: action, &random)
            limits.append(total)
        }
        self.limits = limits
    }

    private static func weight(of action: Action, _ random: inout SeededRandom) -> Int {
        switch action {
        case .connect: random.pick([40, 80, 150])
        case .send: random.pick([60, 150, 300])
        case .serve, .flush, .deliver: random.pick([60, 150, 300])
        case .journal: random.pick([40, 100, 200])
        case .fold: random.pick([0, 10, 100])
        case .read: random.pick([20, 60, 150])
        case .resend, .confirm, .fetch: random.pick([0, 10, 40])
        case .history, .typing, .markRead, .watch, .groups: random.pick([0, 5, 20])
        case .channel: random.pick([0, 20, 150])
        // The answers to subscribes and watches come by the bus.
        case .bus: random.pick([5, 60, 200])
        case .edit: random.pick([0, 20, 60])
        case .recall: random.pick([0, 5, 20])
        case .disconnect: random.pick([0, 5, 30])
        case .crash, .powerCut: random.pick([0, 2, 8])
        case .haltLater: random.pick([0, 3, 10])
        case .diskFault: random.pick([0, 0, 3, 10])
        case .heal: 5
        case .clock: random.pick([5, 20])
        }
    }

    func next(_ random: inout SeededRandom) -> Action {
        let point = random.below(limits.last ?? 1)
        for (index, limit) in limits.enumerated() where point < limit { return Action.allCases[index] }
        return .serve
    }
}

extension SeededRandom {
    /// 0 up to `bound`, which it doesn't reach.
    mutating func below(_ bound: Int) -> Int { Int(next() >> 11) % max(bound, 1) }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    /// True in `share` of 100 cases.
    mutating func chance(_ share: Int) -> Bool { below(100) < share }
}
