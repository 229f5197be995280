internal import Base
internal import Glibc

/// The proxy's connections, and one turn of its loop. *Thread:* the proxy's.
struct ProxyLoop {
    private let listeners: [ProxyListener]
    private let delayMilliseconds: Int
    private var random: SeededRandom
    private var links: [ProxyLink] = []
    private var done: [FaultProxy.Harm] = []
    /// Pieces that waited.
    private(set) var delayed = 0

    /// Milliseconds that a turn waits at most, so that it hears of demands.
    private static let turnMilliseconds: Int32 = 10

    init(_ listeners: [ProxyListener], delayMilliseconds: Int, seed: UInt64) {
        self.listeners = listeners
        self.delayMilliseconds = delayMilliseconds
        random = SeededRandom(seed: seed ^ 0x9807)
    }

    /// The harms that were done since the last call.
    mutating func takeDone() -> [FaultProxy.Harm] {
        defer { done = [] }
        return done
    }

    /// Waits a little for bytes, carries what there is, and harms connections.
    mutating func turn(_ demands: [FaultProxy.Harm]) {
        for harm in demands {
            guard let link = links.randomElement(using: &random) else { continue }
            link.suffer(harm, &random)
            done.append(harm)
        }
        wait()
        for listener in listeners {
            while let (client, router) = listener.accept() { links.append(ProxyLink(client, router)) }
        }
        for link in links {
            link.carry(delayMilliseconds, &random)
            delayed += link.takeDelayed()
        }
        links.removeAll { $0.isOver }
    }

    private func wait() {
        var polls = listeners.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        var hasWaiting = false
        for link in links {
            polls += link.interests
            hasWaiting = hasWaiting || link.hasWaiting
        }
        poll(&polls, nfds_t(polls.count), hasWaiting ? 1 : ProxyLoop.turnMilliseconds)
    }

    func closeAll() {
        for link in links { link.end() }
        for listener in listeners { close(listener.descriptor) }
    }
}

/// One client's connection, with its continuation to the router.
final class ProxyLink {
    /// One direction.
    private struct Lane {
        let from: Int32
        let to: Int32
        /// What waits, each piece with the instant from which it may go.
        var pieces: [(bytes: [UInt8], due: UInt64)] = []
        var waiting = 0
        /// Up to when nothing is taken.
        var stalledUntil: UInt64 = 0
        var hasEnded = false
        var isShut = false

        init(_ from: Int32, _ to: Int32) {
            self.from = from
            self.to = to
        }

        var isOpen: Bool { !hasEnded && waiting < ProxyLink.waitingMax && Stamp.now >= stalledUntil }
    }

    private var lanes: [Lane]
    private(set) var isOver = false
    private var dribblesUntil: UInt64 = 0
    /// When answers that get lost end with a cut.
    private var cutAt = UInt64.max
    private var swallows = false
    private var delayed = 0
    private static let waitingMax = 256 << 10
    private static let pieceBytes = 64 << 10

