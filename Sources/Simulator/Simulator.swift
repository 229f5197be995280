internal import ArgumentParser
internal import Glibc
internal import Simulation

@main
struct Simulator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulator",
        abstract: "Runs whole worlds of routers, clients and failing disks from seeds, and checks every promise.",
        subcommands: [RunCommand.self, ReplayCommand.self])

    /// Swift's tables and ours are in the same order in every process only if the environment says so from its start.
    static func repeatable() {
        let name = "SWIFT_DETERMINISTIC_HASHING"
        guard getenv(name) == nil else { return }
        setenv(name, "1", 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        execv("/proc/self/exe", &arguments)
    }
}

extension Plant: ExpressibleByArgument {}

struct WorldOptions: ParsableArguments {
    @Option(help: "Steps before the quiet end of a run.")
    var steps = Runner.stepsDefault

    @Option(help: "Put a bug in, to see that it is found.")
    var plant: Plant?

    /// How to ask for the same again.
    var arguments: String {
        let steps = self.steps == Runner.stepsDefault ? "" : " --steps \(self.steps)"
        return steps + (plant.map { " --plant \($0.rawValue)" } ?? "")
    }
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Does many runs; stops at the first broken promise.")

    @Option(help: "How many.")
    var runs = 10_000

    @Option(help: "Seed of the first run; the others follow it.")
    var seed: UInt64 = 1

    @Option(help: "Threads.")
    var jobs = 2

    @OptionGroup var world: WorldOptions

    func run() throws {
        Simulator.repeatable()
        let start = RunCommand.seconds()
        let campaign = Campaign(firstSeed: seed, runs: runs, steps: world.steps, plant: world.plant)
        let isTerminal = isatty(STDERR_FILENO) == 1
        let end = campaign.run(jobs: max(jobs, 1)) { progress in
            guard isTerminal else { return }
            RunCommand.show("\r\(progress.done) of \(runs) runs, \(progress.crashes) crashes ")
        }
        if isTerminal { RunCommand.show("\n") }
        let seconds = RunCommand.seconds() - start
        print(
            "\(end.done) runs in \(Int(seconds)) s: \(Int(Double(end.done) * 60 / seconds)) a minute; "
                + "\(end.messages) messages, \(end.crashes) crashes, \(end.diskFailures) disk faults")
        guard let failure = end.failure else { return }
        let trace = Runner(name: "again", plant: world.plant).run(failure.seed, steps: world.steps, keepsTrace: true)
        trace.trace.suffix(40).forEach { print("  \($0.prefix(400))") }
        print("BROKEN: \(failure.violation ?? "")")
        print("seed \(failure.seed); to reproduce: simulator replay \(failure.seed)\(world.arguments)")
        throw ExitCode(1)
    }

    private static func show(_ text: String) { _ = write(STDERR_FILENO, text, text.utf8.count) }

    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Does one run again and prints what happens.")

    @Argument(help: "The seed of the run.")
    var seed: UInt64

    @OptionGroup var world: WorldOptions

    func run() throws {
        Simulator.repeatable()
        let result = Runner(name: "replay", plant: world.plant).run(seed, steps: world.steps, keepsTrace: true)
        result.trace.forEach { print($0) }
        print(
            "seed \(seed): \(result.messages) messages, \(result.crashes) crashes, hash "
                + String(result.hash, radix: 16))
        guard let violation = result.violation else { return }
        print("BROKEN: \(violation)")
        throw ExitCode(1)
    }
}
