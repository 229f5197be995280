import Base

/// Request line and header fields of a request, and what they say about its body.
struct HTTPHead {
    enum Framing: Equatable {
        case length(Int)
        case chunked
    }

    let method: HTTPMethod
    let target: HTTPTarget
    let isHTTP10: Bool
    var headers = HTTPHeaders()

    /// Reads `method SP target SP version` (RFC 9112, section 3), with exactly one space each.
    init(requestLine line: [UInt8]) throws(HTTPFailure) {
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(HTTPGrammar.isToken), !parts[1].isEmpty else {
            throw HTTPFailure(.badRequest, "malformed request line")
        }
        isHTTP10 = try HTTPHead.isHTTP10(String(decoding: parts[2], as: UTF8.self))
        guard let method = HTTPMethod(rawValue: String(decoding: parts[0], as: UTF8.self)) else {
            throw HTTPFailure(.notImplemented, "unknown method")
        }
        self.method = method
        target = try HTTPTarget(String(decoding: parts[1], as: UTF8.self), method: method)
    }

    private static func isHTTP10(_ version: String) throws(HTTPFailure) -> Bool {
        switch version {
        case "HTTP/1.1": return false
        case "HTTP/1.0": return true
        default: break
        }
        let bytes = Array(version.utf8)
        guard bytes.count == 8, version.hasPrefix("HTTP/"), HTTPGrammar.isDigit(bytes[5]),
            bytes[6] == UInt8(ascii: "."), HTTPGrammar.isDigit(bytes[7])
        else { throw HTTPFailure(.badRequest, "malformed version") }
        throw HTTPFailure(.versionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    }

    /// Reads a field line (RFC 9112, section 5). Bytes of the value that aren't UTF-8 become U+FFFD.
    static func field(_ line: [UInt8]) throws(HTTPFailure) -> HTTPHeaders.Field {
        if let first = line.first, HTTPGrammar.isBlank(first) {
            throw HTTPFailure(.badRequest, "folded header field")
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            line[..<colon].allSatisfy(HTTPGrammar.isToken)
        else { throw HTTPFailure(.badRequest, "malformed header field") }
        var value = line[(colon + 1)...]
        guard value.allSatisfy(HTTPGrammar.isFieldText) else {
            throw HTTPFailure(.badRequest, "control character in header field")
        }
        while let first = value.first, HTTPGrammar.isBlank(first) { value.removeFirst() }
        while let last = value.last, HTTPGrammar.isBlank(last) { value.removeLast() }
        return HTTPHeaders.Field(
            name: String(decoding: line[..<colon], as: UTF8.self), value: String(decoding: value, as: UTF8.self))
    }

    /// Whether the connection may go on after the response (RFC 9112, section 9.3).
    var keepAlive: Bool { !isHTTP10 && !headers.list("Connection", has: "close") }

    /// HTTP/1.1 demands exactly one Host field (RFC 9112, section 3.2), and nobody may send two.
    func validateHost() throws(HTTPFailure) {
        let hosts = headers.all("Host")
        guard hosts.count == 1 || isHTTP10 && hosts.isEmpty else {
            throw HTTPFailure(.badRequest, hosts.isEmpty ? "no Host" : "more than one Host")
        }
        guard let host = hosts.first else { return }
        let refused = Array("\"#/<>?@\\^`{|} ,".utf8)
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !refused.contains($0) }) else {
            throw HTTPFailure(.badRequest, "invalid Host")
        }
    }

    /// How the body's end is found (RFC 9112, section 6), with every ambiguity refused.
    func framing() throws(HTTPFailure) -> Framing {
        let codings = headers.all("Transfer-Encoding")
        let lengths = headers.all("Content-Length")
        guard lengths.count <= 1, codings.count <= 1, lengths.isEmpty || codings.isEmpty else {
            throw HTTPFailure(.badRequest, "ambiguous length of body")
        }
        if let coding = codings.first {
            if isHTTP10 { throw HTTPFailure(.badRequest, "Transfer-Encoding in HTTP/1.0") }
            guard HTTPGrammar.equalIgnoringCase(coding, "chunked") else {
                throw HTTPFailure(.notImplemented, "unknown Transfer-Encoding")
            }
            return .chunked
        }
        guard let text = lengths.first else { return .length(0) }
        guard !text.isEmpty, text.utf8.allSatisfy(HTTPGrammar.isDigit) else {
            throw HTTPFailure(.badRequest, "malformed Content-Length")
        }
        var length = 0
        for digit in text.utf8 {
            length = length * 10 + Int(digit - UInt8(ascii: "0"))
            if length > Limits.httpBodyBytesMax { throw HTTPFailure(.contentTooLarge, "body too large") }
        }
        return .length(length)
    }

    /// Whether the client waits for `100 Continue`; an HTTP/1.0 client's wish is ignored (RFC 9110, section 10.1.1).
    func expectsContinue() throws(HTTPFailure) -> Bool {
        let expectations = headers.all("Expect")
        if isHTTP10 || expectations.isEmpty { return false }
        guard expectations.allSatisfy({ HTTPGrammar.equalIgnoringCase($0, "100-continue") }) else {
            throw HTTPFailure(.expectationFailed, "unknown expectation")
        }
        return true
    }

    /// Reads `size [; extensions]` (RFC 9112, section 7.1). A size above every limit is cut off at the largest `Int`.
    static func chunkSize(_ line: [UInt8]) throws(HTTPFailure) -> Int {
        let malformed = HTTPFailure(.badRequest, "malformed chunk size")
        guard line.allSatisfy(HTTPGrammar.isFieldText) else { throw malformed }
        var size = 0
        var rest = line[...]
        while let digit = rest.first.flatMap(HTTPGrammar.hexValue) {
            size = size > Int.max >> 5 ? Int.max >> 4 : size << 4 | Int(digit)
            rest.removeFirst()
        }
        guard rest.startIndex > 0 else { throw malformed }
        if rest.isEmpty { return size }
        while let blank = rest.first, HTTPGrammar.isBlank(blank) { rest.removeFirst() }
        guard rest.first == UInt8(ascii: ";") else { throw malformed }
        return size
    }
}
