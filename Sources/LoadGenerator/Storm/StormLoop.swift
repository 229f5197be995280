internal import Base
internal import Reactor

/// A client of a storm: one that goes and comes back, or one of the writers that stay.
final class StormClient: WebSocketClient {
    var cursor = InboxCursor()
    /// The last entry of the inbox, as `welcome` told it.
    private var announced: UInt64 = 0
    /// What the client must have before it is current.
    var expected: UInt64 = 0
    var isCurrent = false
    private unowned let storm: StormLoop

    init(index: Int, storm: StormLoop) {
        self.storm = storm
        super.init(index: index, owner: storm)
    }

    override var resumeAfter: UInt64? { cursor.head }

    override func handle(_ json: UnsafeRawBufferPointer, _ now: UInt64) {
        switch ServerFrame(json) {
        case .message, .fetched:
            InboxPlaces.forEach(in: json) { cursor.take($0) }
            if json.suffix(12).elementsEqual(#""more":true}"#.utf8) { fetch(after: cursor.head) }
            noteCurrent(now)
        case .welcome:
            InboxPlaces.forEach(in: json) { announced = $0 }
            storm.welcomed(now)
            becameReady()
            noteCurrent(now)
        case .behind(let seq):
            InboxPlaces.forEach(in: json) { _ in storm.meter.behind += 1 }
            fetch(after: min(seq, cursor.head))
        default: super.handle(json, now)
        }
    }

    private func noteCurrent(_ now: UInt64) {
        guard !isCurrent, cursor.head >= max(expected, announced), state == .ready else { return }
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
    private var readers: [StormClient] = []
    private var writers: [StormClient] = []
    /// Whether some of the clients that send are here.
    var hasWriters: Bool { !writers.isEmpty }
    /// What is left to be sent, as numbers of messages.
    private var unsent: Range<Int> = 0..<0
    private var readerCount = 0

    override func makeClient(_ index: Int) -> LoadClient {
        let client = StormClient(index: index, storm: self)
        if index < plan.connections - StormScenario.writers { readers.append(client) } else { writers.append(client) }
        return client
    }

    /// Ends every reader's connection without a word; `all` those of the writers, too.
    func leave(all: Bool) {
        isAway = true
        for client in all ? clients : readers where client.state == .ready {
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
        guard let number = unsent.first, let writer = writer as? StormClient, writer.state == .ready else { return }
        unsent.removeFirst()
        let (user, cid) = (plan.target.user(number % readerCount), "\(plan.target.run)\(number)")
        meter.sent += 1
        writer.send(json: #"{"cmd":10,"dstid":"\#(user)","cid":"\#(cid)","content":"\#(content)"}"#)
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
        for client in self.readers {
            client.isCurrent = false
            client.expected = UInt64(count / readers + (client.index < count % readers ? 1 : 0))
        }
    }

    /// Lets the writers connect again, after the router did.
    func reopenWriters() { reopen(writers) }

    /// Lets all readers come back; times count from `start`.
    func comeBack(at start: UInt64) {
        self.start = start
        isAway = false
        reopen(readers)
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
