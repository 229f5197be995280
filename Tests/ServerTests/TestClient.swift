import Base
import Glibc
import Testing
import Wire

/// A blocking connection to a server in this process; gives up after ten seconds.
final class TestClient {
    private let descriptor: Int32
    private var unread: [UInt8] = []

    struct GivenUp: Error {
        let unread: String
    }

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw GivenUp(unread: "not connected") }
    }

    deinit { close(descriptor) }

    /// Ends this side only.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        #expect(Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }

    /// Reads until `body` makes something of the unread bytes and says how many of them it used.
    func read<Value>(_ body: (inout [UInt8]) throws -> Value?) throws -> Value {
        while true {
            if let value = try body(&unread) { return value }
            var piece = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { throw GivenUp(unread: String(decoding: unread, as: UTF8.self)) }
            unread += piece[..<count]
        }
    }

    /// Whether the server has ended the connection, and sent nothing more before.
    func isAtEnd() -> Bool {
        guard unread.isEmpty else { return false }
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, 0) == 0
    }

    // MARK: HTTP

    struct Response {
        var status: Int
        var head: String
        var body: String
    }

    /// The next response; `isHead`: of a request that gets no body.
    func response(isHead: Bool = false) throws -> Response {
        try read { unread in
            let text = String(decoding: unread, as: UTF8.self)
            guard let end = text.firstRange(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
                return nil
            }
            let head = String(text[..<end.lowerBound])
            let length = head.split(separator: "\r\n").lazy
                .compactMap { $0.hasPrefix("Content-Length: ") ? Int($0.dropFirst(16)) : nil }.first ?? 0
            let bodyStart = head.utf8.count + 4
            let bodyCount = isHead ? 0 : length
            guard unread.count >= bodyStart + bodyCount else { return nil }
            let body = String(decoding: unread[bodyStart..<bodyStart + bodyCount], as: UTF8.self)
            unread.removeFirst(bodyStart + bodyCount)
            return Response(status: status, head: head, body: body)
        }
    }

    /// Sends a request on a connection that goes on, and reads the answer.
    func request(_ method: String, _ target: String, json: String? = nil, bearer: String? = nil) throws -> Response {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: test\r\n"
        if let bearer { text += "Authorization: Bearer \(bearer)\r\n" }
        if let json { text += "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n" }
        send(text + "\r\n" + (json ?? ""))
        return try response(isHead: method == "HEAD")
    }

    // MARK: WebSocket

    /// Upgrades; frames of the client that go out with the request may be given.
    func upgrade(_ target: String, sending texts: [String] = []) throws {
        let key = WebSocketHandshake.key(random: (1, 2))
        var output = OutputBuffer()
        WebSocketHandshake.writeRequest(to: &output, host: "test", target: target, key: key)
        for text in texts { TestClient.append(text, to: &output) }
        send(Array(output.unsafeBytes))
        try read { (unread: inout [UInt8]) -> Void? in
            guard let length = try WebSocketHandshake.checkResponse(unread.span.bytes, key: key) else { return nil }
            unread.removeFirst(length)
            return ()
        }
    }

    func sendText(_ text: String) {
        var output = OutputBuffer()
        TestClient.append(text, to: &output)
        send(Array(output.unsafeBytes))
    }

    private static func append(_ text: String, to output: inout OutputBuffer) {
        let bytes = Array(text.utf8)
        output.appendMaskedFrame(.text, bytes.span.bytes, key: 0x1234_5678)
    }

    enum Frame: Equatable {
        case text(String)
        case close(UInt16?)
    }

    /// The next message or close frame.
    func frame() throws -> Frame {
        try read { unread in
            // Frames of a server have no mask, so decoding leaves the bytes as they are until they are whole.
            var decoder = WebSocketDecoder(role: .client)
            var offset = 0
            var bytes = unread
            let event = bytes.withUnsafeMutableBytes { bytes in
                var span = MutableRawSpan(_unsafeBytes: bytes)
                return decoder.next(&span, &offset)
            }
            switch event {
            case .message(.text, let range):
                let text = String(decoding: unread[range], as: UTF8.self)
                unread.removeFirst(offset)
                return .text(text)
            case .close(let code, _):
                unread.removeFirst(offset)
                return .close(code)
            default: return nil
            }
        }
    }

    /// The next message, which must have all of `parts` in it.
    func text(with parts: String...) throws -> String {
        guard case .text(let text) = try frame() else { throw GivenUp(unread: "a close frame") }
        for part in parts { #expect(text.contains(part), "\(text)") }
        return text
    }
}
