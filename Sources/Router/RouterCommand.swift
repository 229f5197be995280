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
        version: ProductVersion.text,
        subcommands: [
            TokenCommand.self, StatusCommand.self, LogLevelCommand.self, UserCommand.self, CheckCommand.self,
            BackupCommand.self, RestoreCommand.self,
        ])

    @OptionGroup var options: RouterOptions

    func run() async throws {
        let configuration = try options.configuration()
        let log = try options.log.makeLog()
        defer { log.writer?.stop() }
        let descriptors = ProcessResources.raiseDescriptorLimit()
        let server: RouterServer
        do {
            server = try await RouterServer.start(configuration, log: log)
        } catch {
            log.router.critical("can't start: \(error)")
            // Whoever started it looks here, wherever the log goes.
            var standardError = StandardError()
            if options.log.isElsewhere { print("router: \(error)", to: &standardError) }
            throw ExitCode.failure
        }
        announce(server, descriptors: descriptors, in: log.router)
        TerminationSignals.onHangUp {
            log.writer?.reopen()
            server.resume()
        }
        let name = await TerminationSignals.wait()
        log.router.notice("\(name): going down; everything acknowledged is on disk")
        await server.stop()
    }

    private func announce(_ server: RouterServer, descriptors: Int, in log: Logger) {
        let plan = server.tables
        let tables = plan.count == 1 ? "1 table" : "\(plan.count) tables"
        let secure = server.speaksTLS ? "s" : ""
        log.notice(
            "Switchboard \(ProductVersion.text) is ready: room for \(plan.room) connections in \(tables)",
            metadata: [
                "http": "http\(secure)://\(server.http)",
                "tcp": "\(server.speaksTLS ? "tls" : "tcp")://\(server.tcp)", "data": "\(options.data)",
                "open_files": .stringConvertible(descriptors),
            ])
        guard options.dev else { return }
        log.notice("development mode: user ids are believed. Try: ws\(secure)://\(server.http)/chat?id=alice")
    }
}
