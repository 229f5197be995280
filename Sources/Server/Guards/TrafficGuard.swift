internal import Base
internal import Reactor
internal import Wire

/// Says who comes too often. Addresses are counted until it is known who a client is, users from then on; the frames
/// of users are counted by their loops (``FrameAllowance``). *Thread:* any.
final class TrafficGuard: Sendable {
    let limits: TrafficLimits
    let counts = ConnectionCounts()
    private let arrivals: Throttle?
    private let signIns: Throttle?
    private let requests: Throttle?
    private let bytes: Throttle?
    private let addresses: ClientAddress

    private static let slots = 1 << 16
    /// When somebody whose connections are too many may come again: one of them must end first.
    private static let retryMilliseconds: UInt64 = 10_000

    init(_ configuration: Configuration, _ addresses: ClientAddress) {
        limits = configuration.traffic
        self.addresses = addresses
        func throttle(_ rate: Int, atLeast least: Int = 1) -> Throttle? {
            rate > 0 ? Throttle(Allowance(perSecond: rate, atLeast: least), slots: TrafficGuard.slots) : nil
        }
        arrivals = throttle(limits.connectionRate)
        signIns = throttle(limits.signIns)
        requests = throttle(limits.requests(dev: configuration.dev))
        bytes = throttle(limits.bytes, atLeast: TrafficLimits.burstBytesMin)
    }

    /// Whether a connection from this peer is counted by its address. One of a proxy stands for many clients.
    func isCounted(peer: String) -> Bool { !addresses.isProxy(peer) && isCounted(ClientAddress.network(peer)) }

    /// The same of what stands for an address.
    private func isCounted(_ key: String) -> Bool { limits.includesLoopback || !ClientAddress.isLoopback(key) }

    /// Counts a connection that was accepted.
    ///
    /// - Returns: milliseconds to wait if there are too many.
    func arrive(_ channel: Channel, from peer: String, now: UInt64) -> UInt64? {
        guard isCounted(peer: peer) else { return nil }
        let key = ClientAddress.network(peer)
        if let wait = arrivals?.take(key, now: now) { return wait }
        return count(channel, key)
    }

    private func count(_ channel: Channel, _ key: String) -> UInt64? {
        guard limits.connections > 0 else { return nil }
        guard let place = counts.take(key, max: limits.connections) else { return TrafficGuard.retryMilliseconds }
        channel.origin = place
        return nil
    }

    /// Counts a request to become a WebSocket, which may come through a proxy.
    ///
    /// - Returns: milliseconds to wait if there are too many.
    func upgrade(_ request: HTTPRequest, _ channel: Channel, peer: String, now: UInt64) -> UInt64? {
        let key = addresses.key(of: request, peer: peer)
        guard isCounted(key) else { return nil }
        if let wait = signIns?.take(key, now: now) { return wait }
        return channel.origin == 0 ? count(channel, key) : nil
    }

    /// Counts a sign-in on a connection of this peer.
    func signIn(peer: String, now: UInt64) -> UInt64? {
        isCounted(peer: peer) ? signIns?.take(ClientAddress.network(peer), now: now) : nil
    }

    /// Counts a request whose token was refused like a sign-in.
    func refusedToken(_ request: HTTPRequest, peer: String, now: UInt64) -> UInt64? {
        let key = addresses.key(of: request, peer: peer)
        return isCounted(key) ? signIns?.take(key, now: now) : nil
    }

    /// Counts a request of a user.
    func request(of user: Identifier, bytes count: Int, now: UInt64) -> UInt64? {
        if let wait = requests?.take(user, now: now) { return wait }
        return count > 0 ? bytes?.take(user, cost: count, now: now) : nil
    }
}
