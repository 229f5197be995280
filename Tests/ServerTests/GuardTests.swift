import Testing

@testable import Reactor
@testable import Server

struct GuardTests {
    @Test("Sizes of memory", arguments: [
        ("auto", MemoryLimit.auto), ("none", .none), ("64M", .bytes(64 << 20)), ("4G", .bytes(4 << 30)),
        ("100000k", .bytes(100_000 << 10)), ("200000000", .bytes(200_000_000)),
    ])
    func sizes(text: String, limit: MemoryLimit) { #expect(MemoryLimit(text) == limit) }

    @Test("What is no size", arguments: ["", "G", "4GB", "-1G", "63M", "0", "9223372036854775807G", "1.5G"])
    func noSizes(text: String) { #expect(MemoryLimit(text) == nil) }

    @Test("Memory is short from nine tenths on, and is there again a little below")
    func memory() {
        let state = MemoryState()
        #expect(!state.note(resident: 899, limit: 1_000) && !state.isTight)
        #expect(state.note(resident: 900, limit: 1_000) && state.isTight)
        #expect(!state.note(resident: 860, limit: 1_000) && state.isTight)
        #expect(state.note(resident: 849, limit: 1_000) && !state.isTight)
    }

    @Test("Connections are counted by origin, up to a number, and given back")
    func counts() throws {
        let counts = ConnectionCounts(slots: 8)
        let places = try (0..<3).map { _ in try #require(counts.take("a", max: 3)) }
        #expect(counts.take("a", max: 3) == nil && counts.total == 3)
        counts.giveBack(places[0])
        counts.giveBack(0)
        #expect(counts.total == 2 && counts.take("a", max: 3) != nil)
    }

    @Test("A rate, and ten seconds of it together; one attempt may count as many")
    func rates() {
        let throttle = Throttle(Allowance(perSecond: 1_000))
        for _ in 0..<10_000 { #expect(throttle.take("a", now: 1_000_000) == nil) }
        #expect(throttle.take("a", now: 1_000_000) == 1)
        #expect(throttle.take("a", now: 1_000_001) == nil)
        #expect(throttle.take("b", cost: 10_000, now: 1_000_000) == nil)
        #expect(throttle.take("b", cost: 500, now: 1_000_000) == 500)
    }

    @Test("Loopback counts only if asked for, and a proxy never: its clients do", arguments: [false, true])
    func addresses(includesLoopback: Bool) {
        var configuration = Configuration()
        configuration.traffic.includesLoopback = includesLoopback
        let traffic = TrafficGuard(configuration, ClientAddress(proxies: ["192.0.2.1"]))
        for local in ["127.0.0.1", "127.8.0.9", "::1", "::ffff:127.0.0.1"] {
            #expect(traffic.isCounted(peer: local) == includesLoopback, "\(local)")
        }
        #expect(!traffic.isCounted(peer: "192.0.2.1"))
        for other in ["192.0.2.2", "2001:db8::1", "::ffff:10.0.0.1", "fe80::1"] {
            #expect(traffic.isCounted(peer: other), "\(other)")
        }
    }

    @Test("In development requests of users aren't limited unless that is asked for")
    func requests() {
        var limits = TrafficLimits()
        #expect(limits.requests(dev: true) == 0 && limits.requests(dev: false) == 200)
        limits.requests = 5
        #expect(limits.requests(dev: true) == 5)
    }

    @Test("Clients are given a second to come back, more if they are many, and never more than half a minute")
    func reconnecting() {
        #expect(RouterServer.reconnectMilliseconds(clients: 10) == 1_002)
        #expect(RouterServer.reconnectMilliseconds(clients: 50_000) == 11_000)
        #expect(RouterServer.reconnectMilliseconds(clients: 1_000_000) == 30_000)
    }
}
