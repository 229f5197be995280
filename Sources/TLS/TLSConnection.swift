package import Base
internal import COpenSSL

/// One end of a TLS connection, without a socket: ciphertext comes in as it was read, and goes out into a buffer.
/// While nothing is under way it holds no buffer.
///
/// *Thread:* one at a time.
package struct TLSConnection: ~Copyable {
    private let ssl: OpaquePointer
    /// Keeps what the connection's callbacks point to.
    private let context: TLSContext
    private var handshakeBytes = 0
    /// Whether the handshake is done.
    package private(set) var isEstablished = false

    /// How the peer's side stands after what came in.
    package enum Standing: Equatable {
        case open
        /// The peer said that nothing more comes.
        case ended
        /// The connection is of no use any more; an alert may be among what is to be sent.
        case failed(TLSFailure)
    }

    /// Ciphertext that a handshake may take: certificates of clients aren't asked for.
    private static let handshakeBytesMax = 32 << 10
    private static let recordBytesMax = 16 << 10
    /// What a record has besides what is in it, at most.
    private static let recordOverhead = 64

    /// Room for what comes out of `byteCount` bytes, the rest of a record that began before included.
    package static func plainBytesMax(of byteCount: Int) -> Int { byteCount + 2 * recordBytesMax }

    init(_ context: TLSContext, isServer: Bool) {
        // Each of these fails only where no memory is left.
        guard let ssl = SSL_new(context.pointer), let bio = BIO_new(TLSTransfer.method) else {
            preconditionFailure("no memory for a TLS connection")
        }
        SSL_set_bio(ssl, bio, bio)
        if isServer { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
        self.ssl = ssl
        self.context = context
    }

    deinit { SSL_free(ssl) }

    /// Takes what came in, all of it.
    ///
    /// - Parameters:
    ///   - plain: where what was in it goes; ``plainBytesMax(of:)`` of the input fit in.
    ///   - output: where an answer goes that TLS itself gives.
    /// - Returns: how many plain bytes there are, also where they are the last ones.
    package mutating func open(
        _ input: UnsafeRawBufferPointer, into plain: UnsafeMutableRawBufferPointer, answering output: inout OutputBuffer
    ) -> (count: Int, Standing) {
        if !isEstablished {
            guard handshakeBytes <= TLSConnection.handshakeBytesMax else { return (0, .failed(.longHandshake)) }
            handshakeBytes += input.count
        }
        let ssl = ssl
        let result = withTransfer(input, &output) { transfer in
            var count = 0
            while true {
                let left = transfer.pointee.input.count
                let room = UnsafeMutableRawBufferPointer(rebasing: plain[count...])
                var read = 0
                let result = SSL_read_ex(ssl, room.baseAddress, room.count, &read)
                if result == 1 {
                    count += read
                    continue
                }
                switch SSL_get_error(ssl, result) {
                case SSL_ERROR_WANT_READ:
                    if transfer.pointee.input.isEmpty { return (count, Standing.open) }
                    // It stopped before the end without having taken anything: that would go on for ever.
                    if transfer.pointee.input.count == left { return (count, .failed(.last())) }
                case SSL_ERROR_ZERO_RETURN: return (count, .ended)
                default: return (count, .failed(.last()))
                }
            }
        }
        if !isEstablished { isEstablished = SSL_is_init_finished(ssl) == 1 }
        return result
    }

    /// Appends records with `plain` in them. Only once the handshake is done.
    package mutating func seal(
        _ plain: UnsafeRawBufferPointer, into output: inout OutputBuffer
    ) throws(TLSFailure) {
        guard plain.count > 0 else { return }
        let records = plain.count / TLSConnection.recordBytesMax + 1
        output.reserve(plain.count + records * TLSConnection.recordOverhead)
        let ssl = ssl
        let isWritten = withTransfer(UnsafeRawBufferPointer(start: nil, count: 0), &output) { _ in
            var written = 0
            return SSL_write_ex(ssl, plain.baseAddress, plain.count, &written) == 1 && written == plain.count
        }
        if !isWritten { throw .last() }
    }

    /// Appends that nothing more comes from this side. Not after a failure.
    package mutating func end(into output: inout OutputBuffer) {
        let ssl = ssl
        _ = withTransfer(UnsafeRawBufferPointer(start: nil, count: 0), &output) { _ in SSL_shutdown(ssl) }
    }

    /// Whether the handshake was short, by a ticket of an earlier connection.
    package var isResumed: Bool { SSL_session_reused(ssl) == 1 }

    /// The version that is spoken, such as `TLSv1.3`.
    package var version: String { String(cString: SSL_get_version(ssl)) }

    /// The protocol that was agreed on by ALPN.
    package var applicationProtocol: String {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    private func withTransfer<Value>(
        _ input: UnsafeRawBufferPointer, _ output: inout OutputBuffer,
        _ body: (UnsafeMutablePointer<TLSTransfer>) -> Value
    ) -> Value {
        withUnsafeMutablePointer(to: &output) { output in
            var transfer = TLSTransfer(input: input, output: output)
            return withUnsafeMutablePointer(to: &transfer) { transfer in
                let bio = SSL_get_rbio(ssl)
                BIO_set_data(bio, transfer)
                defer { BIO_set_data(bio, nil) }
                // SSL_get_error looks at the thread's queue, in which others may have left something.
                ERR_clear_error()
                return body(transfer)
            }
        }
    }
}
