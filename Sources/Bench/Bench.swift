import ArgumentParser
import LoadGenerator
import Reactor

/// The load generator.
@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Loads a message router and tells what it costs.",
        discussion: """
            Every command works against a running router (--url, --tcp) or starts one of its own (--spawn PATH).
            The first run:

              make build bench
              .build/release/bench pair --spawn .build/release/router

            `bench help COMMAND` shows what a command measures, its options and examples. What the figures mean
            stands in docs/benchmarks.md.
            """,
        subcommands: [
            PairCommand.self, FanoutCommand.self, ConnectCommand.self, IdleCommand.self, StormCommand.self,
            MixedCommand.self, VerifyCommand.self, CompareCommand.self, FloorCommand.self, FloorServerCommand.self,
        ])
}

/// What every command does first; returns how many descriptors it may open.
@discardableResult
func prepareProcess() -> Int {
    Interruption.prepare()
    ChildServer.removeAbandoned()
    return ProcessResources.raiseDescriptorLimit()
}

extension WireProtocol: ExpressibleByArgument {}
extension MessageMode: ExpressibleByArgument {}
extension Plan.Shape: ExpressibleByArgument {}
