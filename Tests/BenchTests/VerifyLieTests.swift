import Foundation
import LoadGenerator
import Logging
import Reactor
import Server
import Testing

/// Whether `verify` finds out: a real router, real clients, and somebody between them who lies.
@Suite(.serialized) struct VerifyLieTests {
    /// What was found of a lie: the promises that were broken.
    private func promisesBroken(by lie: LyingProxy.Lie) async throws -> Set<LoadGenerator.Promise> {
        let directory = NSTemporaryDirectory() + "switchboard-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var configuration = Configuration()
        configuration.listen = SocketAddress(host: "127.0.0.1", port: 0)
        configuration.tcpListen = SocketAddress(host: "127.0.0.1", port: 0)
        configuration.data = directory
        configuration.loops = 1
        configuration.dev = true
        var log = Logger(label: "test")
        log.logLevel = .critical
        let server = try await RouterServer.start(configuration, log: log)
        let proxy = try LyingProxy(to: server.tcp.port, lie: lie)
        proxy.start()
        let target = Target(
            web: SocketAddress(host: "127.0.0.1", port: server.http.port),
            tcp: SocketAddress(host: "127.0.0.1", port: proxy.port), wire: .binary)
        let found = await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: Result { try VerifyLieTests.verify(target) }) }
        }
        proxy.stop()
        await server.stop()
        return Set(try found.get().map(\.promise))
    }

    private static func verify(_ target: Target) throws -> [Violation] {
        let circumstances = Circumstances(
            seconds: 1, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false)
        let scenario = VerifyScenario(
            Plan(target: target, connections: 6), circumstances, rate: 300, killEvery: nil, seed: 11, server: nil)
        let result = try scenario.run()
        #expect(result.acked > 60, "too little happened to tell anything")
        return result.violations
    }

    @Test(arguments: [LyingProxy.Lie.none, .repeatedSend])
    func findsNothingWhereNothingIsWrong(_ lie: LyingProxy.Lie) async throws {
        #expect(try await promisesBroken(by: lie) == [])
    }

    @Test(
        arguments: [
            (LyingProxy.Lie.ackOfNothing, LoadGenerator.Promise.ackedIsKept), (.inventedMessage, .nothingIsInvented),
            (.wrongNumber, .numbersAgree), (.repeatedPush, .pushedInOrder), (.missingPush, .pushedInOrder),
            (.reorderedPushes, .pushedInOrder), (.changedText, .contentIsIdentical),
        ])
    func findsTheLie(_ lie: LyingProxy.Lie, _ promise: LoadGenerator.Promise) async throws {
        let broken = try await promisesBroken(by: lie)
        #expect(broken.contains(promise), "\(lie): found \(broken.map(\.rawValue))")
    }
}
