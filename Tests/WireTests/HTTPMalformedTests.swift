import Base
import Testing
import Wire

/// What two readers could understand differently, and what nobody should: refused, however the stream is cut.
struct HTTPMalformedTests {
    @Test(
        arguments: [
            ("GET  / HTTP/1.1", 400), ("GET /  HTTP/1.1", 400), (" GET / HTTP/1.1", 400), ("GET / HTTP/1.1 ", 400),
            ("GET\t/ HTTP/1.1", 400), ("GET /", 400), ("GET", 400), ("GET / HTTP/1.1 x", 400), ("G@T / HTTP/1.1", 400),
            ("G\u{0}T / HTTP/1.1", 400), ("GET / http/1.1", 400), ("GET / HTTP/1", 400), ("GET / HTTP/11.1", 400),
            ("GET / HTTP/1.1\r", 400), ("GET / HTTP/ 1.1", 400), ("GET / HTTP/2.0", 505), ("GET / HTTP/0.9", 505),
            ("GET / HTTP/1.2", 505), ("PRI * HTTP/2.0", 505), ("GET * HTTP/1.1", 400), ("GET x HTTP/1.1", 400),
            ("GET h:80 HTTP/1.1", 400), ("GET /a#b HTTP/1.1", 400), ("GET /ü HTTP/1.1", 400),
            ("GET /\u{7F} HTTP/1.1", 400),
            ("GET /%zz HTTP/1.1", 400), ("GET /%4 HTTP/1.1", 400), ("GET /?a=% HTTP/1.1", 400),
            ("GET /%00 HTTP/1.1", 400),
            ("GET /%ff HTTP/1.1", 400), ("GET http:// HTTP/1.1", 400), ("GET http://u@h/ HTTP/1.1", 400),
            ("GET ftp://h/ HTTP/1.1", 400), ("\u{16}\u{3}\u{1}", 400),
        ] as [(String, UInt16)])
    func refusesRequestLines(_ line: String, _ expected: UInt16) {
        #expect(status("\(line)\r\nHost: h\r\n\r\n") == expected)
    }

    @Test(arguments: [
        "", "Host: h\r\nHost: h\r\n", "Host: a\r\nhost: b\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: a@b\r\n",
        "Host: a, b\r\n", "Host: ü\r\n", "Host : h\r\n", " Host: h\r\n", "Host: h\r\n X: folded\r\n",
        "Host: h\r\nX: a\r\n\tfolded\r\n", "Host: h\r\nX : a\r\n", "Host: h\r\nX\t: a\r\n", "Host: h\r\n: a\r\n",
        "Host: h\r\nX\r\n", "Host: h\r\nX Y: a\r\n", "Host: h\r\nX\u{0}: a\r\n", "Host: h\r\nX: a\u{0}b\r\n",
        "Host: h\r\nX: a\u{1}b\r\n", "Host: h\r\nX: a\u{7F}b\r\n", "Host: h\r\nX: a\rb\r\n", "Host: h\r\nX: a\r\r\n",
        "Host: h\r\nX: a\nY: b\r\n", "Host: h\nX: a\r\n", "Host: h\r\nX(y): a\r\n", "Host: h\r\nÜ: a\r\n",
        "Host: h\r\nX: \rContent-Length: 5\r\n", "\r: x\r\nHost: h\r\n",
    ])
    func refusesFields(_ fields: String) {
        #expect(status("GET / HTTP/1.1\r\n\(fields)\r\n") == 400)
    }

    @Test func refusesBareLineFeeds() {
        #expect(status("GET / HTTP/1.1\nHost: h\n\n") == 400)
        #expect(status("\n") == 400)
        #expect(status("GET / HTTP/1.1\r\nHost: h\r\n\n") == 400)
        #expect(status("GET / HTTP/1.1\r\nHost: h\r\n\r\r\n") == 400)
    }

