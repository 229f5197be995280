package import Base
import COpenSSL

/// The opening handshake of RFC 6455, section 4, for both sides.
package enum WebSocketHandshake {
    /// Whether the client asks for an upgrade to WebSocket at all, well or badly.
    package static func isUpgrade(_ request: HTTPRequest) -> Bool {
        request.headers.list("Upgrade", has: "websocket")
    }

    /// Checks an upgrade request; returns the answer, `101` with the accept value, to which a chosen subprotocol may be
    /// added.
    ///
    /// Errors: 400 with what is wrong; 426 for another version than 13 and for a request without `Upgrade: websocket`.
    /// A 426 must be sent with `refusal(_:)`, which names the version.
    package static func accept(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse {
        guard request.method == .get else { throw HTTPFailure(.badRequest, "upgrade must be a GET") }
        guard !request.isHTTP10 else { throw HTTPFailure(.badRequest, "upgrade needs HTTP/1.1") }
        guard request.headers.list("Upgrade", has: "websocket") else {
            throw HTTPFailure(.upgradeRequired, "WebSocket endpoint")
        }
        guard request.headers.list("Connection", has: "upgrade") else {
            throw HTTPFailure(.badRequest, "Connection lacks upgrade")
        }
        guard request.body.isEmpty else { throw HTTPFailure(.badRequest, "upgrade with a body") }
        let versions = request.headers.all("Sec-WebSocket-Version")
        guard versions.count == 1, versions[0] == "13" else {
            throw HTTPFailure(.upgradeRequired, "only WebSocket version 13 is spoken here")
        }
        let keys = request.headers.all("Sec-WebSocket-Key")
        guard keys.count == 1, isKey(keys[0]) else { throw HTTPFailure(.badRequest, "invalid Sec-WebSocket-Key") }
        var headers = HTTPHeaders()
        headers.add(trusted: "Upgrade", "websocket")
        headers.add(trusted: "Connection", "Upgrade")
        headers.add(trusted: "Sec-WebSocket-Accept", acceptValue(key: keys[0]))
        return HTTPResponse(.switchingProtocols, headers: headers)
    }

    /// The response to a request that `accept` refused.
    package static func refusal(_ failure: HTTPFailure) -> HTTPResponse {
        var headers = HTTPHeaders()
        if failure.status == .upgradeRequired {
            headers.add(trusted: "Upgrade", "websocket")
            headers.add(trusted: "Connection", "Upgrade")
            headers.add(trusted: "Sec-WebSocket-Version", "13")
        }
        headers.add(trusted: "Content-Type", "text/plain; charset=utf-8")
        return HTTPResponse(failure.status, headers: headers, body: Array((failure.reason + "\n").utf8))
    }

    /// The accept value that belongs to a key: base64 of the SHA-1 of key and GUID (RFC 6455, section 4.2.2).
    package static func acceptValue(key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: 20)
        let result = EVP_Digest(text, text.count, &digest, nil, EVP_sha1(), nil)
        precondition(result == 1, "no SHA-1 in this OpenSSL")
        return base64(digest)
    }

    /// A key for `writeRequest`, from 16 bytes that the caller drew at random.
    package static func key(random: (UInt64, UInt64)) -> String {
        var bytes: [UInt8] = []
        for word in [random.0, random.1] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return base64(bytes)
    }

    /// Appends a client's upgrade request. Traps if host or target have a control character or a space.
    package static func writeRequest(
        to output: inout OutputBuffer, host: String, target: String, key: String, headers: HTTPHeaders = HTTPHeaders()
    ) {
        precondition((host + target).utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        output.append("GET ")
        output.append(utf8: target)
        output.append(" HTTP/1.1\r\nHost: ")
        output.append(utf8: host)
        output.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
        output.append("Sec-WebSocket-Key: ")
        output.append(utf8: key)
        output.append("\r\n")
        output.append(headers)
        output.append("\r\n")
    }

    /// Checks the server's answer to `writeRequest` with `key`; returns its length, behind which frames begin, or nil
    /// if `bytes`, which begin with it, don't hold it whole.
    ///
    /// Errors: `HTTPFailure` with the status the server gave if that isn't 101, or with 502 if the answer is malformed,
    /// larger than a head may be, or doesn't accept the key.
    package static func checkResponse(_ bytes: RawSpan, key: String) throws(HTTPFailure) -> Int? {
        let text = bytes.extracting(first: Limits.httpHeadBytesMax).withUnsafeBytes { Array($0) }
        guard let length = headLength(text) else {
            if text.count == Limits.httpHeadBytesMax { throw HTTPFailure(.badGateway, "head too large") }
            return nil
        }
        let lines = text[..<(length - 4)].split(separator: 0x0A).map { line in
            Array(line.last == 0x0D ? line.dropLast() : line)
        }
        guard let statusLine = lines.first, statusLine.count >= 12, statusLine.starts(with: "HTTP/1.1 ".utf8),
            let status = UInt16(String(decoding: statusLine[9..<12], as: UTF8.self))
        else { throw HTTPFailure(.badGateway, "malformed status line") }
        guard status == 101 else { throw HTTPFailure(HTTPStatus(rawValue: status), "upgrade refused") }
        var headers = HTTPHeaders()
        for line in lines.dropFirst() {
            guard let field = try? HTTPHead.field(line) else {
                throw HTTPFailure(.badGateway, "malformed header field")
            }
            headers.add(trusted: field.name, field.value)
        }
        guard headers.list("Upgrade", has: "websocket"), headers.list("Connection", has: "upgrade"),
            headers.all("Sec-WebSocket-Accept") == [acceptValue(key: key)]
        else { throw HTTPFailure(.badGateway, "key not accepted") }
        return length
    }

    /// Bytes up to and with the empty line.
    private static func headLength(_ text: [UInt8]) -> Int? {
        guard text.count >= 4 else { return nil }
        for index in 3..<text.count where text[index] == 0x0A {
            if text[index - 1] == 0x0D && text[index - 2] == 0x0A && text[index - 3] == 0x0D { return index + 1 }
        }
        return nil
    }

    /// Whether `key` is the base64 of exactly 16 bytes: 22 letters and two signs of padding.
    private static func isKey(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        guard bytes.count == 24, bytes[22] == UInt8(ascii: "="), bytes[23] == UInt8(ascii: "=") else { return false }
        return bytes[..<22].allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                true
            default: false
            }
        }
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        var encoded = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        let count = EVP_EncodeBlock(&encoded, bytes, Int32(bytes.count))
        return String(decoding: encoded[..<Int(count)], as: UTF8.self)
    }
}
