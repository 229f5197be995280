internal import Base
internal import Core
internal import Logging
internal import Reactor
internal import Store
internal import Synchronization
internal import TLS
internal import Wire

/// What all loops of a router share. Immutable but for the lifecycle flag; any thread may read.
final class RouterContext: Sendable {
    let configuration: Configuration
    let authenticator: Authenticator
    let logins: Logins
    let origins: Origins
    let throttle = LoginThrottle()
    let addresses: ClientAddress
    let traffic: TrafficGuard
    /// When the process before this one began to go down, if it did so in order.
    let stopped: UInt64?
    let memory = MemoryState()
    let passwords: PasswordWorkers
    /// What makes clients' connections speak TLS; nil: they don't.
    let tls: ServerTLS?
    let topology: Topology
    let presence = PresenceDirectory()
    let nodes: [NodeHandle]
    let log: RouterLog
    let sources: OperatorSources
    private let draining = Atomic(false)

    init(
        _ configuration: Configuration, nodes: [NodeHandle], logins: Logins, passwords: PasswordWorkers,
        tls: ServerTLS?, log: RouterLog, sources: OperatorSources = OperatorSources()
    ) throws(ConfigurationError) {
        self.configuration = configuration
        self.tls = tls
        self.nodes = nodes
        self.log = log
        self.sources = sources
        self.logins = logins
        self.passwords = passwords
        authenticator = try Authenticator(configuration, logins)
        origins = Origins(allowed: configuration.origins)
        addresses = ClientAddress(proxies: configuration.trustedProxies)
        traffic = TrafficGuard(configuration, addresses)
        stopped = StopMark.take(from: configuration.data)
        topology = Topology(
            nodes: nodes.count, shardsPerNode: configuration.shardsPerLoop,
            usersPerShardMax: configuration.usersPerShardMax)
    }

    /// Where a user's connections belong, and what the user does.
    func home(of user: Identifier) -> NodeHandle { nodes[Int(topology.node(of: user).rawValue)] }

    /// Whether the router is going down: no new connections, and it isn't ready.
    var isDraining: Bool { draining.load(ordering: .relaxed) }
    func beginDraining() { draining.store(true, ordering: .relaxed) }
}

/// How other threads reach a loop's node.
final class NodeHandle: Sendable {
    let mailbox: Mailbox
    /// Where the loop's connections have their descriptors.
    let table: DescriptorTable
    /// How they get there from other loops; nil if these share the table.
    let passage: DescriptorPassage?
    private let node = Mutex<LoopBound<LoopNode>?>(nil)

    init(_ table: DescriptorTable = DescriptorTable(), isOwn: Bool = false) throws(Errno) {
        mailbox = try Mailbox()
        self.table = table
        passage = isOwn ? try DescriptorPassage() : nil
    }

    /// *Thread:* the loop's, before it runs.
    func bind(_ value: LoopNode) { node.withLock { $0 = LoopBound(value) } }

    /// Lets go of the node, which knows this handle too. *Thread:* any, when the loop has ended.
    func unbind() { node.withLock { $0 = nil } }

    private var bound: LoopNode {
        guard let bound = node.withLock({ $0 }) else { preconditionFailure("mail before the loop began") }
        return bound.onLoop
    }

    /// Runs `work` on the loop.
    func post(_ work: @escaping @Sendable (LoopNode) -> Void) { mailbox.post { work(self.bound) } }

    /// The same for what may be lost when the loop is far behind.
    func postIfRoom(_ work: @escaping @Sendable (LoopNode) -> Void) -> Bool {
        mailbox.postIfRoom { work(self.bound) }
    }

    /// Runs `work` on the loop and waits for what it returns.
    func run<Value: Sendable>(_ work: @escaping @Sendable (LoopNode) -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            post { continuation.resume(returning: work($0)) }
        }
    }

    /// The node, for `async` functions that run on its loop. Traps on another thread.
    var onLoop: LoopNode { bound }
}

/// The store's way to a loop's hub.
struct NodeMailbox: StoreMailbox {
    let handle: NodeHandle

    func deliver(_ events: [StoreEvent]) {
        handle.post { $0.hub.handle(events) }
    }
}

/// One loop and everything that lives on it. *Thread:* the loop's.
final class LoopNode {
    let index: MailboxIndex
    let context: RouterContext
    let loop: EventLoop
    let hub: Hub
    let bus: LoopBus
    /// The store's.
    let epoch: String
    let api: APIRouter
    var groupDocuments = GroupDocuments()
    var counters: NodeCounters
    /// The slot of the connection that the next look at some of them begins with.
    var sampleFrom = 0
    private var presenceTurn = 0
    private var presenceSwept: UInt32 = 0
    /// The loop's second in which it was last said that a table is full.
    var fullTableLogged: UInt32 = 0
    private var handshakesFailed = 0
    private var explaining: (second: UInt32, count: Int) = (0, 0)

    /// Connections that are refused in words in a second.
    private static let explanationsMax = 100

