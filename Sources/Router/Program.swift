import ArgumentParser
import Reactor
import Server

/// Puts what the file and the environment say in front of what the command line says, and runs the command.
@main
enum Program {
    static func main() {
        // Here, where there is but one thread, so that all others leave these signals alone too.
        TerminationSignals.hold()
        ProcessResources.keepFreedMemory(bytes: 8 << 20)
        // Detached: the main thread, and so the main actor, waits for signals and does nothing else.
        Task.detached {
            do {
                let arguments = try LayeredArguments.assemble(Array(CommandLine.arguments.dropFirst()))
                var command = try RouterCommand.parseAsRoot(arguments)
                if let router = command as? RouterCommand { try await router.run() } else { try command.run() }
                RouterCommand.exit()
            } catch {
                RouterCommand.exit(withError: error)
            }
        }
        TerminationSignals.deliver()
    }
}
