internal import CAllocations

/// A piece of work that is done over and over, so that what one costs can be counted.
struct Benchmark {
    /// Also the key of its limits.
    let name: String
    /// How often one run does the work.
    let pieces: Int
    /// Makes what the work needs, which isn't counted, and gives a run. A run returns what came of its work, so that
    /// no compiler leaves it out; anything wrong in it traps.
    let prepare: () throws -> () throws -> Int

    init(_ name: String, pieces: Int = 1_000, prepare: @escaping () throws -> () throws -> Int) {
        self.name = name
        self.pieces = pieces
        self.prepare = prepare
    }

    /// Allocations of one piece of work.
    func allocations() throws -> Double {
        let run = try prepare()
        // The first run pays for what is made once in a process.
        var sum = try run()
        let before = cal_count()
        sum &+= try run()
        let after = cal_count()
        Benchmark.keep(sum)
        return Double(after - before) / Double(pieces)
    }

    /// Runs between two marks for whoever counts instructions from outside: the first part is what came before, …
    func mark() throws {
        let run = try prepare()
        var sum = try run()
        cal_mark()
        sum &+= try run()
        cal_mark()
        Benchmark.keep(sum)
    }

    @inline(never)
    private static func keep(_ value: Int) { precondition(value != .min) }
}
