import Base
import Testing
import Wire

/// RFC 9112. Every stream is also fed in pieces, cut at every byte.
struct HTTPRequestDecoderTests {
    private func expect(
        _ text: String, _ expected: [HTTPRequestEvent], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for pieces in waysToCut(Array(text.utf8)) {
            let events = decodeHTTP(pieces)
            #expect(events == expected, "\(pieces.map(\.count))", sourceLocation: sourceLocation)
        }
    }

    private func request(
        _ method: HTTPMethod, _ target: String, _ fields: KeyValuePairs<String, String> = ["Host": "h"],
        body: String = "", isHTTP10: Bool = false, keepAlive: Bool = true
    ) throws -> HTTPRequestEvent {
        var headers = HTTPHeaders()
        for (name, value) in fields { try headers.add(name, value) }
        return .request(
            HTTPRequest(
                method: method, target: try HTTPTarget(target, method: method), headers: headers,
                body: Array(body.utf8), isHTTP10: isHTTP10, keepAlive: keepAlive))
    }

    @Test func decodesRequests() throws {
        expect("GET / HTTP/1.1\r\nHost: h\r\n\r\n", [try request(.get, "/")])
        expect(
            "GET /a?b=c HTTP/1.1\r\nhOST:h\r\nX-Empty:\r\nX-Blank:\t  v w \t\r\n\r\n",
            [try request(.get, "/a?b=c", ["hOST": "h", "X-Empty": "", "X-Blank": "v w"])])
        expect("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", [try request(.options, "*")])
        expect("GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n", [try request(.get, "http://h/x")])
        expect("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", [try request(.get, "/")])
        expect("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", [try request(.get, "/", ["Host": "[::1]:8080"])])
        expect("GET / HTTP/1.1\r\nHost:\r\n\r\n", [try request(.get, "/", ["Host": ""])])
    }

    @Test func decodesEveryMethodAndNoOther() throws {
        for method in [HTTPMethod.get, .head, .post, .put, .patch, .delete, .options] {
            expect("\(method.rawValue) / HTTP/1.1\r\nHost: h\r\n\r\n", [try request(method, "/")])
        }
        for method in ["get", "TRACE", "CONNECT", "BREW", "G"] {
            #expect(status("\(method) / HTTP/1.1\r\nHost: h\r\n\r\n") == 501)
        }
    }

    @Test func decodesBodies() throws {
        expect(
            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            [try request(.post, "/x", ["Host": "h", "Content-Length": "5"], body: "hello")])
        expect(
            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 000\r\n\r\n",
            [try request(.post, "/x", ["Host": "h", "Content-Length": "000"])])
        let chunked: KeyValuePairs = ["Host": "h", "Transfer-Encoding": "Chunked"]
        let head = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
        expect(head + "0\r\n\r\n", [try request(.post, "/x", chunked)])
        expect(
            head + "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n",
            [try request(.post, "/x", chunked, body: "abc0123456789")])
        expect(
            head + "1;a=b\r\nx\r\n1 \t;q=\"z\"\r\ny\r\n0;last\r\nTrailer: dropped\r\nOther: too\r\n\r\n",
            [try request(.post, "/x", chunked, body: "xy")])
    }

    @Test func decodesPipelines() throws {
        let get = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
        let post = "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
        let chunked = "PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n"
        let events = [
            try request(.get, "/1"), try request(.post, "/2", ["Host": "h", "Content-Length": "2"], body: "ab"),
            try request(.put, "/3", ["Host": "h", "Transfer-Encoding": "chunked"], body: "c"),
        ]
        expect(get + post + chunked + get, events + [events[0]])
    }

    @Test func endsWhatDoesNotGoOn() throws {
        let close: KeyValuePairs = ["Host": "h", "Connection": "x, CLOSE"]
        expect(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            [try request(.get, "/", close, keepAlive: false)])
        expect("GET / HTTP/1.0\r\n\r\nrest", [try request(.get, "/", [:], isHTTP10: true, keepAlive: false)])
        expect(
            "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
            [try request(.get, "/", ["Host": "h", "Connection": "keep-alive"], isHTTP10: true, keepAlive: false)])
    }

    @Test func asksForContinue() throws {
        let fields: KeyValuePairs = ["Host": "h", "Content-Length": "2", "Expect": "100-Continue"]
        expect(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\nab",
            [.expectContinue, try request(.post, "/", fields, body: "ab")])
        expect(
            "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
            [try request(.get, "/", ["Host": "h", "Expect": "100-continue"])])
        expect(
            "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",
            [
                try request(
                    .post, "/", ["Content-Length": "1", "Expect": "100-continue"], body: "a", isHTTP10: true,
                    keepAlive: false)
            ])
        #expect(status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: x\r\n\r\n") == 417)
    }

