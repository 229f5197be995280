internal import Glibc
package import Reactor

/// A single blocking HTTP request, for what a scenario needs beside its load.
package enum HTTPCall {
    /// The status and the body of the answer. Throws if nobody answers within five seconds.
    package static func send(
        _ method: String, _ path: String, to address: SocketAddress, bearer: String? = nil, json: String? = nil
    ) throws -> (status: Int, body: String) {
        var request = "\(method) \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n"
        if let bearer { request += "Authorization: Bearer \(bearer)\r\n" }
        if let json { request += "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n" }
        request += "\r\n" + (json ?? "")
        let answer = try exchange(request, address)
        guard let end = answer.firstRange(of: "\r\n\r\n"), answer.hasPrefix("HTTP/1.1 "),
            let status = Int(answer.dropFirst(9).prefix(3))
        else { throw BenchError("\(method) \(path): no answer of HTTP") }
        return (status, String(answer[end.upperBound...]))
    }

    private static func exchange(_ request: String, _ address: SocketAddress) throws -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError("no socket for HTTP") }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = address.port.bigEndian
        guard inet_pton(AF_INET, address.host, &peer.sin_addr) == 1 else {
            throw BenchError("\(address) is no IPv4 address")
        }
        let connected = withUnsafePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw BenchError("nobody listens on \(address)") }
        var rest = Array(request.utf8)[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw BenchError("\(address) takes no request") }
            rest = rest.dropFirst(sent)
        }
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count >= 0 else { throw BenchError("\(address) doesn't answer") }
            if count == 0 { return String(decoding: answer, as: UTF8.self) }
            answer.append(contentsOf: piece[..<count])
        }
    }
}
