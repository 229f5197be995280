import ArgumentParser
import Base
import Logging
import Reactor
import Server

/// Runs the router until SIGTERM or SIGINT.
struct RouterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "router",
        abstract: "A message router for chat: one binary, an embedded store, acks that mean “on disk”.",
        discussion: """
            Try it:
              router --dev
              then connect to ws://127.0.0.1:8080/chat?id=alice
            For real use:
              router --jwt-secret SECRET --api-key KEY --data /var/lib/switchboard
              with a token from: router token alice --jwt-secret SECRET
            or with tokens of your own sign-in: --jwt-key public.pem

            Every option may also stand in the environment (--jwt-secret as
            SWITCHBOARD_JWT_SECRET) and in a YAML file given by --config
            (as “jwt-secret: …”). The command line wins over the environment,
            the environment over the file. An unknown option or key is an error.

            Exit status: 0 after SIGTERM or SIGINT, 64 if an option, the
            environment or the file is wrong, 1 if the router couldn't start.
            """,
        subcommands: [TokenCommand.self, UserCommand.self])

    @OptionGroup var options: RouterOptions

    func run() async throws {
        let configuration = try options.configuration()
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var log = Logger(label: "router")
        log.logLevel = options.logLevel.level
        let descriptors = ProcessResources.raiseDescriptorLimit()
        var standardError = StandardError()
        let server: RouterServer
        do {
            server = try await RouterServer.start(configuration, log: log)
        } catch {
            print("router: \(error)", to: &standardError)
            throw ExitCode.failure
        }
        announce(server, descriptors: descriptors)
        TerminationSignals.onHangUp { server.resume() }
        let name = await TerminationSignals.wait()
        print("router: \(name): going down; everything acknowledged is on disk", to: &standardError)
        await server.stop()
    }

    private func announce(_ server: RouterServer, descriptors: Int) {
        let plan = server.tables
        let tables = plan.count == 1 ? "1 table" : "\(plan.count) tables"
        let secure = server.speaksTLS ? "s" : ""
        var lines = """
            Switchboard is ready.
              WebSocket and HTTP  http\(secure)://\(server.http)
              binary protocol     \(server.speaksTLS ? "tls" : "tcp")://\(server.tcp)
              data                \(options.data)
              open files          \(descriptors): room for \(plan.room) connections in \(tables)
            """
        if options.dev {
            lines += "\n  development mode: user ids are believed. Try: ws\(secure)://\(server.http)/chat?id=alice"
        }
        var standardError = StandardError()
        print(lines, to: &standardError)
    }
}
