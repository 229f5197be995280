/// The methods that the router's API can use; a request with any other one is answered 501.
package enum HTTPMethod: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
}

/// A whole request (RFC 9112), checked: what is here can be trusted to be well formed.
package struct HTTPRequest: Sendable, Equatable {
    package var method: HTTPMethod
    package var target: HTTPTarget
    package var headers: HTTPHeaders
    package var body: [UInt8]
    package var isHTTP10: Bool
    /// Whether the connection may go on after the response. Always false for HTTP/1.0.
    package var keepAlive: Bool

    package init(
        method: HTTPMethod, target: HTTPTarget, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [],
        isHTTP10: Bool = false, keepAlive: Bool = true
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.isHTTP10 = isHTTP10
        self.keepAlive = keepAlive
    }

    /// The decoded segments of the path: `/a/b%20c` is `["a", "b c"]`, `/` is `[]`, `/a/` is `["a", ""]`.
    package var path: [String] { target.path }

    /// The decoded value of the first query item of the name.
    package func query(_ name: String) -> String? {
        target.query.first { $0.name == name }?.value
    }

    /// The value of the first cookie of the name (RFC 6265, section 4.2), without quotes around it.
    package func cookie(_ name: String) -> String? {
        for line in headers.all("Cookie") {
            for pair in line.utf8.split(separator: UInt8(ascii: ";")) {
                guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { continue }
                guard HTTPGrammar.trimmed(pair[..<equals]) == name else { continue }
                let value = HTTPGrammar.trimmed(pair[pair.index(after: equals)...])
                guard value.utf8.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") else { return value }
                return String(value.dropFirst().dropLast())
            }
        }
        return nil
    }
}
