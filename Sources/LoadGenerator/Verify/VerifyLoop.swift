internal import Reactor

/// Who takes part in a verification, and in which groups.
struct VerifySetup: Sendable {
    struct Group: Sendable {
        var name: String
        /// Indices of clients; the first founds it.
        var members: [Int]
    }

    var clients: Int
    var seed: UInt64
    var groups: [Group]
    /// Whether the router may answer that its disk failed.
    var expectsDiskErrors = false

    /// A group that the client belongs to, picked by a number; nil if it is in none.
    func group(of client: Int, _ pick: Int) -> String? {
        let own = groups.filter { $0.members.contains(client) }
        return own.isEmpty ? nil : own[pick % own.count].name
    }
}

/// One thread's clients of a verification; they come back by themselves whenever they lose their connection.
final class VerifyLoop: LoadLoop {
    private(set) var setup = VerifySetup(clients: 0, seed: 0, groups: [])
    /// Connections are lost on purpose.
    private(set) var isDisturbing = false
    private var pace: Pace?
    private var turn = 0
    private var lost: [LoadClient] = []
    private var retryAt: UInt64?
    private var retryTurn = 0

    /// To be called before clients are opened.
    func take(_ setup: VerifySetup) {
        self.setup = setup
        loop.beforeFlush = { [unowned self] in tick() }
    }

    override func makeRole(_ client: LoadClient) -> ClientRole? { VerifyRole(client, self) }

    private var members: [VerifyRole] { clients.compactMap { $0.role as? VerifyRole } }

    func start(messagesPerSecond: Double) {
        isDisturbing = true
        pace = Pace(start: Stamp.now, messagesPerSecond: messagesPerSecond)
        tick()
    }

    func pause() {
        isDisturbing = false
        pace = nil
    }

    private func tick() {
        let now = Stamp.now
        if let due = retryAt, due <= now {
            retryAt = nil
            let again = lost
            lost = []
            reopen(again)
            retryTurn += 1
            if retryTurn % VerifyLoop.refusedTurns == 0 { for client in members { client.retryRefused() } }
        }
        while pace?.take(now: now) != nil {
            turn = turn + 1 < clients.count ? turn + 1 : 0
            (clients[turn].role as? VerifyRole)?.compose()
        }
        if retryAt == nil { retryAt = now + VerifyLoop.retryNanoseconds }
        let next = min(pace?.next ?? .max, retryAt ?? .max)
        loop.wakeAt = next == .max ? nil : Stamp.monotonic(next)
    }

    private static let retryNanoseconds: UInt64 = 20_000_000
    /// What was refused comes again at each of so many turns.
    private static let refusedTurns = 5

    override func clientLost(_ client: LoadClient, wasReady: Bool) {
        discount(wasReady: wasReady)
        lost.append(client)
    }

    // MARK: What the scenario asks

    var quietCount: Int { members.count { $0.isQuiet } }
    /// What those wait for that aren't quiet.
    var unquiet: [String] { members.filter { !$0.isQuiet }.map(\.standing) }
    /// Grows with everything that any client here sees.
    var seenCount: UInt64 { members.reduce(0) { $0 + $1.seenThrough } }
    var journals: [ClientJournal] { members.map(\.journal) }
    var ackCount: Int { members.reduce(0) { $0 + $1.journal.acks.count } }

    /// Lets each client read its inbox, and the conversations that are assigned to it.
    func beginAudit(_ conversations: [String: [String]]) {
        for client in members { client.beginAudit(conversations[client.journal.user] ?? []) }
    }

    /// What the store says to the clients here; nil until all of them have read it.
    func audited() -> (inboxes: [String: [StoredEntry]], histories: [String: [StoredEntry]])? {
        var inboxes: [String: [StoredEntry]] = [:]
        var histories: [String: [StoredEntry]] = [:]
        for client in members {
            guard let audit = client.audited else { return nil }
            inboxes[client.journal.user] = audit.inbox
            histories.merge(audit.histories) { first, _ in first }
        }
        return (inboxes, histories)
    }
}

/// Makes a second device known for each user, which never confirms: so every entry stays to be looked at.
final class AuditorLoop: LoadLoop {
    private final class Auditor: ClientRole {
        override var device: String? { "auditor" }
    }

    override func makeRole(_ client: LoadClient) -> ClientRole? { Auditor(client) }
}
