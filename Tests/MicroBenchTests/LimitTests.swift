import CAllocations
import Foundation
import Testing

@testable import MicroBench

@Suite struct LimitTests {
    private static let text = """
        # Prose

        | work | instructions | at most | allocations | at most |
        | --- | --- | --- | --- | --- |
        | decode | 510 | 560 | 1.00 | 1.10 |

        """

    private func objections(_ costs: [(name: String, cost: Cost)]) throws -> [String] {
        try LimitFile(LimitTests.text).objections(to: costs, path: "FILE")
    }

    @Test func whatIsWithinItsLimitsIsFine() throws {
        #expect(try objections([("decode", Cost(instructions: 560, allocations: 1.1))]) == [])
    }

    @Test func whatIsAboveIsNamedWithItsFigures() throws {
        let found = try objections([("decode", Cost(instructions: 611.2, allocations: 2))])
        #expect(
            found == [
                "decode: 612 instructions, at most 560: look at what changed, or raise it in FILE and say why",
                "decode: 2.00 allocations, at most 1.10: look at what changed, or raise it in FILE and say why",
            ])
    }

    @Test func whatHasBecomeMuchCheaperIsPointedOut() throws {
        let file = try LimitFile(LimitTests.text)
        func found(_ instructions: Double) -> [String] {
            file.improvements(in: [("decode", Cost(instructions: instructions, allocations: 0))], path: "FILE")
        }
        #expect(found(409) == [])
        #expect(found(400) == ["decode: 400 instructions, 510 noted: lower its limit in FILE"])
    }

    @Test func whatHasNoLimitAndWhatIsNotMeasuredAreNamed() throws {
        let found = try objections([("encode", Cost(instructions: 1, allocations: 0))])
        #expect(found.contains("encode: has no limit: add it to FILE"))
        #expect(found.contains("decode: has a limit and isn't measured: take it out of FILE"))
    }

    @Test func aFileReadsBack() throws {
        let costs = [
            ("a", Cost(instructions: 100, allocations: 0)), ("b", Cost(instructions: 7.4, allocations: 0.333)),
        ]
        let written = try LimitFile(LimitTests.text).text(for: costs.map { (name: $0.0, cost: $0.1) })
        let file = try LimitFile(written)
        #expect(file.introduction == (try LimitFile(LimitTests.text)).introduction)
        #expect(file.limits["a"]?.instructionsMax == 111 || file.limits["a"]?.instructionsMax == 110)
        #expect(file.limits["b"]?.allocationsMax == 0.37)
        #expect(file.objections(to: costs.map { (name: $0.0, cost: $0.1) }, path: "FILE") == [])
    }

    @Test(arguments: ["no table", "| --- |\n| a | 1 | 2 | 3 |", "| --- |\n| a | 1 | x | 0 | 0 |"])
    func whatIsNoTableOfLimitsIsRefused(_ text: String) {
        #expect(throws: MicroBenchError.self) { try LimitFile(text) }
    }

    @Test func everyBenchmarkHasItsLimit() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/MicroBench/limits.md").path()
        let file = try LimitFile(String(contentsOfFile: path, encoding: .utf8))
        let names = MicroBench.benchmarks.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(Set(file.limits.keys) == Set(names))
        for (name, limit) in file.limits {
            #expect(limit.instructionsMax <= limit.instructions * 1.25 + 1, "\(name): a limit far away holds nothing")
        }
    }

    @Test func aPartTellsItsTotal() {
        #expect(CallgrindParts.total(in: "events: Ir\nfn=(1)\n12 3\ntotals: 12345\n") == 12_345)
        #expect(CallgrindParts.total(in: "events: Ir\n") == nil)
    }

    @Test func missingPartsAreNamed() {
        #expect(throws: MicroBenchError.self) { try CallgrindParts.instructions(in: "/nowhere", runs: 1) }
    }

    @Test(.enabled(if: cal_is_counting() == 1))
    func allocationsAreCountedByThread() {
        var blocks: [UnsafeMutableRawPointer] = []
        blocks.reserveCapacity(100)
        let before = cal_count()
        for size in 1...100 { blocks.append(.allocate(byteCount: size, alignment: 8)) }
        let after = cal_count()
        for block in blocks { block.deallocate() }
        #expect(after - before == 100)
    }

    /// The work itself, in the build that tests are made of: that it does what its name says is checked inside.
    @Test(arguments: MicroBench.benchmarks.indices)
    func workRuns(_ number: Int) throws {
        _ = try MicroBench.benchmarks[number].prepare()()
    }
}
