import Base
import Core
import Foundation
import Logging
import Reactor
import Store
import Testing

@testable import Server

/// A router in this process, with a data directory that goes with it.
final class Running: Sendable {
    let server: RouterServer
    let directory: String

    init(loops: Int = 2, change: (inout Configuration) -> Void = { _ in }) async throws {
        directory = NSTemporaryDirectory() + "switchboard-" + UUID().uuidString
        var configuration = Configuration()
        configuration.listen = SocketAddress(host: "127.0.0.1", port: 0)
        configuration.tcpListen = SocketAddress(host: "127.0.0.1", port: 0)
        configuration.data = directory
        configuration.loops = loops
        configuration.dev = true
        change(&configuration)
        server = try await RouterServer.start(configuration, log: .silent)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func client() throws -> TestClient { try TestClient(port: server.http.port) }

    /// A client that is signed in and has its welcome.
    func chat(_ user: String) throws -> TestClient {
        let client = try client()
        try client.upgrade("/chat?id=\(user)")
        _ = try client.text(with: #"{"cmd":"welcome","userid":"\#(user)""#)
        return client
    }

    /// Some users of each loop.
    func usersByLoop(loops: Int, count: Int) -> [[String]] {
        let topology = Topology(nodes: loops, shardsPerNode: Configuration().shardsPerLoop, usersPerShardMax: 1)
        var users = Array(repeating: [String](), count: loops)
        for index in 0..<1_000 {
            guard let user = Identifier("user\(index)") else { continue }
            users[Int(topology.node(of: user).rawValue)].append("user\(index)")
        }
        return users.map { Array($0.prefix(count)) }
    }
}

/// Runs a router for a test and stops it whatever comes.
func withRouter(
    loops: Int = 2, change: (inout Configuration) -> Void = { _ in }, _ body: (Running) async throws -> Void
) async throws {
    let running = try await Running(loops: loops, change: change)
    do {
        try await body(running)
    } catch {
        await running.server.stop()
        throw error
    }
    await running.server.stop()
}
