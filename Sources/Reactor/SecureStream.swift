internal import Base
package import TLS

/// What makes the connections of a listener speak TLS.
package struct ListenerSecurity: Sendable {
    let server: ServerTLS
    /// What who speaks HTTP without TLS is told, without it.
    let answerToPlainHTTP: StaticString

    package init(_ server: ServerTLS, answerToPlainHTTP: StaticString) {
        self.server = server
        self.answerToPlainHTTP = answerToPlainHTTP
    }
}

/// What a connection that speaks TLS has besides its channel. It goes along to other loops.
///
/// Not to be used by two threads at a time: it belongs to the loop that has the channel, or to whoever moves it.
final class SecureStream: @unchecked Sendable {
    private enum Side {
        /// A server's before anything came in: a client that says nothing costs no more.
        case unbegun(ServerTLS)
        case begun
    }

    /// Records for the socket, and what TLS itself has to say.
    var unsent = OutputBuffer()
    /// The channel's first waiting bytes, which are sealed into `unsent` and not taken by the kernel.
    private(set) var sealedBytes = 0
    /// The loop's second in which it began.
    let since: UInt32
    let answerToPlainHTTP: StaticString
    private(set) var isEstablished = false
    /// Whether nothing more can be sealed or opened.
    var isBroken = false
    private(set) var saidGoodbye = false
    private var side: Side
    private var connection: TLSConnection?

    /// How much is sealed at a time: what the kernel doesn't take is in memory twice.
    private static let sealedBytesMax = 64 << 10

    init(accepting security: ListenerSecurity, since: UInt32) {
        side = .unbegun(security.server)
        answerToPlainHTTP = security.answerToPlainHTTP
        self.since = since
    }

    init(connecting client: ClientTLS, since: UInt32) {
        connection = client.connect()
        side = .begun
        answerToPlainHTTP = ""
        self.since = since
    }

    /// Takes what came in; see ``TLSConnection/open(_:into:answering:)``.
    func open(
        _ bytes: UnsafeRawBufferPointer, into plain: UnsafeMutableRawBufferPointer
    ) -> (count: Int, TLSConnection.Standing) {
        if case .unbegun(let server) = side {
            connection = server.accept()
            side = .begun
        }
        guard let result = connection?.open(bytes, into: plain, answering: &unsent) else {
            preconditionFailure("a stream that has begun has a connection")
        }
        if !isEstablished { isEstablished = connection?.isEstablished ?? false }
        return result
    }

    /// Seals the next bytes of what waits behind those that are sealed already; throws if that can't be.
    func seal(from buffer: borrowing OutputBuffer) throws(TLSFailure) {
        let next = buffer.unsafeBytes[sealedBytes...].prefix(SecureStream.sealedBytesMax)
        try connection?.seal(UnsafeRawBufferPointer(rebasing: next), into: &unsent)
        sealedBytes += next.count
    }

    /// The kernel has taken all of `unsent`: how many of the channel's bytes have gone with it.
    func takeSealed() -> Int {
        defer { sealedBytes = 0 }
        return sealedBytes
    }

    /// Writes that nothing more comes from our side.
    func sayGoodbye() {
        saidGoodbye = true
        connection?.end(into: &unsent)
    }

    /// Bytes that wait for the peer, of a channel with `waiting` ones.
    func backlog(_ waiting: Int) -> Int { unsent.count + (isEstablished ? waiting - sealedBytes : 0) }
}
