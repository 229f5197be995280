internal import Base
internal import Reactor
internal import Wire

/// A client of a day of chat.
final class MixedRole: InboxRole {
    private(set) var head: UInt64 = 0
    private var announced: UInt64 = 0
    /// When it began to come back; nil once it has everything.
    var backSince: UInt64?
    private unowned let day: MixedLoop

    init(_ client: LoadClient, _ day: MixedLoop) {
        self.day = day
        super.init(client)
    }

    override var resumeAfter: UInt64? { head }

    override func acked(_ stamp: UInt64?, seq: UInt64, _ now: UInt64) {
        advance(to: seq, now)
        day.answered(stamp, now)
    }

    override func received(_ stamp: UInt64?, seq: UInt64, isPushed: Bool, _ now: UInt64) {
        // What waited for its reader's return is part of the return.
        let isNews = isPushed && backSince == nil
        advance(to: seq, now)
        if isNews { day.arrived(stamp, now) }
    }

    override func typed(_ stamp: UInt64?, _ now: UInt64) { day.answered(stamp, now) }
    override func answered(_ stamp: UInt64?, _ now: UInt64) { day.answered(stamp, now) }

    override func welcomed(last: UInt64, _ now: UInt64) {
        announced = last
        client.becameReady()
        advance(to: head, now)
    }

    override func fellBehind(after seq: UInt64, _ now: UInt64) { fetch(after: head) }
    override func pageEnded(hasMore: Bool, _ now: UInt64) { if hasMore { fetch(after: head) } }

    private func advance(to seq: UInt64, _ now: UInt64) {
        head = max(head, seq)
        guard let since = backSince, client.state == .ready, head >= announced else { return }
        backSince = nil
        day.isBack(since, now)
    }
}

/// One thread's people, who do what their day's seed says, at a rate.
final class MixedLoop: LoadLoop {
    /// What is awaited, by the stamp that its answer brings back.
    private var pending: [UInt64: DayOfChat.Kind] = [:]
    private(set) var tallies: [DayOfChat.Kind: Tally] = [:]
    private var day = DayOfChat(seed: 0)
    private var groups: [[Int]] = []
    private var pace: Pace?
    private var lastStamp: UInt64 = 0
    private var away: [(until: UInt64, role: MixedRole)] = []
    private var prose = ""

    /// How often something happened and how long its answer took.
    struct Tally: Sendable {
        var begun = 0
        var latency = Latency()
        /// Messages only: from the send to each recipient.
        var delivery = Latency()
    }

    override func makeRole(_ client: LoadClient) -> ClientRole? { MixedRole(client, self) }

    func start(_ day: DayOfChat, groups: [[Int]], actionsPerSecond: Double) {
        self.day = day
        self.groups = groups
        var filler = OutputBuffer()
        filler.appendFiller(64 << 10)
        prose = String(decoding: filler.unsafeBytes, as: UTF8.self)
        pace = Pace(start: Stamp.now, messagesPerSecond: actionsPerSecond)
        loop.beforeFlush = { [unowned self] in tick() }
        tick()
    }

    func stopActing() { pace = nil }

    private func tick() {
        let now = Stamp.now
        let back = away.filter { $0.until <= now }.map(\.role)
        if !back.isEmpty {
            away.removeAll { $0.until <= now }
            for role in back { role.backSince = now }
            reopen(back.map { $0.client })
        }
        while let intended = pace?.take(now: now) { act(intended) }
        let next = min(pace?.next ?? .max, away.map(\.until).min() ?? .max)
        loop.wakeAt = next == .max ? nil : Stamp.monotonic(next)
    }

    // MARK: Doing

    /// Someone who is online; nil if none is found within a few tries.
    private func someone() -> MixedRole? {
        for _ in 0..<16 {
            guard let role = clients[day.pick(clients.count)].role as? MixedRole else { return nil }
            if role.client.state == .ready, role.backSince == nil { return role }
        }
        return nil
    }

    private func act(_ intended: UInt64) {
        guard let role = someone(), role.client.pendingBytes < 1 << 20 else {
            meter.skipped += 1
            return
        }
        let client = role.client
        let kind = day.kind()
        lastStamp = max(intended, lastStamp + 1)
        let stamp = Stamp.text(lastStamp)
        let user = plan.target.user((client.index + 1 + day.pick(plan.connections - 1)) % plan.connections)
        switch kind {
        case .privateMessage: client.send(message(.privateMessage, to: user, stamp))
        case .groupMessage:
            let own = groups.indices.filter { groups[$0].contains(client.index) }
            guard !own.isEmpty else { return }
            client.send(message(.group, to: MixedScenario.group(own[day.pick(own.count)], plan), stamp))
        case .typing: client.send(command: #"{"cmd":"typing","dstid":"\#(user)","at":"\#(stamp)"}"#)
        case .history:
            let names = [plan.target.user(client.index), user].sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            client.send(
                command: #"{"cmd":"history","conv":"\#(names[0]):\#(names[1])","limit":20,"ref":"\#(stamp)"}"#)
        case .confirm: client.send(command: #"{"cmd":"confirm","seq":\#(role.head),"ref":"\#(stamp)"}"#)
        case .heartbeat: client.sendHeartbeat(lastStamp)
        case .comeBack:
            client.close()
            discount(wasReady: true)
            away.append((Stamp.now + day.absence(), role))
        }
        meter.sent += 1
        tallies[kind, default: Tally()].begun += 1
        if kind != .comeBack { pending[lastStamp] = kind }
    }

    /// The text begins with the stamp, since recipients of a binary message see no `cid`.
    private func message(_ kind: MessageKind, to destination: String, _ stamp: String) -> OutgoingMessage {
        let content = stamp + Substring(prose.utf8.prefix(day.size() - Stamp.textBytes))
        return OutgoingMessage(
            kind: kind, destination: destination, cid: lastStamp, cidText: stamp, content: content)
    }

    // MARK: Answers

    func answered(_ stamp: UInt64?, _ now: UInt64) {
        guard let stamp, let kind = pending.removeValue(forKey: stamp) else { return }
        guard isMeasuring else { return }
        if kind != .typing {
            meter.acked += 1
            meter.ackLatency.record(from: stamp, to: now)
        }
        tallies[kind]?.latency.record(from: stamp, to: now)
        if kind == .privateMessage || kind == .groupMessage { kinds[stamp & MixedLoop.kindsMask] = (stamp, kind) }
    }

    func arrived(_ stamp: UInt64?, _ now: UInt64) {
        guard let stamp else { return }
        meter.delivered += 1
        guard isMeasuring else { return }
        meter.deliveryLatency.record(from: stamp, to: now)
        let known = kinds[stamp & MixedLoop.kindsMask]
        guard let kind = pending[stamp] ?? (known?.stamp == stamp ? known?.kind : nil) else { return }
        tallies[kind]?.delivery.record(from: stamp, to: now)
    }

    /// The kinds of messages that were acked lately, since they may arrive after that.
    private var kinds: [UInt64: (stamp: UInt64, kind: DayOfChat.Kind)] = [:]
    private static let kindsMask: UInt64 = 0xFFFF

    func isBack(_ since: UInt64, _ now: UInt64) {
        if isMeasuring { tallies[.comeBack]?.latency.record(from: since, to: now) }
    }
}