    @Test func leavesTheFirstFrameBehindAnUpgrade() {
        let head = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        let stream = Array(head.utf8) + [0x81, 0x80, 1, 2, 3, 4]
        for cut in 0..<head.utf8.count {
            var decoder = HTTPRequestDecoder()
            var offset = 0
            let first = decoder.next(stream.span.bytes.extracting(first: cut), &offset)
            #expect(first == .needMore && offset == cut)
            offset = 0
            let second = decoder.next(stream.span.bytes.extracting(droppingFirst: cut), &offset)
            guard case .request = second else {
                Issue.record("no request")
                continue
            }
            #expect(offset == head.utf8.count - cut)
        }
    }

    @Test func isIdleBetweenRequests() {
        var decoder = HTTPRequestDecoder()
        let bytes = Array("GET / HTTP/1.1\r\nHost: h\r\n\r\nG".utf8)
        var offset = 0
        _ = decoder.next(bytes.span.bytes, &offset)
        let isIdle = decoder.isIdle
        #expect(isIdle)
        _ = decoder.next(bytes.span.bytes, &offset)
        let isWaiting = !decoder.isIdle
        #expect(isWaiting)
    }

    // Limits: one under, at and one over.

    @Test func limitsRequestLines() {
        func line(_ count: Int) -> String {
            "GET /\(String(repeating: "a", count: count - "GET / HTTP/1.0\r\n".utf8.count)) HTTP/1.0\r\n"
        }
        let most = Limits.httpHeadBytesMax
        #expect(status(line(most - 3) + "\r\n") == nil)
        #expect(status(line(most - 2) + "\r\n") == nil)
        #expect(status(line(most - 1) + "\r\n") == 431)
        #expect(status(line(most)) == 431)
        #expect(status(line(most + 1)) == 414)
        #expect(status(String(repeating: "G", count: most - 1)) == nil)
        #expect(status(String(repeating: "G", count: most)) == 414)
    }

    @Test(arguments: [(-1, nil), (0, nil), (1, 431)] as [(Int, UInt16?)])
    func limitsHeads(_ extra: Int, _ expected: UInt16?) {
        let fixed = "GET / HTTP/1.0\r\nX: \r\n\r\n".utf8.count
        let value = String(repeating: "v", count: Limits.httpHeadBytesMax - fixed + extra)
        #expect(status("GET / HTTP/1.0\r\nX: \(value)\r\n\r\n") == expected)
        let trailer = String(repeating: "v", count: Limits.httpHeadBytesMax - "X: \r\n\r\n".utf8.count + extra)
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        #expect(status("\(head)X: \(trailer)\r\n\r\n") == expected)
    }

    @Test(arguments: [(-1, nil), (0, nil), (1, 431)] as [(Int, UInt16?)])
    func limitsFields(_ extra: Int, _ expected: UInt16?) {
        let fields = String(repeating: "a: b\r\n", count: Limits.httpHeadersMax + extra)
        #expect(status("GET / HTTP/1.0\r\n\(fields)\r\n") == expected)
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        #expect(status("\(head)\(fields)\r\n") == expected)
    }

    @Test(arguments: [(-1, nil), (0, nil), (1, 413)] as [(Int, UInt16?)])
    func limitsBodies(_ extra: Int, _ expected: UInt16?) {
        let size = Limits.httpBodyBytesMax + extra
        let head = "POST / HTTP/1.1\r\nHost: h\r\n"
        #expect(status("\(head)Content-Length: \(size)\r\n\r\n") == expected)
        #expect(status("\(head)Content-Length: \(size)\r\nExpect: 100-continue\r\n\r\n") == expected)
        let hex = String(size - 1, radix: 16)
        #expect(status("\(head)Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n\(hex)\r\n") == expected)
        let body = [UInt8](repeating: 0x62, count: size)
        let stream = Array("\(head)Content-Length: \(size)\r\n\r\n".utf8) + body
        let events = decodeHTTP([Array(stream[..<1_000]), Array(stream[1_000...])])
        guard case .request(let request)? = events?.first else {
            #expect(expected == 413)
            return
        }
        #expect(request.body == body && expected == nil)
    }
}

/// The status of the first failure, after checking that every way to cut the stream gives the same events.
func status(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) -> UInt16? {
    status(Array(text.utf8), sourceLocation: sourceLocation)
}

func status(_ stream: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) -> UInt16? {
    let whole = decodeHTTP([stream])
    let ways = stream.count <= 600 ? waysToCut(stream) : waysToCut(stream).suffix(20)
    for pieces in ways {
        let events = decodeHTTP(pieces)
        #expect(events != nil && events == whole, "\(pieces.map(\.count))", sourceLocation: sourceLocation)
    }
    for case .failure(let failure)? in whole ?? [] { return failure.status.rawValue }
    return nil
}
