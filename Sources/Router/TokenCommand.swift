import ArgumentParser
import Base
import Reactor
import Server

/// `router token USER`: for tests, small set-ups and a first look. The secret is the router's own option.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print a token (HS256) that signs a user in.",
        usage: "router token <user> [--hours <hours>] [<options of the router>]",
        discussion: """
            Examples:
              router token alice --config switchboard.yaml --hours 1
              router token alice --jwt-secret SECRET

            The secret is the one that a router with the same command line,
            environment and file would have: --jwt-secret before
            SWITCHBOARD_JWT_SECRET before the file of --config.
            """)

    @ParentCommand private var router: RouterCommand
    @Argument(help: "The user id.") var user: String
    @Option(help: ArgumentHelp("How long the token is good for.", valueName: "hours")) var hours: UInt64 = 24 * 30

    func run() throws {
        guard let user = Identifier(user) else {
            throw ValidationError("USER must be 1-64 bytes without white space, control characters, ':' and '/'")
        }
        guard let secret = router.options.jwtSecret else {
            throw ValidationError("there is no secret: give --jwt-secret, SWITCHBOARD_JWT_SECRET or --config")
        }
        guard secret.utf8.count >= 16 else {
            throw ValidationError("--jwt-secret must have at least 16 bytes, as the router demands")
        }
        guard (1...876_000).contains(hours) else { throw ValidationError("--hours must be 1 to 876000 (100 years)") }
        let tokens = JSONWebTokens(secret: secret)
        print(tokens.mint(user, now: Clock.realtimeMilliseconds, seconds: hours * 3600))
    }
}
