package import Reactor
package import TLS

/// What the clients speak.
package enum WireProtocol: String, CaseIterable, Sendable {
    /// JSON in WebSocket text frames.
    case json
    /// The binary protocol over TCP.
    case binary
    /// Every other client the one, the rest the other.
    case both
    /// Bare bytes, to the floor's forwarder only.
    case floor
}

/// What is sent and what counts as its answer.
package enum MessageMode: String, CaseIterable, Sendable {
    /// A private message, answered by the ack of its commit.
    case durable
    /// A private message, answered by the ack before its commit.
    case accepted
    /// A typing event, which isn't stored; answered by its arrival at the peer.
    case typing
}

/// How a user proves who it is.
package enum Credential: Sendable {
    /// By its id alone, as a router with `--dev` believes it.
    case none
    /// By a JWT signed with this secret (HS256).
    case secret(String)
}

/// Whom to load, as whom, and with what.
package struct Target: Sendable {
    /// Where HTTP and WebSocket are spoken.
    package var web: SocketAddress
    /// Where the binary protocol is spoken.
    package var tcp: SocketAddress
    package var wire: WireProtocol
    package var credential: Credential
    /// What makes connections speak TLS; nil: they don't.
    package var security: ClientTLS?
    /// Names this run, so that its users are new ones.
    package var run: String

    package init(
        web: SocketAddress, tcp: SocketAddress, wire: WireProtocol, credential: Credential = .none,
        security: ClientTLS? = nil, run: String = Target.randomRun()
    ) {
        self.security = security
        self.web = web
        self.tcp = tcp
        self.wire = wire
        self.credential = credential
        self.run = run
    }

    /// What the client with this index speaks.
    func wire(of index: Int) -> WireProtocol {
        guard wire == .both else { return wire }
        return index % 2 == 0 ? .json : .binary
    }

    /// Where the clients, or half of them, connect to.
    var address: SocketAddress { wire == .json || wire == .both ? web : tcp }

    /// The name of the client with this index.
    package func user(_ index: Int) -> String { "bench-\(run)-\(index)" }

    /// Four letters or digits.
    package static func randomRun() -> String {
        let letters = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return String((0..<4).map { _ in letters[Int.random(in: 0..<letters.count)] })
    }

    /// The loopback address that a connection comes from: nil, the kernel's choice, while one address has ports enough.
    package static func source(index: Int, of total: Int, to address: SocketAddress) -> String? {
        guard total > connectionsPerSource, address.isLoopback, !address.host.contains(":") else { return nil }
        return "127.0.0.\(2 + index / connectionsPerSource % 250)"
    }

    /// How many descriptor tables of this limit hold so many connections; at least one.
    package static func tables(for connections: Int, limit: Int) -> Int {
        let room = max(1, limit - descriptorsBesides)
        return max(1, (connections + room - 1) / room)
    }

    /// What a table of descriptors holds beside connections.
    private static let descriptorsBesides = 64

    /// Well below the about 28,000 ephemeral ports of one address, since ports rest for a minute after a close.
    private static let connectionsPerSource = 10_000
}

/// Something that keeps a scenario from giving a figure.
package struct BenchError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
