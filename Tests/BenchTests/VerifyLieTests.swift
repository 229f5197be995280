import LoadGenerator
import Reactor
import Testing

/// Whether `verify` finds out: a real router, real clients, and somebody between them who lies.
@Suite(.serialized) struct VerifyLieTests {
    /// What was found of a lie: the promises that were broken.
    private func promisesBroken(by lie: LyingProxy.Lie) async throws -> Set<LoadGenerator.Promise> {
        let violations = try await withTestRouter { web, tcp in
            let proxy = try LyingProxy(to: tcp.port, lie: lie)
            proxy.start()
            defer { proxy.stop() }
            let between = SocketAddress(host: "127.0.0.1", port: proxy.port)
            return try VerifyLieTests.verify(Target(web: web, tcp: between, wire: .binary))
        }
        return Set(violations.map(\.promise))
    }

    private static func verify(_ target: Target) throws -> [Violation] {
        let circumstances = Circumstances(
            seconds: 1, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false)
        let scenario = try VerifyScenario(
            Plan(target: target, connections: 6), circumstances, rate: 300, seed: 11, server: nil)
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
