import ArgumentParser
import Glibc
import Server

/// `router status`: how a running router does, for whoever sits at its terminal, and for scripts by the exit status.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Tell how a running router does.",
        usage: "router status [--url <url>] [<options of the router>]",
        discussion: """
            Examples:
              router status --config switchboard.yaml
              router status --url http://127.0.0.1:8080 --api-key KEY

            Where it listens and the API key are those that a router with the
            same command line, environment and file would have.

            Exit status: 0 if the router takes traffic, 1 if it doesn't or
            can't be asked.
            """)

    @ParentCommand private var router: RouterCommand
    @Option(help: ArgumentHelp("Where the router listens.", valueName: "url")) var url: String?

    func run() throws {
        let url = url ?? router.options.url
        let client = OperatorClient(url: url, apiKey: router.options.apiKey)
        do {
            let ready = try client.get("/readyz")
            let first = try reading(client)
            // Rates are over this second.
            sleep(1)
            let last = try reading(client)
            print(StatusPage(url: url, first: first, last: last, isReady: ready.status == 200, answer: ready.body).text)
            if ready.status != 200 { throw ExitCode.failure }
        } catch let error as ConfigurationError {
            var standardError = StandardError()
            print("router status: \(error)", to: &standardError)
            throw ExitCode.failure
        }
    }

    private func reading(_ client: OperatorClient) throws -> MetricsReading {
        let answer = try client.get("/metrics")
        guard answer.status == 200 else {
            let hint = answer.status == 401 ? ": give its --api-key" : ""
            throw ConfigurationError("/metrics answered \(answer.status)\(hint)")
        }
        return MetricsReading(answer.body)
    }
}

/// `router log-level`: what is worth a line of a running router's log.
struct LogLevelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log-level", abstract: "Tell or change what a running router logs.",
        usage: "router log-level [<levels>] [--url <url>] [<options of the router>]",
        discussion: """
            Examples:
              router log-level --config switchboard.yaml
              router log-level info,http=debug --config switchboard.yaml

            The change holds until the next one, or the end of the process.
            """)

    @ParentCommand private var router: RouterCommand
    @Argument(help: "What is worth a line, as --log-level takes it; nothing is changed without.") var levels: String?
    @Option(help: ArgumentHelp("Where the router listens.", valueName: "url")) var url: String?

    func run() throws {
        let client = OperatorClient(url: url ?? router.options.url, apiKey: router.options.apiKey)
        do {
            let answer = try levels.map(client.setLogLevel) ?? client.get("/api/log-level")
            guard answer.status == 200 else {
                throw ConfigurationError("the router answered \(answer.status) \(answer.body)")
            }
            print(answer.body)
        } catch let error as ConfigurationError {
            var standardError = StandardError()
            print("router log-level: \(error)", to: &standardError)
            throw ExitCode.failure
        }
    }
}

extension RouterOptions {
    /// Where a router with these options is reached from its own machine.
    fileprivate var url: String {
        "http://" + listen.replacing("0.0.0.0:", with: "127.0.0.1:").replacing("[::]:", with: "[::1]:")
    }
}
