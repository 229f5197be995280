internal import Base
internal import Reactor

/// A client of a day of chat.
final class MixedClient: WebSocketClient {
    private var head: UInt64 = 0
    private var announced: UInt64 = 0
    /// When it began to come back; nil once it has everything.
    var backSince: UInt64?
    private unowned let day: MixedLoop

    init(index: Int, day: MixedLoop) {
        self.day = day
        super.init(index: index, owner: day)
    }

    override var resumeAfter: UInt64? { head }
    var lastSeq: UInt64 { head }

    override func handle(_ json: UnsafeRawBufferPointer, _ now: UInt64) {
        switch ServerFrame(json) {
        case .ack(let stamp, _):
            InboxPlaces.forEach(in: json) { head = max(head, $0) }
            day.answered(stamp, now)
        case .message(let stamp):
            InboxPlaces.forEach(in: json) { head = max(head, $0) }
            // What waited for its reader's return is part of the return.
            if backSince == nil { day.arrived(stamp, now) }
        case .typing(let stamp): day.answered(stamp, now)
        case .welcome:
            InboxPlaces.forEach(in: json) { announced = $0 }
            becameReady()
        case .behind:
            day.meter.behind += 1
            fetch(after: head)
        case .fetched:
            InboxPlaces.forEach(in: json) { head = max(head, $0) }
            if json.suffix(12).elementsEqual(#""more":true}"#.utf8) { fetch(after: head) }
        case .error: day.refused(self)
        case .heartbeat, .other: day.answered(ServerFrame.reference(in: json), now)
        }
        if let since = backSince, state == .ready, head >= announced {
            backSince = nil
            day.isBack(since, now)
        }
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
    private var away: [(until: UInt64, client: MixedClient)] = []
    private var prose = ""

    /// How often something happened and how long its answer took.
    struct Tally: Sendable {
        var begun = 0
        var latency = Latency()
        /// Messages only: from the send to each recipient.
        var delivery = Latency()
    }

    override func makeClient(_ index: Int) -> LoadClient { MixedClient(index: index, day: self) }

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
        let back = away.filter { $0.until <= now }.map(\.client)
        if !back.isEmpty {
            away.removeAll { $0.until <= now }
            for client in back { client.backSince = now }
            reopen(back)
        }
        while let intended = pace?.take(now: now) { act(intended) }
        let next = min(pace?.next ?? .max, away.map(\.until).min() ?? .max)
        loop.wakeAt = next == .max ? nil : Stamp.monotonic(next)
    }

    // MARK: Doing

    /// Someone who is online; nil if none is found within a few tries.
    private func someone() -> MixedClient? {
        for _ in 0..<16 {
            guard let client = clients[day.pick(clients.count)] as? MixedClient else { return nil }
            if client.state == .ready, client.backSince == nil { return client }
        }
        return nil
    }

    private func act(_ intended: UInt64) {
        guard let client = someone(), client.pendingBytes < 1 << 20 else {
            meter.skipped += 1
            return
        }
        let kind = day.kind()
        lastStamp = max(intended, lastStamp + 1)
        let stamp = MixedLoop.text(lastStamp)
        let user = plan.target.user((client.index + 1 + day.pick(plan.connections - 1)) % plan.connections)
        switch kind {
        case .privateMessage: client.send(json: message(10, to: user, stamp))
        case .groupMessage:
            let own = groups.indices.filter { groups[$0].contains(client.index) }
            guard !own.isEmpty else { return }
            client.send(json: message(11, to: MixedScenario.group(own[day.pick(own.count)], plan), stamp))
        case .typing: client.send(json: #"{"cmd":"typing","dstid":"\#(user)","at":"\#(stamp)"}"#)
        case .history:
            let names = [plan.target.user(client.index), user].sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            client.send(
                json: #"{"cmd":"history","conv":"\#(names[0]):\#(names[1])","limit":20,"ref":"\#(stamp)"}"#)
        case .confirm: client.send(json: #"{"cmd":"confirm","seq":\#(client.lastSeq),"ref":"\#(stamp)"}"#)
        case .heartbeat: client.send(json: #"{"cmd":0,"ref":"\#(stamp)"}"#)
        case .comeBack:
            client.close()
            discount(wasReady: true)
            away.append((Stamp.now + day.absence(), client))
        }
        meter.sent += 1
        tallies[kind, default: Tally()].begun += 1
        if kind != .comeBack { pending[lastStamp] = kind }
    }

    private func message(_ command: Int, to destination: String, _ stamp: String) -> String {
        let content = prose.utf8.prefix(day.size())
        return #"{"cmd":\#(command),"dstid":"\#(destination)","cid":"\#(stamp)","content":"\#(Substring(content))"}"#
    }

    private static func text(_ stamp: UInt64) -> String {
        let digits = String(stamp, radix: 16)
        return String(repeating: "0", count: Stamp.textBytes - digits.count) + digits
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
