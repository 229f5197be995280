import ArgumentParser
import EmbeddedStore

/// `router check`: looks whether a data directory, or a backup, is whole.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look whether a data directory or a backup is whole; changes nothing.",
        usage: "router check [--data <dir>] [<options of the router>]",
        discussion: """
            Looks at the integrity of both databases, the journal's checksums,
            every conversation and every inbox as a sequence without holes, and
            the indexes against the messages they lead to. No router may run on
            the directory. Says what it is doing on standard error.

            Exit status: 0 if all is well, 1 with findings on standard output.
            """)

    @ParentCommand private var router: RouterCommand

    func run() throws { try MaintenanceCommands.check(router.options.data) }
}

/// `router backup`: a copy of a data directory, also while a router runs on it.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy a data directory, also while a router runs on it.",
        usage: "router backup --to <dir> [--data <dir>] [<options of the router>]",
        discussion: """
            What was acknowledged before the command began is in the copy. The
            copy is a directory, which appears under its name when it is whole.

              router backup --data /var/lib/switchboard --to /backup/monday
            """)

    @ParentCommand private var router: RouterCommand
    @Option(help: ArgumentHelp("Where the copy goes: a directory that doesn't exist yet.", valueName: "dir"))
    var to: String

    func run() throws {
        try MaintenanceCommands.attempt {
            try StoreBackup.take(from: router.options.data, to: to, progress: MaintenanceCommands.tell)
        }
        print("\(to) is a whole copy of \(router.options.data)")
    }
}

/// `router restore`: a data directory made of a backup.
struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a data directory of a backup, and check it.",
        usage: "router restore --from <dir> [--data <dir>] [<options of the router>]",
        discussion: """
            The data directory must be empty or not exist. It gets another
            epoch than the store that was copied, by which clients see that
            they must start over.

              router restore --from /backup/monday --data /var/lib/switchboard
            """)

    @ParentCommand private var router: RouterCommand
    @Option(help: ArgumentHelp("The backup.", valueName: "dir")) var from: String

    func run() throws {
        try MaintenanceCommands.attempt { try StoreBackup.restore(from: from, to: router.options.data) }
        try MaintenanceCommands.check(router.options.data)
    }
}

/// What the commands for the operator have in common.
enum MaintenanceCommands {
    static func tell(_ text: String) {
        var standardError = StandardError()
        print(text, to: &standardError)
    }

    /// Says what failed, and ends the program with 1.
    static func attempt<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as StoreOpenError {
            tell("router: \(error)")
            throw ExitCode.failure
        }
    }

    static func check(_ directory: String) throws {
        let check = try attempt { try StoreCheck.run(directory: directory, progress: tell) }
        for finding in check.findings { print(finding) }
        guard check.findings.isEmpty else {
            tell("router: \(directory) isn't whole")
            throw ExitCode.failure
        }
        print("\(directory) is whole: \(check.summary)")
    }
}
