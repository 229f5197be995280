import ArgumentParser
import Base
import Glibc
import Server

/// `router user …`: what the store holds about one user, given out or taken away.
struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Export or erase all that is stored about a user.",
        subcommands: [UserExportCommand.self, UserEraseCommand.self])
}

/// What both commands are told, and how they end.
struct UserSelection: ParsableArguments {
    @Argument(help: "The user id.") var user: String

    var identifier: Identifier {
        get throws {
            guard let user = Identifier(user) else {
                throw ValidationError(
                    "USER must be 1-64 bytes without white space, control characters, ':' and '/'")
            }
            return user
        }
    }

    /// The exit status for an id that nothing is known of.
    private static let unknownStatus: Int32 = 3

    func fail(_ error: any Error) -> ExitCode {
        tell("router: \(error)")
        return .failure
    }

    func unknown(in directory: String) -> ExitCode {
        tell("router: nothing is known of a user \(user) in \(directory). Ids are case-sensitive; --data says where")
        return ExitCode(UserSelection.unknownStatus)
    }

    func tell(_ text: String) {
        var standardError = StandardError()
        print(text, to: &standardError)
    }
}

/// `router user export USER`.
struct UserExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write all that is stored about a user as JSON.",
        usage: "router user export <user> [--data <dir>] [--output <file>]",
        discussion: """
            Examples:
              router user export alice --data /var/lib/switchboard --output alice.json
              router user export alice --config switchboard.yaml | jq .account

            The document has the account (not the password), contacts, requests,
            blocks, groups, devices, conversations, the inbox, the messages of all
            of the user's conversations, earlier versions of the user's messages,
            and events as far as they are kept. What was recalled isn't in it, nor
            what is held back from the user.

            A stopped router's directory is read whole. Next to a running router
            it works too; what was sent in the last seconds may then be missing,
            and the document says "live":true.

            Exit status: 0 done, 1 the directory or the file can't be used,
            3 nothing is known of this user, 64 an option is wrong.
            """)

    @ParentCommand private var router: RouterCommand
    @OptionGroup var selection: UserSelection
    @Option(help: ArgumentHelp("Where to write; standard output without. Others may not read it.", valueName: "file"))
    var output: String?

    func run() throws {
        let user = try selection.identifier
        let file = OutputFile(path: output)
        do {
            let options = router.options
            guard
                var export = try UserExport(
                    of: user, in: options.data, inboxMembersMax: options.inboxMembers, to: { try file.write($0) })
            else { throw selection.unknown(in: options.data) }
            if export.isLive {
                selection.tell("router: a router has \(options.data) open; its last seconds may be missing")
            }
            try export.run()
            try file.finish()
        } catch let code as ExitCode {
            throw code
        } catch {
            file.discard()
            throw selection.fail(error)
        }
    }
}

/// `router user erase USER`.
struct UserEraseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase", abstract: "Erase a user, and the content of all that the user sent.",
        usage: "router user erase <user> [--data <dir>] (--yes | --dry-run)",
        discussion: """
            Examples:
              router user erase alice --data /var/lib/switchboard --dry-run
              router user erase alice --data /var/lib/switchboard --yes

            The router must be stopped. What goes: the account and its logins,
            contacts, requests, blocks, memberships, devices, inbox, chat list, and
            the content of every message that the user sent. These keep their
            places in others' histories, as if they were recalled. A group without
            an admin gets another one; a group without members goes. The files
            are written anew, so they don't hold the content either: that takes
            as much free space as they have now.

            It can't be undone, but by a backup. If it is interrupted, do it
            again, or start the router: either finishes it.

            Exit status: 0 done, 1 the directory can't be used, 3 nothing is known
            of this user, 64 an option is wrong or --yes is missing.
            """)

    @ParentCommand private var router: RouterCommand
    @OptionGroup var selection: UserSelection
    @Flag(help: "Do it; without, nothing is erased.") var yes = false
    @Flag(help: "Say what would be erased, and end.") var dryRun = false

    func validate() throws {
        guard yes != dryRun else {
            throw ValidationError("say --dry-run to see what would be erased, or --yes to erase it for good")
        }
    }

    func run() throws {
        let user = try selection.identifier
        let options = router.options
        do {
            guard !dryRun else { return try showPlan(of: user) }
            let start = ContinuousClock.now
            guard try UserEraser.erase(user, in: options.data, inboxMembersMax: options.inboxMembers) else {
                guard try UserEraser.isErased(user, in: options.data) else { throw selection.unknown(in: options.data) }
                return selection.tell("\(user) is erased already.")
            }
            selection.tell("\(user) is erased; it took \((ContinuousClock.now - start).formatted).")
        } catch let code as ExitCode {
            throw code
        } catch {
            throw selection.fail(error)
        }
    }

    private func showPlan(of user: Identifier) throws {
        let options = router.options
        guard let lines = try UserEraser.plan(of: user, in: options.data, inboxMembersMax: options.inboxMembers) else {
            throw selection.unknown(in: options.data)
        }
        print("Erasing \(user) from \(options.data) would take away:")
        for line in lines { print("  \(line)") }
    }
}

extension Duration {
    /// Seconds with two digits behind the point.
    fileprivate var formatted: String {
        let hundredths = components.seconds * 100 + components.attoseconds / 10_000_000_000_000_000
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) s"
    }
}
