/// What a piece of work took when someone looked, and what it may take at most.
struct Limit: Equatable {
    var instructions: Double
    var instructionsMax: Double
    var allocations: Double
    var allocationsMax: Double

    /// Limits for what was measured just now, with some room: codecs and tables repeat themselves to the instruction,
    /// but another compiler makes other code.
    init(measured: Cost) {
        instructions = measured.instructions.rounded()
        instructionsMax = (measured.instructions * 1.1).rounded(.up)
        allocations = Limit.rounded(measured.allocations)
        allocationsMax = Limit.rounded(measured.allocations * 1.1)
    }

    init(instructions: Double, instructionsMax: Double, allocations: Double, allocationsMax: Double) {
        self.instructions = instructions
        self.instructionsMax = instructionsMax
        self.allocations = allocations
        self.allocationsMax = allocationsMax
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded(.up) / 100 }
}

/// What one piece of work cost.
struct Cost: Equatable {
    var instructions: Double
    var allocations: Double
}

/// The file with the limits: prose, and one table in Markdown.
struct LimitFile: Equatable {
    /// What stands above the table's rows, its head included.
    private(set) var introduction: String
    private(set) var limits: [String: Limit] = [:]

    /// Reads a file's text. Throws with the line that isn't understood.
    init(_ text: String) throws {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let rule = lines.firstIndex(where: { $0.hasPrefix("| ---") }) else {
            throw MicroBenchError("there is no table of limits")
        }
        introduction = lines[...rule].joined(separator: "\n") + "\n"
        lines.removeFirst(rule + 1)
        for line in lines where !line.isEmpty {
            let cells = line.split(separator: "|").map { LimitFile.trimmed($0) }
            let numbers = cells.dropFirst().compactMap { Double($0) }
            guard cells.count == 5, numbers.count == 4, limits[cells[0]] == nil else {
                throw MicroBenchError("not understood: \(line)")
            }
            limits[cells[0]] = Limit(
                instructions: numbers[0], instructionsMax: numbers[1], allocations: numbers[2],
                allocationsMax: numbers[3])
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }

    /// Everything that is above its limit, or has none, in the order of `costs`.
    func objections(to costs: [(name: String, cost: Cost)], path: String) -> [String] {
        let names = Set(costs.map(\.name))
        let unknown = limits.keys.filter { !names.contains($0) }.sorted().map {
            "\($0): has a limit and isn't measured: take it out of \(path)"
        }
        return unknown + costs.flatMap { name, cost in objections(to: name, cost, path: path) }
    }

    /// Work that takes a fifth less than when its limit was set: a limit that far away holds nothing.
    func improvements(in costs: [(name: String, cost: Cost)], path: String) -> [String] {
        costs.compactMap { name, cost in
            guard let limit = limits[name], cost.instructions < limit.instructions * 0.8 else { return nil }
            let (seen, noted) = (Int(cost.instructions.rounded(.up)), Int(limit.instructions))
            return "\(name): \(seen) instructions, \(noted) noted: lower its limit in \(path)"
        }
    }

    private func objections(to name: String, _ cost: Cost, path: String) -> [String] {
        guard let limit = limits[name] else { return ["\(name): has no limit: add it to \(path)"] }
        let advice = "look at what changed, or raise it in \(path) and say why"
        var objections: [String] = []
        if cost.instructions > limit.instructionsMax {
            let (seen, most) = (Int(cost.instructions.rounded(.up)), Int(limit.instructionsMax))
            objections.append("\(name): \(seen) instructions, at most \(most): \(advice)")
        }
        // The last digit of what is printed counts.
        if cost.allocations > limit.allocationsMax + 0.005 {
            let (seen, most) = (LimitFile.hundredths(cost.allocations), LimitFile.hundredths(limit.allocationsMax))
            objections.append("\(name): \(seen) allocations, at most \(most): \(advice)")
        }
        return objections
    }

    /// The file's text with limits for `costs`, its introduction kept.
    func text(for costs: [(name: String, cost: Cost)]) -> String {
        costs.reduce(into: introduction) { text, measured in
            let limit = Limit(measured: measured.cost)
            let cells = [
                measured.name, "\(Int(limit.instructions))", "\(Int(limit.instructionsMax))",
                LimitFile.hundredths(limit.allocations), LimitFile.hundredths(limit.allocationsMax),
            ]
            text += "| \(cells.joined(separator: " | ")) |\n"
        }
    }

    /// `1.5` as `1.50`.
    static func hundredths(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }
}

/// What keeps a measurement from being made.
struct MicroBenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