    @Test(
        arguments: [
            ("Content-Length: 1\r\nContent-Length: 1\r\n", 400), ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
            ("Content-Length: 1, 1\r\n", 400), ("Content-Length: +1\r\n", 400), ("Content-Length: -1\r\n", 400),
            ("Content-Length: 0x1\r\n", 400), ("Content-Length: 1 1\r\n", 400), ("Content-Length:\r\n", 400),
            ("Content-Length: 1.0\r\n", 400), ("Content-Length: 1_0\r\n", 400), ("Content-Length: ١\r\n", 400),
            ("Content-Length: 99999999999999999999999999\r\n", 413), ("Content-Length: 18446744073709551617\r\n", 413),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
            ("Transfer-Encoding: chunked\r\ncontent-length: 0\r\n", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
            ("Transfer-Encoding: chunked, chunked\r\n", 501), ("Transfer-Encoding: gzip, chunked\r\n", 501),
            ("Transfer-Encoding: identity\r\n", 501), ("Transfer-Encoding: xchunked\r\n", 501),
            ("Transfer-Encoding: \"chunked\"\r\n", 501), ("Transfer-Encoding: chunked;q=1\r\n", 501),
            ("Transfer-Encoding:\r\n", 501), ("Transfer-Encoding: \u{B}chunked\r\n", 400),
            ("Transfer-Encoding : chunked\r\n", 400), ("Transfer-Encoding\u{0}: chunked\r\n", 400),
            ("X: y\r\n Transfer-Encoding: chunked\r\n", 400),
        ] as [(String, UInt16)])
    func refusesAmbiguousLengths(_ fields: String, _ expected: UInt16) {
        #expect(status("POST / HTTP/1.1\r\nHost: h\r\n\(fields)\r\n0\r\n\r\n") == expected)
    }

    @Test func refusesChunksInHTTP10() {
        #expect(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 400)
    }

    @Test(
        arguments: [
            ("\r\n", 400), ("g\r\n", 400), ("-1\r\n", 400), ("+1\r\n", 400), ("0x1\r\nx\r\n", 400),
            (" 1\r\nx\r\n", 400),
            ("1 \r\nx\r\n", 400), ("1 x\r\nx\r\n", 400), ("1,\r\nx\r\n", 400), (";a\r\n", 400), ("1\nx\r\n", 400),
            ("1\r\nxy\r\n", 400), ("1\r\nx\n0\r\n\r\n", 400), ("1\r\nx0\r\n\r\n", 400), ("2\r\nx\r\n0\r\n\r\n", 400),
            ("1;a\u{0}\r\n", 400), ("1;a\rb\r\n", 400), ("0\r\n folded: x\r\n\r\n", 400), ("0\r\nbad\r\n\r\n", 400),
            ("0\r\n\n", 400), ("FFFFFFFFFFFFFFFF\r\n", 413), ("10000000000000000\r\n", 413),
            ("100000000000000000000000000000001\r\n", 413), ("8000000000000000\r\n", 413),
            ("7fffffffffffffff\r\n", 413),
        ] as [(String, UInt16)])
    func refusesChunks(_ chunks: String, _ expected: UInt16) {
        #expect(status("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)") == expected)
    }

    @Test(arguments: [(-1, nil), (0, nil), (1, 400)] as [(Int, UInt16?)])
    func limitsChunkLines(_ extra: Int, _ expected: UInt16?) {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        let padding = String(repeating: "e", count: 1_024 - "1;\r\n".utf8.count + extra)
        #expect(status("\(head)1;\(padding)\r\nx\r\n0\r\n\r\n") == expected)
        let zeros = String(repeating: "0", count: 1_024 - "1\r\n".utf8.count + extra)
        #expect(status("\(head)\(zeros)1\r\nx\r\n0\r\n\r\n") == expected)
    }

    @Test func replacesWhatIsNotUTF8InValues() {
        let stream = Array("GET / HTTP/1.0\r\nX: a".utf8) + [0xE9] + Array("b\r\n\r\n".utf8)
        guard case .request(let request)? = decodeHTTP([stream])?.first else {
            Issue.record("no request")
            return
        }
        #expect(request.headers.first("x") == "a\u{FFFD}b")
    }

    @Test func ignoresWhatFollowsAFailure() {
        let stream = Array("BAD\r\nGET / HTTP/1.0\r\n\r\n".utf8)
        for pieces in waysToCut(stream) { #expect(decodeHTTP(pieces)?.count == 1) }
    }

    /// Every byte in a value, a name and the target.
    @Test func checksEveryByte() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max {
            func fails(_ before: String, _ after: String) -> Bool {
                guard let events = decodeHTTP([Array(before.utf8) + [byte] + Array(after.utf8)]) else { return false }
                guard case .failure? = events.first else { return false }
                return true
            }
            let isText = byte >= 0x20 && byte != 0x7F || byte == 0x09
            #expect(fails("GET / HTTP/1.0\r\nX: a", "b\r\n\r\n") == !isText, "\(byte)")
            let isNameOrColon = tokens.contains(byte) || byte == UInt8(ascii: ":")
            #expect(fails("GET / HTTP/1.0\r\nX", "Y: b\r\n\r\n") == !isNameOrColon, "\(byte)")
            let isTarget = byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#") && byte != UInt8(ascii: "%")
            #expect(fails("GET /", "y HTTP/1.0\r\n\r\n") == !isTarget, "\(byte)")
        }
    }
}
