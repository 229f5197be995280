package import Reactor
package import TLS

/// A single blocking HTTP request, for what a scenario needs beside its load.
package enum HTTPCall {
    private static let patienceSeconds = 5

    /// The status and the body of the answer. Throws if nobody answers within five seconds.
    package static func send(
        _ method: String, _ path: String, to address: SocketAddress, security: ClientTLS? = nil, bearer: String? = nil,
        json: String? = nil
    ) throws -> (status: Int, body: String) {
        var request = "\(method) \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n"
        if let bearer { request += "Authorization: Bearer \(bearer)\r\n" }
        if let json { request += "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n" }
        request += "\r\n" + (json ?? "")
        var stream = try BlockingStream(to: address, security: security, seconds: patienceSeconds)
        try stream.send(Array(request.utf8))
        let answer = String(decoding: try stream.receiveAll(), as: UTF8.self)
        guard let end = answer.firstRange(of: "\r\n\r\n"), answer.hasPrefix("HTTP/1.1 "),
            let status = Int(answer.dropFirst(9).prefix(3))
        else { throw BenchError("\(method) \(path): no answer of HTTP") }
        return (status, String(answer[end.upperBound...]))
    }
}
