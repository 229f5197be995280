internal import Base
internal import Glibc
internal import Reactor
internal import Synchronization

/// Stands between clients and a router, and harms connections when it is told to.
///
/// Bytes of one direction of a connection come out in the order in which they went in, as TCP has it. One thread, with
/// `poll`. *Thread:* any.
final class FaultProxy: Sendable {
    /// What may happen to a connection.
    enum Harm: String, CaseIterable {
        /// Both sides are reset, behind some of the bytes that were on their way: mostly in the middle of a frame.
        case cut
        /// One side learns that the other sends nothing more, in the middle of a frame.
        case halfClose
        /// Nothing is taken from one side for a while.
        case stall
        /// Bytes go out one by one for a while.
        case dribble
        /// The router's answers get lost for a while, then the connection is cut: what was sent comes again.
        case swallow

        var label: String {
            switch self {
            case .cut: "connections cut within a frame"
            case .halfClose: "connections closed on one side"
            case .stall: "connections of which one side stood still"
            case .dribble: "connections that went byte by byte"
            case .swallow: "connections whose answers got lost"
            }
        }
    }

    let web: SocketAddress
    let tcp: SocketAddress
    private let state = Mutex(State())

    private struct State {
        var demands: [Harm] = []
        var done: [Harm: Int] = [:]
        var delayed = 0
        var isStopping = false
    }

    init(web: SocketAddress, tcp: SocketAddress, delayMilliseconds: Int, seed: UInt64) throws {
        let listeners = try [web, tcp].map { try ProxyListener(upstream: $0) }
        self.web = listeners[0].address
        self.tcp = listeners[1].address
        _ = LoopThread(name: "proxy") { [self] in
            var loop = ProxyLoop(listeners, delayMilliseconds: delayMilliseconds, seed: seed)
            while true {
                let (demands, isStopping) = state.withLock { state in
                    defer { state.demands = [] }
                    return (state.demands, state.isStopping)
                }
                if isStopping { break }
                loop.turn(demands)
                state.withLock { state in
                    for harm in loop.takeDone() { state.done[harm, default: 0] += 1 }
                    state.delayed = loop.delayed
                }
            }
            loop.closeAll()
        }
    }

    /// Harms a connection, soon.
    func demand(_ harm: Harm) { state.withLock { $0.demands.append(harm) } }

    /// Closes all connections.
    func stop() { state.withLock { $0.isStopping = true } }

    func addCounts(to counts: inout FaultCounts) {
        let (done, delayed) = state.withLock { ($0.done, $0.delayed) }
        for harm in Harm.allCases { counts.add(harm.rawValue, harm.label, done[harm] ?? 0) }
        counts.add("delayed", "pieces that were delayed", delayed)
    }
}

/// A door of the proxy.
struct ProxyListener: Sendable {
    let descriptor: Int32
    let address: SocketAddress
    private let upstream: SocketAddress

    init(upstream: SocketAddress) throws {
        self.upstream = upstream
        descriptor = socket(AF_INET, ProxyListener.kind, 0)
        var place = ProxyListener.place(SocketAddress(host: "127.0.0.1", port: 0))
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let file = descriptor
        let isListening = withUnsafeMutablePointer(to: &place) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, length) == 0 && listen(file, 1_024) == 0 && getsockname(file, $0, &length) == 0
            }
        }
        guard isListening else { throw BenchError("the proxy gets no port") }
        address = SocketAddress(host: "127.0.0.1", port: UInt16(bigEndian: place.sin_port))
    }

    private static let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)

    private static func place(_ address: SocketAddress) -> sockaddr_in {
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = address.port.bigEndian
        inet_pton(AF_INET, address.host, &place.sin_addr)
        return place
    }

    /// The next client with its connection to the router; nil if nobody waits.
    func accept() -> (client: Int32, router: Int32)? {
        let client = Glibc.accept(descriptor, nil, nil)
        guard client >= 0 else { return nil }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        _ = fcntl(client, F_SETFL, O_NONBLOCK)
        let router = socket(AF_INET, ProxyListener.kind, 0)
        var place = ProxyListener.place(upstream)
        let result = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(router, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // One that is refused shows when it is read.
        guard result == 0 || errno == EINPROGRESS else {
            close(router)
            close(client)
            return accept()
        }
        return (client, router)
    }
}
