internal import Base
internal import Glibc
internal import Reactor
internal import TLS

/// A connected socket that blocks, for single requests; through TLS where that is spoken.
struct BlockingStream: ~Copyable {
    private let descriptor: Int32
    private let address: SocketAddress
    private var tls: TLSConnection?
    private var unsent = OutputBuffer()

    private static let readBytes = 16 << 10

    /// Connects to an address of IPv4. Each wait has `seconds`.
    init(to address: SocketAddress, security: ClientTLS?, seconds: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.address = address
        guard descriptor >= 0 else { throw BenchError("no socket for HTTP") }
        var patience = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = address.port.bigEndian
        guard inet_pton(AF_INET, address.host, &peer.sin_addr) == 1 else {
            throw BenchError("\(address) is no IPv4 address")
        }
        let descriptor = descriptor
        let connected = withUnsafePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw BenchError("nobody listens on \(address)") }
        guard let security else { return }
        tls = security.connect()
        var input: [UInt8] = []
        repeat {
            _ = try open(input)
            try sendUnsent()
            if tls?.isEstablished == true { return }
            input = try read()
        } while !input.isEmpty
        throw BenchError("\(address) speaks no TLS")
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Sends all of it.
    mutating func send(_ bytes: [UInt8]) throws {
        if tls == nil {
            bytes.withUnsafeBytes { unsent.append($0) }
        } else {
            try bytes.withUnsafeBytes { try tls?.seal($0, into: &unsent) }
        }
        try sendUnsent()
    }

    /// Everything until the peer ends its side.
    mutating func receiveAll() throws -> [UInt8] {
        var received: [UInt8] = []
        while true {
            let piece = try read()
            if piece.isEmpty { return received }
            received += tls == nil ? piece : try open(piece)
        }
    }

    private mutating func open(_ bytes: [UInt8]) throws -> [UInt8] {
        var plain = [UInt8](repeating: 0, count: TLSConnection.plainBytesMax(of: bytes.count))
        let result = plain.withUnsafeMutableBytes { plain in
            bytes.withUnsafeBytes { tls?.open($0, into: plain, answering: &unsent) }
        }
        guard let result else { return [] }
        if case .failed(let failure) = result.1 { throw BenchError("TLS with \(address): \(failure)") }
        return Array(plain[..<result.count])
    }

    private mutating func sendUnsent() throws {
        while !unsent.isEmpty {
            let bytes = unsent.unsafeBytes
            let sent = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            guard sent > 0 else { throw BenchError("\(address) takes no request") }
            unsent.discardFirst(sent)
        }
    }

    private func read() throws -> [UInt8] {
        var piece = [UInt8](repeating: 0, count: BlockingStream.readBytes)
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count >= 0 else { throw BenchError("\(address) doesn't answer") }
        return Array(piece[..<count])
    }
}
