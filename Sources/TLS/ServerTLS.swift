internal import COpenSSL
internal import Synchronization

/// A server's certificate and key, which may be read anew while connections go on. *Thread:* any.
package final class ServerTLS: Sendable {
    private let certificate: String
    private let key: String
    private let tickets: TicketKeys
    private let context: Mutex<TLSContext>

    /// - Parameters:
    ///   - certificate: the file (PEM) of the chain, the server's own first.
    ///   - key: the file (PEM) of its key, without a password.
    ///   - seconds: a clock that only grows.
    package init(
        certificate: String, key: String, seconds: @escaping @Sendable () -> UInt64
    ) throws(TLSConfigurationError) {
        self.certificate = certificate
        self.key = key
        tickets = TicketKeys(seconds: seconds)
        context = Mutex(try TLSContext(certificate: certificate, key: key, tickets: tickets))
    }

    /// Reads both files again, for connections that begin from now on. Throws if they are wrong or don't fit together;
    /// then all stays as it was.
    package func reload() throws(TLSConfigurationError) {
        let new = try TLSContext(certificate: certificate, key: key, tickets: tickets)
        context.withLock { $0 = new }
    }

    /// The server's end of a new connection.
    package func accept() -> TLSConnection { TLSConnection(context.withLock { $0 }, isServer: true) }
}

/// What a client's connections have in common. *Thread:* any.
package final class ClientTLS: Sendable {
    private let context: TLSContext

    /// - Parameter trusted: the file (PEM) of certificates that a server's is checked against, though not its name;
    ///   without it every server is believed, as a load generator may.
    package init(trusting trusted: String? = nil) throws(TLSConfigurationError) {
        context = try TLSContext(trusting: trusted)
    }

    /// The client's end of a new connection.
    package func connect() -> TLSConnection { TLSConnection(context, isServer: false) }
}
