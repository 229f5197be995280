internal import FoundationEssentials

/// The counters that callgrind wrote whenever a benchmark called its mark: `part.1`, `part.2`, …
enum CallgrindParts {
    /// The instructions of each run. Before every run lies a part with what prepared it.
    static func instructions(in directory: String, runs: Int) throws -> [Double] {
        try (0..<runs).map { run in
            let path = "\(directory)/part.\(2 * run + 2)"
            guard let data = FileManager.default.contents(atPath: path) else {
                throw MicroBenchError("\(path) isn't there: did valgrind run to its end?")
            }
            guard let total = total(in: String(decoding: data, as: UTF8.self)) else {
                throw MicroBenchError("\(path) tells no total")
            }
            return total
        }
    }

    /// The number in the line `totals: 123`.
    static func total(in text: String) -> Double? {
        text.split(separator: "\n").last { $0.hasPrefix("totals: ") }.flatMap { Double($0.dropFirst(8)) }
    }
}
