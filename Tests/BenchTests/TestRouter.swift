import Foundation
import Reactor
import Server

/// A router in this process for the length of `body`, which may block: it runs on a thread of its own.
func withTestRouter<Result: Sendable>(
    _ body: @escaping @Sendable (_ web: SocketAddress, _ tcp: SocketAddress) throws -> Result
) async throws -> Result {
    let directory = NSTemporaryDirectory() + "switchboard-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var configuration = Configuration()
    configuration.listen = SocketAddress(host: "127.0.0.1", port: 0)
    configuration.tcpListen = SocketAddress(host: "127.0.0.1", port: 0)
    configuration.data = directory
    configuration.loops = 1
    configuration.dev = true
    let server = try await RouterServer.start(configuration, log: .silent)
    let (web, tcp) = (server.http, server.tcp)
    let result = await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: Swift.Result { try body(web, tcp) }) }
    }
    await server.stop()
    return try result.get()
}

/// A process that never rests.
struct BusyProcess {
    private let process = Process()
    /// Of this process, and so none that the busy one's time counts for.
    let parent = Int(getppid())

    init() throws {
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "while :; do :; done"]
        try process.run()
    }

    /// By SIGKILL: the threads that tests run on hold other signals, and their children inherit that.
    func end() { kill(process.processIdentifier, SIGKILL) }
}
