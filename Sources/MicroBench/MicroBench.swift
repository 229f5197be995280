import ArgumentParser
import CAllocations
import FoundationEssentials

/// Counts what pieces of the router cost and holds it against limits.
@main
struct MicroBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "microbench",
        abstract: "Instructions and allocations of a piece of work, held against limits.",
        discussion: """
            `make microbench` runs both commands as they belong together. Time isn't measured: it depends on the machine
            and its neighbours, and instructions hardly do.
            """,
        subcommands: [MarkCommand.self, CheckCommand.self])

    /// In the order of the table.
    static var benchmarks: [Benchmark] { CodecBenchmarks.all + TableBenchmarks.all + StoreBenchmarks.all }
}

struct MarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mark", abstract: "Runs everything once, between marks for callgrind.")

    func run() throws {
        for benchmark in MicroBench.benchmarks { try benchmark.mark() }
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Counts allocations, reads what callgrind counted, and compares with the limits.")

    @Option(help: "The directory with callgrind's parts.")
    var parts: String

    @Option(help: "The file with the limits.")
    var limits = "Sources/MicroBench/limits.md"

    @Flag(help: "Write what was measured, and limits a tenth above it, into the file with the limits.")
    var write = false

    func run() throws {
        guard cal_is_counting() == 1 else { throw MicroBenchError("a sanitizer has the allocator") }
        let benchmarks = MicroBench.benchmarks
        let instructions = try CallgrindParts.instructions(in: parts, runs: benchmarks.count)
        let costs = try zip(benchmarks, instructions).map { benchmark, total in
            let each = total / Double(benchmark.pieces)
            return (name: benchmark.name, cost: Cost(instructions: each, allocations: try benchmark.allocations()))
        }
        guard let data = FileManager.default.contents(atPath: limits) else {
            throw MicroBenchError("\(limits) can't be read")
        }
        let file = try LimitFile(String(decoding: data, as: UTF8.self))
        show(costs, file)
        if write { return try file.text(for: costs).write(toFile: limits, atomically: true, encoding: .utf8) }
        for improvement in file.improvements(in: costs, path: limits) { print(improvement) }
        let objections = file.objections(to: costs, path: limits)
        for objection in objections { print(objection) }
        if !objections.isEmpty { throw ExitCode.failure }
        print("all \(costs.count) within their limits")
    }

    private func show(_ costs: [(name: String, cost: Cost)], _ file: LimitFile) {
        let width = costs.map(\.name.count).max() ?? 0
        for (name, cost) in costs {
            let padding = String(repeating: " ", count: width - name.count)
            let seen = "\(Int(cost.instructions.rounded(.up)))"
            let most = file.limits[name].map { " of \(Int($0.instructionsMax))" } ?? ""
            let blanks = String(repeating: " ", count: max(0, 18 - seen.count - most.count))
            print(
                "\(name)\(padding)  \(blanks)\(seen)\(most) instructions  "
                    + "\(LimitFile.hundredths(cost.allocations)) allocations")
        }
    }
}
