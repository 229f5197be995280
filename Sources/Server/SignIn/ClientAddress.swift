internal import Wire

/// Where a request comes from, as far as attempts are counted by it.
struct ClientAddress: Sendable {
    /// Proxies in front of the router, whose word is taken for who their client is.
    private let proxies: Set<String>

    init(proxies: [String]) { self.proxies = Set(proxies) }

    /// The address of the client: the peer's, or what the nearest proxy that isn't ours was told from.
    func key(of request: HTTPRequest, peer: String) -> String {
        guard proxies.contains(peer) else { return ClientAddress.network(peer) }
        // Each proxy adds its peer at the end: what stands in front of the first stranger is that one's claim.
        let stranger = request.headers.list("X-Forwarded-For").last { !proxies.contains($0) }
        return ClientAddress.network(stranger ?? peer)
    }

    /// Whether that is one of our proxies.
    func isProxy(_ peer: String) -> Bool { proxies.contains(peer) }

    /// Whether a result of ``network(_:)`` is of this machine.
    static func isLoopback(_ network: String) -> Bool { network.hasPrefix("127.") || network == "0:0:0:0" }

    /// An address of IPv4 as it is; of IPv6 its first 64 bits, since one subscriber has all that begin with them.
    static func network(_ address: String) -> String {
        let plain = address.lowercased()
        if plain.hasPrefix("::ffff:"), plain.contains(".") { return String(plain.dropFirst(7)) }
        guard plain.contains(":") else { return plain }
        let sides = plain.firstRange(of: "::").map { (plain[..<$0.lowerBound], plain[$0.upperBound...]) }
        let head = (sides?.0 ?? plain[...]).split(separator: ":")
        let tail = (sides?.1 ?? "").split(separator: ":")
        let gap = max(0, 8 - head.count - tail.count)
        let groups = head + Array(repeating: "0", count: gap) + tail
        return groups.prefix(4).joined(separator: ":")
    }
}
