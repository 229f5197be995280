import LoadGenerator
import Reactor
import Testing

/// Whether `verify` goes on through what it does to connections itself, and finds nothing wrong with a good router.
@Suite(.serialized) struct VerifyFaultTests {
    @Test func harmedConnectionsLoseNothing() async throws {
        let (violations, counts) = try await withTestRouter { web, tcp in
            var faults = VerifyFaults()
            faults.cutEvery = 0.05
            faults.delayMilliseconds = 5
            let circumstances = Circumstances(
                seconds: 3, warmup: 0, serverPID: nil, cores: [nil], showsProgress: false)
            let scenario = try VerifyScenario(
                Plan(target: Target(web: web, tcp: tcp, wire: .both), connections: 6), circumstances, rate: 200,
                faults: faults, seed: 3, server: nil)
            let result = try scenario.run()
            #expect(result.acked > 60 && result.sessions > 6, "too little happened to tell anything")
            return (result.violations, result.faults)
        }
        #expect(violations == [])
        for row in counts.rows { #expect(row.count > 0, "\(row.label)") }
        #expect(counts.rows.count == 6)
    }
}
