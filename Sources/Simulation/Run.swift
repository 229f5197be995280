internal import CSimulatedDisk

/// How a run ended.
package struct RunResult: Sendable {
    package let seed: UInt64
    /// The promise that was broken; nil if all were kept.
    package let violation: String?
    /// The same for two runs in which the same happened.
    package let hash: UInt64
    /// What happened, if it was asked for.
    package let trace: [String]
    package let messages: Int
    package let crashes: Int
    package let diskFailures: Int
}

/// Runs worlds, one after the other, on one disk of its own.
///
/// *Thread:* one at a time.
package final class Runner {
    private let disk: SimulatedDisk
    private let plant: Plant?

    package static let stepsDefault = 400

    /// - Parameter name: distinct for each runner of the process.
    package init(name: String, plant: Plant? = nil) {
        disk = SimulatedDisk(name: name)
        self.plant = plant
    }

    /// Plays one world from its seed to its end; `keepsTrace` keeps every step's line for a replay.
    package func run(_ seed: UInt64, steps: Int = Runner.stepsDefault, keepsTrace: Bool = false) -> RunResult {
        simulated_run_begins(seed)
        let world = World(seed: seed, disk: disk, plant: plant, keepsTrace: keepsTrace)
        for _ in 0..<steps where !world.isBroken { world.step() }
        if !world.isBroken { world.finish() }
        // Connections to the disk go with the machine, broken promise or not.
        world.stop(cutsPower: false)
        world.crashIfHalted()
        return RunResult(
            seed: seed, violation: world.checker.violation, hash: world.trace.hash, trace: world.trace.lines,
            messages: world.checker.messages.count, crashes: world.crashes, diskFailures: Int(disk.failures))
    }
}
