package import Logging
internal import Reactor

/// The loggers of the router's parts. *Thread:* any.
///
/// What is logged is numbers, names of routes and reasons. Never a token, a key, a password, a path or a body: a log is
/// read by more people than these are for.
package struct RouterLog: Sendable {
    /// Changeable while the router runs.
    package let levels: LogLevels
    /// nil: lines go nowhere.
    package let writer: LogWriter?
    package let router: Logger
    let connections: Logger
    let http: Logger
    let store: Logger
    let webhook: Logger

    package init(_ levels: LogLevels, _ writer: LogWriter?) {
        let logger = { (subsystem: LogSubsystem) in
            Logger(label: subsystem.rawValue) { _ in RouterLogHandler(subsystem, levels, writer) }
        }
        self.levels = levels
        self.writer = writer
        router = logger(.router)
        connections = logger(.connections)
        http = logger(.http)
        store = logger(.store)
        webhook = logger(.webhook)
    }

    /// One that says nothing, for tests.
    package static var silent: RouterLog { RouterLog(LogLevels(LogSpecification(.critical)), nil) }
}

/// Gives the lines of one subsystem to the writer.
private struct RouterLogHandler: LogHandler {
    private let subsystem: LogSubsystem
    private let levels: LogLevels
    private let writer: LogWriter?
    /// Set by whoever wants another level for a copy of its logger.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(_ subsystem: LogSubsystem, _ levels: LogLevels, _ writer: LogWriter?) {
        self.subsystem = subsystem
        self.levels = levels
        self.writer = writer
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? levels.level(of: subsystem) }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard let writer else { return }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        writer.write(
            LogLine(
                level: event.level, subsystem: subsystem, message: event.message.description,
                metadata: all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, time: Clock.realtimeMilliseconds))
    }
}
