import ArgumentParser
import Base
import Logging
import Reactor
import Server

@main
struct RouterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "router",
        abstract: "A message router for chat: one binary, an embedded store, acks that mean “on disk”.",
        discussion: """
            Try it:        router --dev
                           then connect to ws://127.0.0.1:8080/chat?id=alice
            For real use:  router --jwt-secret SECRET --api-key KEY --data /var/lib/switchboard
                           with a token from: router token alice --jwt-secret SECRET

            Every option may also stand in the environment (--jwt-secret as SWITCHBOARD_JWT_SECRET) and in a YAML
            file given by --config (as “jwt-secret: …”). The command line wins over the environment, the environment
            over the file. An unknown option or key is an error.
            """,
        subcommands: [ServeCommand.self, TokenCommand.self],
        defaultSubcommand: ServeCommand.self)

    /// Puts what the file and the environment say in front of what the command line says: the last one wins.
    static func main() async {
        do {
            let arguments = try LayeredArguments.assemble(Array(CommandLine.arguments.dropFirst()))
            var command = try RouterCommand.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            exit(withError: error)
        }
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
        guard (1...876_000).contains(hours) else { throw ValidationError("--hours must be 1 to 876000 (100 years)") }
        let tokens = JSONWebTokens(secret: jwtSecret)
        print(tokens.mint(user, now: Clock.realtimeMilliseconds, seconds: hours * 3600))
    }
}
