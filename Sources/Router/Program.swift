import ArgumentParser
import Base
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
                // The root would take the options that both know for itself.
                if arguments.first == "token" {
                    var command = try TokenCommand.parseAsRoot(Array(arguments.dropFirst()))
                    try command.run()
                } else {
                    var command = try RouterCommand.parseAsRoot(arguments)
                    if let router = command as? RouterCommand { try await router.run() } else { try command.run() }
                }
                RouterCommand.exit()
            } catch {
                RouterCommand.exit(withError: error)
            }
        }
        TerminationSignals.deliver()
    }
}

/// `router token USER`: for tests, small set-ups and a first look.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print a token (HS256) that signs a user in.",
        discussion: "Example: router token alice --jwt-secret 0123456789abcdef --hours 1")

    @Argument(help: "The user id.") var user: String
    @Option(name: .customLong("jwt-secret"), help: "The secret that the router was started with.")
    var jwtSecret: String
    @Option(help: ArgumentHelp("How long the token is good for.", valueName: "hours")) var hours: UInt64 = 24 * 30

    func run() throws {
        guard let user = Identifier(user) else {
            throw ValidationError("USER must be 1-64 bytes without white space, control characters, ':' and '/'")
        }
        guard jwtSecret.utf8.count >= 16 else {
            throw ValidationError("--jwt-secret must have at least 16 bytes, as the router demands")
        }
        guard (1...876_000).contains(hours) else { throw ValidationError("--hours must be 1 to 876000 (100 years)") }
        let tokens = JSONWebTokens(secret: jwtSecret)
        print(tokens.mint(user, now: Clock.realtimeMilliseconds, seconds: hours * 3600))
    }
}
