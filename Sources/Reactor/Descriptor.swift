internal import CEpoll

/// Owns a file descriptor: closes it when it goes.
package struct Descriptor: ~Copyable, Sendable {
    let rawValue: Int32

    init(_ rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = cep_close(rawValue) }

    /// Gives the descriptor away without closing it.
    consuming func release() -> Int32 {
        let rawValue = self.rawValue
        discard self
        return rawValue
    }
}

/// A numeric address and a port.
package struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Parses `127.0.0.1:8080` or `[::1]:8080`; nil if it is neither.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard cep_is_loopback(String(host)) >= 0 else { return nil }
        self.init(host: String(host), port: port)
    }

    package var isLoopback: Bool { cep_is_loopback(host) == 1 }
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
