import ArgumentParser
import Server

/// Where the log goes, how it looks and what is in it.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What is worth a line: debug, info, notice, warning, error; parts apart as in info,http=debug.",
            valueName: "levels"))
    var logLevel = "notice"
    @Option(help: ArgumentHelp("How lines of the log look.", valueName: "text|json")) var logFormat = LogFormat.text
    @Option(help: ArgumentHelp("Log into a file, opened anew on SIGHUP; standard error without.", valueName: "file"))
    var logFile: String?
    @Flag(help: "Log into the system's log, by syslog(3).") var logSyslog = false

    /// Whether the log doesn't go to standard error.
    var isElsewhere: Bool { logSyslog || logFile != nil }

    /// The log that was asked for; throws what is wrong with it.
    func makeLog() throws -> RouterLog {
        guard logFile == nil || !logSyslog else {
            throw ValidationError("--log-file and --log-syslog don't go together")
        }
        let target = logSyslog ? LogTarget.syslog : logFile.map { .file($0) } ?? .standardError
        let levels: LogLevels
        do {
            levels = LogLevels(try LogSpecification(parsing: logLevel))
        } catch {
            throw ValidationError("--\(error)")
        }
        return RouterLog(levels, try LogWriter(target, logFormat))
    }
}

extension LogFormat: ExpressibleByArgument {}
extension MetricsAccess: ExpressibleByArgument {}
