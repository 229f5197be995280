import Reactor
import Testing

@testable import Server

struct ConfigurationTests {
    private func complaint(_ change: (inout Configuration) -> Void) -> String? {
        var configuration = Configuration()
        change(&configuration)
        do {
            try configuration.validate()
            return nil
        } catch {
            return error.description
        }
    }

    @Test("The defaults are good, and so is everything at its limits")
    func good() {
        #expect(complaint { _ in } == nil)
        #expect(complaint { $0.dev = true } == nil)
        #expect(complaint { ($0.loops, $0.shardsPerLoop, $0.usersPerShardMax) = (256, 1_024, 100_000) } == nil)
        #expect(complaint { ($0.sessionWindowMinutes, $0.retentionDays, $0.usersPerShardMax) = (0, 1, 1) } == nil)
        #expect(complaint { $0.jwtSecret = String(repeating: "x", count: 16) } == nil)
        #expect(complaint { $0.dev = true; $0.listen = SocketAddress(host: "::1", port: 1) } == nil)
    }

    @Test("What is wrong is said with the name of its option")
    func bad() throws {
        let cases: [(String, (inout Configuration) -> Void)] = [
            ("--dev", { $0.dev = true; $0.listen = SocketAddress(host: "0.0.0.0", port: 80) }),
            ("--dev", { $0.dev = true; $0.tcpListen = SocketAddress(host: "10.0.0.1", port: 80) }),
            ("--loops", { $0.loops = -1 }), ("--loops", { $0.loops = 257 }),
            ("--shards-per-loop", { $0.shardsPerLoop = 0 }), ("--shards-per-loop", { $0.shardsPerLoop = 1_025 }),
            ("--shard-limit", { $0.usersPerShardMax = 0 }), ("--shard-limit", { $0.usersPerShardMax = 100_001 }),
            ("--session-window", { $0.sessionWindowMinutes = -1 }),
            ("--session-window", { $0.sessionWindowMinutes = 61 }), ("--retention", { $0.retentionDays = 0 }),
            ("--jwt-secret", { $0.jwtSecret = String(repeating: "x", count: 15) }), ("--jwt-secret", { $0.jwtSecret = "" }),
            ("--session-secret", { $0.sessionSecret = "" }), ("--api-key", { $0.apiKey = "" }),
        ]
        for (option, change) in cases {
            let text = try #require(complaint(change))
            #expect(text.hasPrefix(option), "\(text)")
        }
    }
}
