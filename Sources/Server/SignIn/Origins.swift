internal import Wire

/// Which web pages may act by a user's cookie: a browser sends it along whoever asks.
struct Origins: Sendable {
    /// Besides our own, such as `https://chat.example`.
    private let allowed: Set<String>

    init(allowed: [String]) { self.allowed = Set(allowed.map { $0.lowercased() }) }

    /// Whether there is any other origin that may.
    var hasAllowed: Bool { !allowed.isEmpty }

    /// Whether an origin, as browsers write it, is one of those besides our own.
    func isAllowed(_ origin: String) -> Bool { allowed.contains(origin.lowercased()) }

    /// Whether a request comes from a page of the same host or of an allowed origin. Who sends neither `Origin` nor
    /// `Sec-Fetch-Site` is no browser.
    func allow(_ request: HTTPRequest) -> Bool {
        guard let origin = request.headers.first("Origin")?.lowercased() else {
            guard let site = request.headers.first("Sec-Fetch-Site") else { return true }
            return ["same-origin", "none"].contains(site.lowercased())
        }
        if allowed.contains(origin) { return true }
        guard let host = request.headers.first("Host"), let separator = origin.firstRange(of: "://") else {
            return false
        }
        return origin[separator.upperBound...] == host.lowercased()
    }

    /// Whether a text is an origin as browsers write it: scheme, host, and a port if it isn't the scheme's own.
    static func isOrigin(_ text: String) -> Bool {
        guard let separator = text.firstRange(of: "://") else { return false }
        let host = text[separator.upperBound...]
        return ["http", "https"].contains(text[..<separator.lowerBound].lowercased()) && !host.isEmpty
            && !host.contains { "/?#@ ".contains($0) }
    }
}
