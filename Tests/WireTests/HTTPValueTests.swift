import Base
import Testing
import Wire

/// Targets, header fields, cookies and responses.
struct HTTPValueTests {
    private func target(_ raw: String) throws -> HTTPTarget { try HTTPTarget(raw, method: .get) }

    @Test(
        arguments: [
            ("/", []), ("/a", ["a"]), ("/a/", ["a", ""]), ("//", ["", ""]), ("/a/b/c", ["a", "b", "c"]),
            ("/a%2Fb/c%20d", ["a/b", "c d"]), ("/a+b", ["a+b"]), ("/%E2%82%AC", ["€"]), ("/..", [".."]), ("/?x", []),
            ("http://h", []), ("http://h/a", ["a"]), ("HTTPS://h:1/a?b", ["a"]), ("http://h?b", []),
        ] as [(String, [String])])
    func decodesPaths(_ raw: String, _ expected: [String]) throws {
        let target = try target(raw)
        #expect(target.path == expected)
        #expect(target.raw == raw)
    }

    @Test func decodesQueries() throws {
        let request = HTTPRequest(method: .get, target: try target("/x?a=1&b=c%26d+e&a=2&flag&=v&&u=%C3%BC=1?/"))
        #expect(request.query("a") == "1")
        #expect(request.query("b") == "c&d e")
        #expect(request.query("flag") == "")
        #expect(request.query("") == "v")
        #expect(request.query("u") == "ü=1?/")
        #expect(request.query("A") == nil)
        #expect(request.target.query.count == 6)
    }

    @Test func looksFieldsUp() throws {
        var headers = HTTPHeaders()
        try headers.add("X-List", "a, B ,, c")
        try headers.add("x-list", "d")
        #expect(headers.first("X-LIST") == "a, B ,, c")
        #expect(headers.all("x-LIST") == ["a, B ,, c", "d"])
        #expect(headers.list("x-list") == ["a", "B", "c", "d"])
        #expect(headers.list("x-list", has: "b") && !headers.list("x-list", has: "ab"))
        #expect(headers.first("y") == nil)
    }

    @Test(arguments: ["a\r\nb", "a\nb", "a\rb", "a\u{0}b", " a", "a ", "\ta", "a\u{7F}"])
    func refusesValues(_ value: String) {
        var headers = HTTPHeaders()
        #expect(throws: HTTPFieldError.invalidValue) { try headers.add("X", value) }
        #expect(headers.count == 0)
    }

    @Test(arguments: ["", "a b", "a:", "a\r\nb", "ü"])
    func refusesNames(_ name: String) {
        var headers = HTTPHeaders()
        #expect(throws: HTTPFieldError.invalidName) { try headers.add(name, "x") }
    }

    @Test func findsCookies() throws {
        var headers = HTTPHeaders()
        try headers.add("Cookie", "a=1; switchboard_session=x=y; q=\"quoted\"; bad; a=2")
        try headers.add("Cookie", "late=3")
        let request = HTTPRequest(method: .get, target: try target("/"), headers: headers)
        #expect(request.cookie("a") == "1")
        #expect(request.cookie("switchboard_session") == "x=y")
        #expect(request.cookie("q") == "quoted")
        #expect(request.cookie("late") == "3")
        #expect(request.cookie("bad") == nil)
        #expect(request.cookie("A") == nil)
    }

    private func text(
        _ response: HTTPResponse, date: String? = nil, keepAlive: Bool = true, isHead: Bool = false
    ) -> String {
        var output = OutputBuffer()
        response.write(to: &output, date: date, keepAlive: keepAlive, isHead: isHead)
        return String(decoding: output.unsafeBytes, as: UTF8.self)
    }

    @Test func writesResponses() throws {
        var headers = HTTPHeaders()
        try headers.add("Content-Type", "application/json")
        let response = HTTPResponse(.ok, headers: headers, body: Array("{}".utf8))
        let head = "HTTP/1.1 200 OK\r\n"
        let fields = "Content-Type: application/json\r\nContent-Length: 2\r\n"
        #expect(text(response) == head + fields + "\r\n{}")
        #expect(text(response, keepAlive: false) == head + fields + "Connection: close\r\n\r\n{}")
        #expect(text(response, isHead: true) == head + fields + "\r\n")
        let date = "Sun, 06 Nov 1994 08:49:37 GMT"
        #expect(text(response, date: date) == "\(head)Date: \(date)\r\n\(fields)\r\n{}")
        #expect(text(HTTPResponse(.noContent)) == "HTTP/1.1 204 No Content\r\n\r\n")
        #expect(text(HTTPResponse(.notFound)) == "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        #expect(text(HTTPResponse(HTTPStatus(rawValue: 599))) == "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n")
        var output = OutputBuffer()
        HTTPResponse.writeContinue(to: &output)
        #expect(String(decoding: output.unsafeBytes, as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
    }

    @Test func namesStatuses() {
        let phrases: [UInt16: String] = [
            101: "Switching Protocols", 426: "Upgrade Required", 429: "Too Many Requests",
            431: "Request Header Fields Too Large", 503: "Service Unavailable",
        ]
        for (code, phrase) in phrases { #expect("\(HTTPStatus(rawValue: code).phrase)" == phrase) }
    }
}
