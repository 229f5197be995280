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
        #expect(complaint { ($0.loginDays, $0.origins) = (365, ["https://chat.example", "http://a:8080"]) } == nil)
        #expect(complaint { $0.webhook = WebhookSettings(url: "https://a/", secret: "0123456789abcdef") } == nil)
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
            ("--login-days", { $0.loginDays = 0 }), ("--login-days", { $0.loginDays = 366 }),
            ("--origins", { $0.origins = ["https://chat.example", "chat.example"] }),
        ]
        for (option, change) in cases {
            let text = try #require(complaint(change))
            #expect(text.hasPrefix(option), "\(text)")
        }
    }

    private func plan(
        _ tables: DescriptorTables, loops: Int, limit: Int, shardLimit: Int = 100_000
    ) throws(ConfigurationError) -> TablePlan {
        var configuration = Configuration()
        configuration.descriptorTables = tables
        configuration.usersPerShardMax = shardLimit
        return try TablePlan(configuration, loops: loops, limit: limit)
    }

    @Test("Loops get tables of their own where one is too small for their users")
    func tables() throws {
        #expect(try plan(.auto, loops: 2, limit: 20_000).isOwn)
        #expect(try !plan(.auto, loops: 1, limit: 20_000).isOwn)
        #expect(try !plan(.auto, loops: 2, limit: 800_000).isOwn)
        #expect(try !plan(.auto, loops: 2, limit: 20_000, shardLimit: 2_500).isOwn)
        #expect(try plan(.own, loops: 1, limit: 1_000_000).isOwn)
        #expect(try !plan(.shared, loops: 8, limit: 20_000).isOwn)
    }

    @Test("The room is what the limit leaves, once for the process or once for each loop")
    func room() throws {
        let shared = try plan(.shared, loops: 6, limit: 20_000), own = try plan(.own, loops: 6, limit: 20_000)
        #expect(shared.count == 1 && (19_000..<20_000).contains(shared.room))
        #expect(own.count == 6 && (6 * 19_500..<6 * 20_000).contains(own.room))
        let tables = own.makeTables(loops: 6), same = shared.makeTables(loops: 6)
        #expect(Set(tables.map { ObjectIdentifier($0) }).count == 6)
        #expect(Set(same.map { ObjectIdentifier($0) }).count == 1)
        // What may stay, and what is kept for those who come.
        #expect(tables[0].capacity - tables[0].headroom == own.room / 6)
        #expect(try plan(.shared, loops: 1, limit: 20).room > 0)
        #expect(throws: ConfigurationError.self) { try plan(.own, loops: 100, limit: 200) }
    }
}
