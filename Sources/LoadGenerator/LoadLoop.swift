internal import Base
package import Reactor

/// What all loops of a run have in common.
package struct Plan: Sendable {
    package enum Shape: String, CaseIterable, Sendable {
        /// 0 ↔ 1, 2 ↔ 3, …
        case pairs
        /// 0 → 1 → 2 → … → 0
        case ring
    }

    package var target: Target
    package var connections: Int
    package var mode = MessageMode.typing
    package var size = 64
    /// Unanswered messages that each sender keeps in flight; in an open loop unused.
    package var window = 1
    package var shape = Shape.pairs
    /// Messages a second of all senders together; nil: closed loop.
    package var rate: Double?
    package var isCompressed = false
    /// Connections that are being opened at a time, a loop.
    package var ramp = 64
    /// What the forwarder is asked for, where there is one instead of a router.
    package var floorWork = FloorWork.forward
    /// Another server than a router, and how it is spoken to.
    package var product: Product?

    package init(target: Target, connections: Int) {
        self.target = target
        self.connections = connections
    }

    /// Whom the client with this index sends to.
    package func peer(of index: Int) -> Int {
        if floorWork == .echo { return index }
        return switch shape {
        case .pairs: index ^ 1
        case .ring: (index + 1) % connections
        }
    }

    /// The least `size` that holds a message's stamp, and the longest name of a typing event's recipient.
    package var smallestSize: Int {
        guard product == nil else { return 0 }
        return switch target.wire {
        case .floor: 0
        case .json, .binary, .both:
            mode == .typing
                ? MessageTemplate.typingEnvelopeBytes(to: target.user(connections - 1)) + Stamp.textBytes
                : target.wire == .binary ? Stamp.textBytes : 0
        }
    }

    var floorMessageBytes: Int { max(size, Stamp.textBytes) }

    func makeClient(_ index: Int, owner: LoadLoop) -> LoadClient {
        if let product { return product.makeClient(index, owner: owner) }
        return switch target.wire(of: index) {
        case .json, .both: WebSocketClient(index: index, owner: owner)
        case .binary: BinaryClient(index: index, owner: owner)
        case .floor: FloorClient(index: index, owner: owner)
        }
    }

    /// The message that the client with this index sends.
    func makeTemplate(_ index: Int) throws -> MessageTemplate {
        let peer = target.user(peer(of: index))
        switch target.wire(of: index) {
        case .json, .both:
            // Beside other products, what counts is the same for all: the bytes that they carry.
            let envelope = product != nil && mode == .typing ? MessageTemplate.typingEnvelopeBytes(to: peer) : 0
            return try .json(mode, to: peer, size: size + envelope)
        case .binary: return try .binary(mode, to: peer, size: size, isCompressed: isCompressed)
        case .floor: return try .floor(size: floorMessageBytes)
        }
    }
}

/// One thread's share of the clients: opens them, a few at a time, and counts. Scenarios subclass it.
///
/// *Thread:* its loop's, all of it.
package class LoadLoop {
    let loop: EventLoop
    package let plan: Plan
    /// Counts from the first connection to the last, so that nothing is lost from sight before or after the interval
    /// that is measured; distributions hold only what came within it.
    package final var meter = Meter()
    /// The counts when the interval began.
    package private(set) final var baseline = Meter()
    package final var isMeasuring = false
    /// Clients by order of opening.
    package private(set) final var clients: [LoadClient] = []
    package internal(set) final var readyCount = 0
    /// Why connections failed, the first few reasons.
    package private(set) final var failures: [String] = []
    package private(set) final var failureCount = 0
    /// How deep in the body of a binary message the stamp stands; nil before any is sent.
    final var stampDepth: Int?
    /// Clients that wait for their turn to connect, the next one last.
    private final var waiting: [LoadClient] = []
    private final var openingCount = 0

    package init(_ plan: Plan, loop: EventLoop) {
        self.plan = plan
        self.loop = loop
    }

    /// Opens clients with these indices.
    package final func open(_ indices: [Int]) {
        let new = indices.map { makeClient($0) }
        clients.append(contentsOf: new)
        waiting.append(contentsOf: new.reversed())
        openMore()
    }

    /// Opens clients again whose connections ended.
    final func reopen(_ ended: [LoadClient]) {
        for client in ended { client.prepareAgain() }
        waiting.append(contentsOf: ended.reversed())
        openMore()
    }

    private func makeClient(_ index: Int) -> LoadClient {
        let client = plan.makeClient(index, owner: self)
        client.role = makeRole(client)
        return client
    }

    /// What the scenario does with a client, which isn't connected yet; nil if it only counts.
    func makeRole(_ client: LoadClient) -> ClientRole? { nil }

    /// Ends all connections.
    package final func closeAll() {
        waiting.removeAll()
        for client in clients { client.close() }
    }

    /// Lets the thread end.
    package final func stopLoop() { loop.stop() }

    package final func beginMeasuring() {
        baseline = meter
        isMeasuring = true
    }

    private func openMore() {
        while openingCount < plan.ramp, let client = waiting.popLast() {
            do {
                try client.connect()
                openingCount += 1
            } catch {
                noteFailure("connect: \(error)")
                failureCount += 1
            }
        }
    }

    final func noteFailure(_ reason: String) {
        if failures.count < LoadLoop.failuresMax, !failures.contains(reason) { failures.append(reason) }
    }

    private static let failuresMax = 8
    /// What one sign-in of many may take.
    static let signInSecondsMax = 0.002

    // MARK: What clients tell

    /// A client is signed in.
    func clientReady(_ client: LoadClient) {
        openingCount -= 1
        readyCount += 1
        openMore()
    }

    /// A connection ended that nobody asked to end.
    func clientLost(_ client: LoadClient, wasReady: Bool) {
        if wasReady {
            readyCount -= 1
            meter.lost += 1
        } else {
            openingCount -= 1
            failureCount += 1
            if failures.isEmpty {
                noteFailure("\(plan.target.address) refused, or ended the connection before sign-in")
            }
            openMore()
        }
    }

    /// Takes a client off the counts whose connection ended, for scenarios in which that is no failure.
    final func discount(wasReady: Bool) {
        if wasReady { readyCount -= 1 } else { openingCount -= 1 }
    }

    func acked(_ client: LoadClient, _ stamp: UInt64?, isAccepted: Bool, _ now: UInt64) { meter.other += 1 }
    func delivered(_ client: LoadClient, _ stamp: UInt64?, _ now: UInt64) { meter.other += 1 }
    func refused(_ client: LoadClient) { meter.refused += 1 }
    func subscribed(_ client: LoadClient) { meter.other += 1 }
}
