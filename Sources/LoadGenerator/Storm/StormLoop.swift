internal import Base
internal import Reactor
internal import Wire

/// A client of a storm: one that goes and comes back, or one of the writers that stay.
final class StormRole: InboxRole {
    var cursor = InboxCursor()
    /// The last entry of the inbox, as the router told it at sign-in.
    private var announced: UInt64 = 0
    /// What the client must have before it is current.
    var expected: UInt64 = 0
    var isCurrent = false
    private unowned let storm: StormLoop

    init(_ client: LoadClient, _ storm: StormLoop) {
        self.storm = storm
        super.init(client)
    }

    override var resumeAfter: UInt64? { cursor.head }

    override func received(_ stamp: UInt64?, seq: UInt64, isPushed: Bool, _ now: UInt64) {
        cursor.take(seq)
        noteCurrent(now)
    }

    override func pageEnded(hasMore: Bool, _ now: UInt64) { if hasMore { fetch(after: cursor.head) } }

    override func welcomed(last: UInt64, _ now: UInt64) {
        announced = last
        storm.welcomed(now)
        client.becameReady()
        noteCurrent(now)
    }

    override func fellBehind(after seq: UInt64, _ now: UInt64) { fetch(after: min(seq, cursor.head)) }

    override func acked(_ stamp: UInt64?, seq: UInt64, _ now: UInt64) {
        storm.acked(client, stamp, isAccepted: false, now)
    }

    private func noteCurrent(_ now: UInt64) {
        guard !isCurrent, cursor.head >= max(expected, announced), client.state == .ready else { return }
        isCurrent = true
        storm.becameCurrent(now)
    }
}

/// One thread's share of a storm.
final class StormLoop: LoadLoop {
    private(set) var currentCount = 0
    private(set) var lastWelcome: UInt64 = 0
    private(set) var lastCurrent: UInt64 = 0
    private var start: UInt64 = 0
    /// Between the order to go and the order to come back: connections may end.
    private var isAway = false
    private var readers: [StormRole] = []
    private var writers: [LoadClient] = []
    /// Whether some of the clients that send are here.
    var hasWriters: Bool { !writers.isEmpty }
    /// What is left to be sent, as numbers of messages.
    private var unsent: Range<Int> = 0..<0
    private var readerCount = 0

    override func makeRole(_ client: LoadClient) -> ClientRole? {
        let role = StormRole(client, self)
        if client.index < plan.connections - StormScenario.writers {
            readers.append(role)
        } else {
            writers.append(client)
        }
        return role
    }

    /// Ends every reader's connection without a word; `all` those of the writers, too.
    func leave(all: Bool) {
        isAway = true
        for client in all ? clients : readers.map({ $0.client }) where client.state == .ready {
            client.close()
            readyCount -= 1
        }
    }

    override func clientLost(_ client: LoadClient, wasReady: Bool) {
        guard isAway, wasReady else { return super.clientLost(client, wasReady: wasReady) }
        discount(wasReady: true)
    }

    /// Lets this loop's writers send their part of `messages`, of which number n goes to reader n modulo `readers`.
    func send(_ messages: Range<Int>, readers: Int) {
        unsent = messages
        readerCount = readers
        for writer in writers {
            for _ in 0..<StormLoop.window { sendNext(writer) }
        }
    }

    private static let window = 64

    private func sendNext(_ writer: LoadClient) {
        guard let number = unsent.first, writer.state == .ready else { return }
        unsent.removeFirst()
        meter.sent += 1
        writer.send(
            OutgoingMessage(
                kind: .privateMessage, destination: plan.target.user(number % readerCount), cid: UInt64(number + 1),
                cidText: "\(plan.target.run)\(number)", content: content))
    }

    private lazy var content: String = {
        var buffer = OutputBuffer()
        buffer.appendFiller(plan.size)
        return String(decoding: buffer.unsafeBytes, as: UTF8.self)
    }()

    override func acked(_ client: LoadClient, _ stamp: UInt64?, isAccepted: Bool, _ now: UInt64) {
        meter.acked += 1
        sendNext(client)
    }

    /// Tells the readers what each will have, given that messages up to `count` were sent to `readers` in turn.
    func expect(_ count: Int, readers: Int) {
        currentCount = 0
        for reader in self.readers {
            reader.isCurrent = false
            reader.expected = UInt64(count / readers + (reader.client.index < count % readers ? 1 : 0))
        }
    }

    /// Lets the writers connect again, after the router did.
    func reopenWriters() { reopen(writers) }

    /// Lets all readers come back; times count from `start`.
    func comeBack(at start: UInt64) {
        self.start = start
        isAway = false
        reopen(readers.map { $0.client })
    }

    func welcomed(_ now: UInt64) {
        guard start > 0 else { return }
        lastWelcome = now
        meter.deliveryLatency.record(from: start, to: now)
    }

    func becameCurrent(_ now: UInt64) {
        currentCount += 1
        guard start > 0 else { return }
        lastCurrent = now
        meter.ackLatency.record(from: start, to: now)
    }

    /// How many readers have what they should, and what came twice or too early in all.
    var state: StormState {
        var state = StormState(current: currentCount, lastWelcome: lastWelcome, lastCurrent: lastCurrent)
        for client in readers {
            state.repeated += client.cursor.repeated
            state.early += client.cursor.early
            state.missing += Int(client.expected) - Int(min(client.cursor.head, client.expected))
            state.surplus += Int(client.cursor.head) - Int(min(client.cursor.head, client.expected))
        }
        return state
    }
}

/// Where the readers of one loop, or of all, stand.
package struct StormState: Sendable {
    package var current = 0
    package var lastWelcome: UInt64 = 0
    package var lastCurrent: UInt64 = 0
    package var repeated = 0
    package var early = 0
    package var missing = 0
    package var surplus = 0

    mutating func add(_ other: StormState) {
        current += other.current
        lastWelcome = max(lastWelcome, other.lastWelcome)
        lastCurrent = max(lastCurrent, other.lastCurrent)
        repeated += other.repeated
        early += other.early
        missing += other.missing
        surplus += other.surplus
    }

    /// Whether an inbox has a hole, an entry twice, or one that nobody sent.
    package var isWrong: Bool { repeated + early + missing + surplus > 0 }
}
