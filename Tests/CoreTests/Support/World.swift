import Base
import Core
import Store
import Testing
import Wire

func name(_ text: String) -> Identifier {
    guard let identifier = Identifier(text) else { fatalError("\(text) is not an identifier") }
    return identifier
}

/// Some hubs on one store and one bus, and the clients on them.
final class World {
    let store: FakeStore
    let bus = FakeBus()
    let presence = PresenceDirectory()
    let topology: Topology
    private(set) var hubs: [Hub] = []
    /// Sessions don't own their connections.
    private var clients: [Client] = []
    var now: UInt64 = 1_700_000_000_000 {
        didSet { for hub in hubs { hub.milliseconds = now } }
    }

    init(
        nodes: Int = 1, shardsPerNode: Int = 1, usersPerShardMax: Int = 100, strangers: StrangerPolicy = .deliver,
        hadBlocks: Bool = false, channels: ChannelLimits = ChannelLimits()
    ) {
        store = FakeStore(hadBlocks: hadBlocks)
        topology = Topology(nodes: nodes, shardsPerNode: shardsPerNode, usersPerShardMax: usersPerShardMax)
        hubs = (0..<nodes).map {
            Hub(
                node: MailboxIndex($0), topology: topology, store: store, bus: bus, presence: presence,
                strangers: strangers, channels: channels)
        }
        for hub in hubs { hub.milliseconds = now }
    }

    func hub(of user: String) -> Hub { hubs[Int(topology.node(of: name(user)).rawValue)] }

    /// Signs a client in; the welcome comes when the store has answered.
    func connect(
        _ user: String, device: String = "default", after: UInt64? = nil, form: Session.Form = .json,
        readsLZ4: Bool = false
    ) -> Client {
        let client = Client(hub(of: user), user, device: device, after: after, form: form, readsLZ4: readsLZ4)
        clients.append(client)
        return client
    }

    /// The same, and the welcome is taken.
    func online(_ user: String, device: String = "default", form: Session.Form = .json) -> Client {
        let client = connect(user, device: device, form: form)
        settle()
        client.drop()
        return client
    }

    /// A group in the store.
    func group(_ id: String, version: UInt64 = 1, _ members: [String: GroupRole]) -> Group {
        let roles = Dictionary(uniqueKeysWithValues: members.map { (name($0.key), $0.value) })
        let group = Group(id: name(id), name: id, version: version, members: roles)
        store.put(group)
        return group
    }

    /// Ends a tick on every loop, without an answer of the store.
    func handOver() {
        for hub in hubs { hub.handOver() }
        deliverBus()
    }

    /// Lets the store do one call; false if none waits.
    @discardableResult
    func answerOne() -> Bool {
        guard let answers = store.answerNext(now: now) else { return false }
        for (node, event) in answers { hubs[node].handle([event]) }
        return true
    }

    /// Ticks and answers until nothing is left to do.
    func settle() {
        repeat {
            handOver()
            while answerOne() {}
            handOver()
            // What the bus has just brought goes out at the end of its tick.
            for hub in hubs { hub.handOver() }
        } while store.waitingCalls > 0 || !bus.isEmpty
    }

    private func deliverBus() {
        for (node, frame) in bus.take() {
            for index in hubs.indices where node == nil || node == index { hubs[index].handle(frame) }
        }
        for (node, mail) in bus.takeMail() { hubs[node].handle(mail) }
    }
}

/// A bus that keeps frames until they are taken. `node` nil: for all.
final class FakeBus: Bus {
    private var frames: [(node: Int?, frame: BusFrame)] = []
    private var mail: [(node: Int, mail: BusMail)] = []
    /// Whether mail stays where it is.
    var isStuck = false
    /// Frames that passed, by node; nil for all.
    private(set) var passed: [Int?] = []

    func send(_ frame: BusFrame, to node: MailboxIndex) { add(Int(node.rawValue), frame) }
    func broadcast(_ frame: BusFrame) { add(nil, frame) }
    func send(_ mail: BusMail, to node: MailboxIndex) { self.mail.append((Int(node.rawValue), mail)) }

    var isEmpty: Bool { frames.isEmpty && (mail.isEmpty || isStuck) }

    func takeMail() -> [(node: Int, mail: BusMail)] {
        guard !isStuck else { return [] }
        defer { mail = [] }
        return mail
    }

    private func add(_ node: Int?, _ frame: BusFrame) {
        passed.append(node)
        frames.append((node, frame))
    }