    init(_ client: Int32, _ router: Int32) {
        lanes = [Lane(client, router), Lane(router, client)]
        var one: Int32 = 1
        for socket in [client, router] {
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    var hasWaiting: Bool { lanes.contains { $0.waiting > 0 } || cutAt < .max }

    var interests: [pollfd] {
        lanes.filter(\.isOpen).map { pollfd(fd: $0.from, events: Int16(POLLIN), revents: 0) }
    }

    func takeDelayed() -> Int {
        defer { delayed = 0 }
        return delayed
    }

    // MARK: Carrying

    /// Takes what came in, and gives on what is due.
    func carry(_ delayMilliseconds: Int, _ random: inout SeededRandom) {
        let now = Stamp.now
        if now >= cutAt { return end() }
        for index in lanes.indices where !isOver {
            take(index, now, delayMilliseconds, &random)
            give(index, now)
        }
        if lanes.allSatisfy({ $0.isShut }) { end() }
    }

    private func take(_ index: Int, _ now: UInt64, _ delayMilliseconds: Int, _ random: inout SeededRandom) {
        guard lanes[index].isOpen else { return }
        var failure: Int32 = 0
        let from = lanes[index].from
        let bytes = [UInt8](unsafeUninitializedCapacity: ProxyLink.pieceBytes) { buffer, filled in
            let count = recv(from, buffer.baseAddress, buffer.count, 0)
            failure = count < 0 ? errno : 0
            filled = max(count, 0)
        }
        if failure != 0 {
            if failure != EAGAIN && failure != EINTR && failure != ENOTCONN { end() }
            return
        }
        guard !bytes.isEmpty else {
            lanes[index].hasEnded = true
            return
        }
        if swallows, index == 1 { return }
        let delay = delayMilliseconds > 0 ? UInt64.random(in: 0...UInt64(delayMilliseconds), using: &random) : 0
        if delay > 0 { delayed += 1 }
        // What comes later doesn't overtake.
        let due = max(now + delay * 1_000_000, lanes[index].pieces.last?.due ?? 0)
        lanes[index].pieces.append((bytes, due))
        lanes[index].waiting += bytes.count
    }

    private func give(_ index: Int, _ now: UInt64) {
        while let piece = lanes[index].pieces.first, piece.due <= now {
            let limit = now < dribblesUntil ? 1 : piece.bytes.count
            let sent = piece.bytes.withUnsafeBytes { send(lanes[index].to, $0.baseAddress, limit, Int32(MSG_NOSIGNAL)) }
            if sent < 0 {
                if errno != EAGAIN && errno != EINTR && errno != ENOTCONN { end() }
                return
            }
            lanes[index].waiting -= sent
            if sent == piece.bytes.count {
                lanes[index].pieces.removeFirst()
            } else {
                lanes[index].pieces[0].bytes.removeFirst(sent)
            }
            if now < dribblesUntil { return }
        }
        if lanes[index].hasEnded, lanes[index].pieces.isEmpty { shut(index) }
    }

    private func shut(_ index: Int) {
        guard !lanes[index].isShut else { return }
        lanes[index].isShut = true
        shutdown(lanes[index].to, Int32(SHUT_WR))
    }

    // MARK: Harm

    private static let dribbleNanoseconds: UInt64 = 500_000_000

    func suffer(_ harm: FaultProxy.Harm, _ random: inout SeededRandom) {
        let duration = UInt64.random(in: 20_000_000...1_000_000_000, using: &random)
        let lane = Int.random(in: 0..<2, using: &random)
        switch harm {
        case .cut:
            for index in lanes.indices { giveSome(index, &random) }
            end(isReset: Bool.random(using: &random))
        case .halfClose:
            giveSome(lane, &random)
            lanes[lane].pieces = []
            lanes[lane].waiting = 0
            lanes[lane].hasEnded = true
            shut(lane)
            // A side that doesn't heed it holds the connection no longer than this.
            cutAt = Stamp.now + duration
        case .stall: lanes[lane].stalledUntil = Stamp.now + duration
        case .dribble: dribblesUntil = Stamp.now + ProxyLink.dribbleNanoseconds
        case .swallow:
            swallows = true
            cutAt = Stamp.now + duration / 4
        }
    }

    /// Takes what has come in and lets some of it through: up to the middle of a frame, most likely.
    private func giveSome(_ index: Int, _ random: inout SeededRandom) {
        take(index, Stamp.now, 0, &random)
        guard let piece = lanes[index].pieces.first else { return }
        let count = Int.random(in: 0..<piece.bytes.count, using: &random)
        _ = piece.bytes.withUnsafeBytes { send(lanes[index].to, $0.baseAddress, count, Int32(MSG_NOSIGNAL)) }
    }

    /// Closes both sides.
    func end(isReset: Bool = false) {
        guard !isOver else { return }
        isOver = true
        for lane in lanes {
            var linger = linger(l_onoff: isReset ? 1 : 0, l_linger: 0)
            setsockopt(lane.from, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            close(lane.from)
        }
    }
}