    init(index: Int, context: RouterContext, loop: EventLoop, store: any Store) {
        self.index = MailboxIndex(index)
        self.context = context
        self.loop = loop
        epoch = store.epoch
        bus = LoopBus(nodes: context.nodes)
        var channels = ChannelLimits()
        channels.instance = .random(in: .min ... .max)
        hub = Hub(
            node: MailboxIndex(index), topology: context.topology, store: store, bus: bus, presence: context.presence,
            strangers: context.configuration.strangers, channels: channels)
        hub.relationChanged = { one, other in
            for home in [context.home(of: one), context.home(of: other)] {
                home.post { $0.hub.forgetRelations(one, other) }
            }
        }
        api = APIRouter(context: context, node: context.nodes[index])
        counters = NodeCounters(routes: api.routes.count)
        loop.counts = context.traffic.counts
        hub.allowance = FrameAllowance(context.traffic.limits)
        if let stopped = context.stopped { hub.beginResuming(at: loop.milliseconds, stopped: stopped) }
        hub.recordsArrivals = context.configuration.recordsEvents
        setTime()
        loop.tickBegan = { [unowned self] in setTime() }
        loop.afterFlush = { [unowned self] in hub.noteFlush(at: $0) }
        loop.beforeFlush = { [unowned self] in
            hub.handOver()
            bus.handOver()
            sweepPresence()
        }
        let log = context.log.connections
        loop.acceptFailed = { error in
            log.error("can't accept connections: \(error); trying again every second. Raise the limit of open files")
        }
        loop.handshakeFailed = { [unowned self] failure in
            handshakesFailed += 1
            log.debug("a client didn't get as far as TLS (\(handshakesFailed) on this loop): \(failure)")
        }
    }

    private func setTime() {
        hub.milliseconds = loop.milliseconds
        hub.instant = loop.instant
    }

    /// Forgets users who left long ago, a part of them each second; one loop does it for all.
    private func sweepPresence() {
        guard index.rawValue == 0, loop.second != presenceSwept else { return }
        presenceSwept = loop.second
        context.presence.sweep(turn: presenceTurn, now: loop.milliseconds)
        presenceTurn &+= 1
    }

    /// Opens this loop's listeners.
    ///
    /// - Returns: the ports, which the kernel chose where 0 was asked for.
    func listen(on http: SocketAddress, tcp: SocketAddress) throws(ListenError) -> (http: UInt16, tcp: UInt16) {
        let httpPort = try listen(on: http) { [unowned self] in HTTPConnection(node: self) }
        let tcpPort = try listen(on: tcp) { [unowned self] in BinaryConnection(node: self) }
        return (httpPort, tcpPort)
    }

    private func listen(
        on address: SocketAddress, _ makeDelegate: @escaping () -> any AcceptingDelegate
    ) throws(ListenError) -> UInt16 {
        let security = context.tls.map { ListenerSecurity($0, answerToPlainHTTP: HTTPConnection.answerWithoutTLS) }
        do {
            return try loop.listen(
                on: address, isExclusive: index.rawValue == 0, security: security, accepted: makeDelegate)
        } catch {
            throw ListenError(address: address, cause: error)
        }
    }

    /// Milliseconds of a clock that never goes back.
    var monotonicMilliseconds: UInt64 { Clock.monotonicNanoseconds / 1_000_000 }

    /// Counts a connection that was accepted; why it may not stay, if so.
    func arrivalRefusal(_ channel: Channel, from peer: String) -> Refusal? {
        context.traffic.arrive(channel, from: peer, now: monotonicMilliseconds).map(Refusal.tooManyConnections)
    }

    /// Whether one more of those who are refused at the door is told why, which takes a connection for a moment.
    func mayExplain() -> Bool {
        if explaining.second != loop.second { explaining = (loop.second, 0) }
        explaining.count += 1
        return explaining.count <= LoopNode.explanationsMax
    }

    /// Where a user's connections belong.
    func home(of user: Identifier) -> NodeHandle { context.home(of: user) }
}

/// A listener that couldn't be opened.
struct ListenError: Error, CustomStringConvertible {
    let address: SocketAddress
    let cause: Errno

    var description: String {
        "can't listen on \(address): \(cause). Is another process using the port? Choose one with --listen or "
            + "--tcp-listen"
    }
}

// MARK: - Going down

extension LoopNode {
    /// Takes no more connections, and nothing more from those that are there.
    func beginDraining() {
        hub.isGoingDown = true
        loop.stopListening()
        loop.forEachChannel { $0.setReading(false) }
    }

    /// Gives back what isn't needed while nothing happens.
    func releaseSpareMemory() {
        loop.releaseSpareMemory()
        hub.releaseSpareMemory()
    }

    /// Whether every message that was taken is answered.
    var isSettled: Bool { hub.outstandingReplies == 0 && !loop.isMoving }

    /// Says goodbye to some of those that are there; false if nobody is left.
    ///
    /// - Parameters:
    ///   - count: to how many.
    ///   - spread: within how many milliseconds they shall come back.
    func closeConnections(_ count: Int, spread: UInt64) -> Bool {
        var left = count
        loop.forEachChannel { channel in
            guard left > 0 else { return }
            left -= 1
            guard let connection = channel.delegate as? any DrainableConnection else { return channel.abort() }
            connection.drain(retry: .random(in: spread / 10...spread))
        }
        return left == 0
    }
}

/// A connection that can say goodbye when the router goes down.
protocol DrainableConnection {
    /// - Parameter retry: milliseconds after which the client may come again.
    func drain(retry: UInt64)
}
