import Base
import Testing
import Wire

/// RFC 6455, section 4.
struct WebSocketHandshakeTests {
    private let key = "dGhlIHNhbXBsZSBub25jZQ=="
    private var fields: [String: String] {
        [
            "Host": "h", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        ]
    }

    private func request(_ fields: [String: String], line: String = "GET /ws HTTP/1.1", more: String = "")
        -> HTTPRequest?
    {
        let lines = fields.map { "\($0): \($1)\r\n" }.joined()
        guard case .request(let request)? = decodeHTTP([Array("\(line)\r\n\(lines)\(more)\r\n".utf8)])?.first else {
            return nil
        }
        return request
    }

    /// 0 of a request that is accepted.
    private func refusal(_ request: HTTPRequest?) throws -> UInt16 {
        let request = try #require(request)
        do throws(HTTPFailure) {
            let response = try WebSocketHandshake.accept(request)
            return response.status == .switchingProtocols ? 0 : 1
        } catch {
            return error.status.rawValue
        }
    }

    @Test func computesTheExampleOfTheRFC() throws {
        #expect(WebSocketHandshake.acceptValue(key: key) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        let response = try WebSocketHandshake.accept(try #require(request(fields)))
        var output = OutputBuffer()
        response.write(to: &output, keepAlive: true)
        #expect(
            String(decoding: output.unsafeBytes, as: UTF8.self)
                == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    }

    @Test(
        arguments: [
            ("Upgrade", nil, 426), ("Upgrade", "h2c", 426), ("Upgrade", "WebSocket", 0),
            ("Upgrade", "h2c, websocket", 0),
            ("Upgrade", "websocketx", 426), ("Connection", nil, 400), ("Connection", "keep-alive", 400),
            ("Connection", "UPGRADE", 0), ("Connection", "xupgrade", 400), ("Sec-WebSocket-Version", nil, 426),
            ("Sec-WebSocket-Version", "8", 426), ("Sec-WebSocket-Version", "013", 426),
            ("Sec-WebSocket-Version", "13, 8", 426), ("Sec-WebSocket-Key", nil, 400), ("Sec-WebSocket-Key", "", 400),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=", 400),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ===", 400),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZWE=", 400),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ===", 400),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZS-ub25jZQ==", 400),
            ("Sec-WebSocket-Key", "dGhl IHNhbXBsZSBub25jZQ", 400),
        ] as [(String, String?, UInt16)])
    func checksFields(_ name: String, _ value: String?, _ expected: UInt16) throws {
        var changed = fields
        changed[name] = value
        #expect(try refusal(request(changed)) == expected)
    }

    @Test func checksTheRequest() throws {
        #expect(try refusal(request(fields, line: "GET /ws HTTP/1.0")) == 400)
        #expect(try refusal(request(fields, line: "POST /ws HTTP/1.1")) == 400)
        #expect(try refusal(request(fields, more: "Sec-WebSocket-Key: \(key)\r\n")) == 400)
        #expect(try refusal(request(fields, more: "Sec-WebSocket-Version: 13\r\n")) == 426)
        #expect(try refusal(request(fields, more: "Sec-WebSocket-Protocol: chat\r\n")) == 0)
        #expect(WebSocketHandshake.isUpgrade(try #require(request(fields))))
        #expect(!WebSocketHandshake.isUpgrade(try #require(request(["Host": "h"]))))
    }

    @Test func namesTheVersionInARefusal() {
        let response = WebSocketHandshake.refusal(HTTPFailure(.upgradeRequired, "x"))
        #expect(response.headers.all("Sec-WebSocket-Version") == ["13"])
        #expect(response.headers.first("Upgrade") == "websocket" && response.headers.first("Connection") == "Upgrade")
        #expect(WebSocketHandshake.refusal(HTTPFailure(.badRequest, "x")).headers.first("Sec-WebSocket-Version") == nil)
    }

    @Test func clientAndServerAgree() throws {
        let key = WebSocketHandshake.key(random: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908))
        #expect(key == "AAECAwQFBgcICQoLDA0ODw==")
        var output = OutputBuffer()
        var extra = HTTPHeaders()
        try extra.add("Authorization", "Bearer t")
        WebSocketHandshake.writeRequest(to: &output, host: "h:1", target: "/chat?id=u", key: key, headers: extra)
        guard case .request(let request)? = decodeHTTP([Array(output.unsafeBytes)])?.first else {
            Issue.record("no request")
            return
        }
        #expect(request.query("id") == "u" && request.headers.first("Authorization") == "Bearer t")
        var answer = OutputBuffer()
        try WebSocketHandshake.accept(request).write(to: &answer, keepAlive: true)
        let bytes = Array(answer.unsafeBytes)
        for count in 0..<bytes.count {
            #expect(try WebSocketHandshake.checkResponse(Array(bytes[..<count]), key: key) == nil)
        }
        #expect(try WebSocketHandshake.checkResponse(bytes + [0x81, 0], key: key) == bytes.count)
        #expect(throws: HTTPFailure.self) { try WebSocketHandshake.checkResponse(bytes, key: self.key) }
    }

    @Test(
        arguments: [
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", 401), ("HTTP/1.1 101 X\r\n\r\n", 502),
            ("HTTP/1.0 101 X\r\n\r\n", 502),
            ("nonsense\r\n\r\n", 502), ("HTTP/1.1 101 X\r\nbad\r\n\r\n", 502),
        ] as [(String, UInt16)])
    func refusesAnswers(_ text: String, _ expected: UInt16) {
        let failure = #expect(throws: HTTPFailure.self) {
            try WebSocketHandshake.checkResponse(Array(text.utf8), key: key)
        }
        #expect(failure?.status.rawValue == expected)
    }

    @Test func refusesAnEndlessAnswer() {
        let text = [UInt8](repeating: 0x61, count: Limits.httpHeadBytesMax)
        #expect(throws: HTTPFailure.self) { try WebSocketHandshake.checkResponse(text, key: key) }
        #expect(throws: Never.self) { try WebSocketHandshake.checkResponse(Array(text.dropLast()), key: key) }
    }
}