    func take() -> [(node: Int?, frame: BusFrame)] {
        defer { frames = [] }
        return frames
    }
}

/// A way out that keeps what is written until the test takes it.
final class TestOutlet: Outlet {
    private(set) var isReading = true
    private(set) var isAborted = false

    /// A socket that takes whatever it is offered.
    var takesAll = false
    private(set) var offered: [UInt8] = []

    /// What happens to the connection when it is flushed out of turn.
    var whenFlushed: (() -> Void)?

    override func flushNow() {
        whenFlushed?()
        guard takesAll else { return }
        offered += Array(buffer.unsafeBytes)
        buffer.removeAll()
        isDirty = false
    }

    override func setReading(_ reading: Bool) { isReading = reading }
    override func abort() { isAborted = true }

    /// All that waits.
    func take() -> [UInt8] {
        defer {
            offered = []
            buffer.removeAll()
            isDirty = false
        }
        return offered + Array(buffer.unsafeBytes)
    }
}

/// A client as the hub sees it, and what it was sent.
final class Client: SessionOwner {
    let outlet = TestOutlet()
    let user: String
    private let hub: Hub
    private(set) var session: Session?
    private(set) var isReady = false
    private(set) var hasFailed = false

    fileprivate init(
        _ hub: Hub, _ user: String, device: String, after: UInt64?, form: Session.Form, readsLZ4: Bool
    ) {
        self.hub = hub
        self.user = user
        session = hub.signIn(
            name(user), device: name(device), after: after, form: form, readsLZ4: readsLZ4, outlet: outlet, owner: self)
    }

    func sessionIsReady(_ session: Session) { isReady = true }
    func sessionFailed(_ session: Session) { hasFailed = true }

    func signOut() {
        guard let session else { return }
        hub.signOut(session)
    }

    /// Sends a JSON frame.
    func send(_ json: String) {
        guard let session else { return }
        let bytes = Array(json.utf8)
        hub.receive(json: bytes.span.bytes, from: session)
    }

    /// Sends a binary frame, given whole.
    func send(frame bytes: [UInt8]) throws {
        guard let session else { return }
        let frame = bytes.span.bytes
        let header = try BinaryHeader(message: frame)
        let payload = frame.extracting(BinaryHeader.byteCount..<frame.byteCount)
        let request = try BinaryRequest(header, payload: payload)
        hub.receive(request, flags: header.flags, payload: payload, from: session)
    }

    /// Says that the socket took all that waited.
    func drained() {
        guard let session else { return }
        hub.drained(session)
    }

    // MARK: What it was sent

    /// The JSON frames since the last look.
    func frames(_ sourceLocation: SourceLocation = #_sourceLocation) -> [JSONValue] {
        payloads(opcode: 1, sourceLocation).compactMap { payload in
            let value = try? JSONValue(parsing: payload)
            if value == nil { Issue.record("no JSON: \(payload)", sourceLocation: sourceLocation) }
            return value
        }
    }

    /// The only JSON frame since the last look.
    func frame(_ sourceLocation: SourceLocation = #_sourceLocation) throws -> JSONValue {
        let frames = frames(sourceLocation)
        try #require(frames.count == 1, sourceLocation: sourceLocation)
        return frames[0]
    }

    /// Forgets what it was sent.
    func drop() { _ = outlet.take() }

    /// The payloads of the WebSocket frames since the last look, which are all of this opcode.
    func payloads(opcode: UInt8, _ sourceLocation: SourceLocation = #_sourceLocation) -> [[UInt8]] {
        var rest = outlet.take()[...]
        var payloads: [[UInt8]] = []
        while rest.count >= 2 {
            let bytes = Array(rest.prefix(10))
            #expect(bytes[0] == 0x80 | opcode, sourceLocation: sourceLocation)
            var (length, head) = (Int(bytes[1]), 2)
            if bytes[1] == 126 { (length, head) = (Int(bytes[2]) << 8 | Int(bytes[3]), 4) }
            if bytes[1] == 127 { (length, head) = (bytes[2..<10].reduce(0) { $0 << 8 | Int($1) }, 10) }
            payloads.append(Array(rest.dropFirst(head).prefix(length)))
            rest = rest.dropFirst(head + length)
        }
        #expect(rest.isEmpty, sourceLocation: sourceLocation)
        return payloads
    }
}

extension [JSONValue] {
    /// One member of every frame.
    func all(_ key: String) -> [JSONValue?] { map { $0[key] } }
}
