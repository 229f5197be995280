import Simulation
import Testing

@Suite struct RunTests {
    @Test func keepsEveryPromise() {
        let runner = Runner(name: "promises")
        for seed in 1...300 as ClosedRange<UInt64> {
            let result = runner.run(seed)
            #expect(result.violation == nil, "seed \(seed): \(result.violation ?? "")")
        }
    }

    @Test func repeatsItself() {
        let runner = Runner(name: "first")
        let other = Runner(name: "second")
        for seed in 1...20 as ClosedRange<UInt64> {
            let first = runner.run(seed)
            #expect(first.hash == runner.run(seed).hash)
            #expect(first.hash == other.run(seed, keepsTrace: true).hash)
            #expect(first.hash != runner.run(seed + 1000).hash)
        }
    }

    /// A checker that finds nothing proves nothing: each bug that is put in must be found, and soon.
    @Test(arguments: Plant.allCases) func findsPlantedBugs(plant: Plant) {
        let runner = Runner(name: "plant \(plant.rawValue)", plant: plant)
        let found = (1...200 as ClosedRange<UInt64>).first { runner.run($0).violation != nil }
        #expect(found != nil, "\(plant.rawValue) isn't found in 200 runs")
    }

    @Test func runsOnSeveralThreads() {
        let campaign = Campaign(firstSeed: 1, runs: 40, steps: 200)
        let end = campaign.run(jobs: 2) { _ in }
        #expect(end.done == 40)
        #expect(end.failure == nil)
        #expect(end.messages > 0 && end.crashes > 0)
    }
}
