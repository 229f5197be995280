import ArgumentParser
import LoadGenerator

/// Whether, and how often, the router is measured in turn with what the same work costs without one.
struct FloorOptions: ParsableArguments {
    @Flag(name: .customLong("floor"), help: "Measure what the kernel or SQLite alone costs in turn with the router.")
    var isMeasured = false

    @Option(help: "How often the router, and its floor, are measured.")
    var rounds = 1

    mutating func validate() throws {
        try require((1...100).contains(rounds), "--rounds from 1 to 100")
    }

    /// Runs the rounds, prints what they gave, and writes the page if one is wanted.
    ///
    /// - Parameters:
    ///   - message: what is counted, called `unit`.
    func run(
        _ floors: [Floor], message: KeyPath<Meter, Int>, unit: (one: String, many: String) = ("a message", "messages"),
        title: String, _ options: RunOptions, _ page: PageOption, _ router: () throws -> Measurement,
        report: (Measurement) -> Report
    ) throws {
        let comparison = FloorComparison(floors, rounds: rounds)
        let outcome = try comparison.run(router)
        var whole = report(outcome.router)
        if rounds > 1 {
            whole.append(RoundRange(outcome.rounds, message: message, unit: unit).report(rounds: rounds))
        }
        whole.append(comparison.report(outcome, message: message))
        options.show(whole)
        let beside = floors.isEmpty ? nil : comparison.chart(outcome, message: message)
        let charts = outcome.router.charts(counted: unit.many, rounds: outcome.rounds)
        try page.write(whole, charts + [beside].compactMap { $0 }, title: title)
        try outcome.router.requireAnswers(outcome.router.meter[keyPath: message])
    }
}
