package import Logging
internal import Synchronization

/// The parts of the router whose log lines have a level of their own.
package enum LogSubsystem: String, Sendable, CaseIterable {
    /// Starting, going down, and what concerns all of it.
    case router
    /// Connections of clients: accepting, signing in, ending.
    case connections
    case http
    case store
    case webhook
}

/// From which level on each subsystem's lines are written; changeable while the router runs. *Thread:* any.
package final class LogLevels: Sendable {
    /// A byte for each subsystem, in their order: one load tells, and no loop waits for another.
    private let packed: Atomic<UInt64>

    package init(_ specification: LogSpecification = LogSpecification()) {
        packed = Atomic(LogLevels.pack(specification))
    }

    /// The level of a subsystem.
    package func level(of subsystem: LogSubsystem) -> Logger.Level {
        let place = LogSubsystem.allCases.firstIndex(of: subsystem) ?? 0
        return Logger.Level.allCases[Int(packed.load(ordering: .relaxed) >> (8 * UInt64(place)) & 0xFF)]
    }

    /// The levels that are in force.
    package var specification: LogSpecification {
        LogSpecification(
            levels: Dictionary(uniqueKeysWithValues: LogSubsystem.allCases.map { ($0, level(of: $0)) }))
    }

    /// Puts other levels in force.
    package func set(_ specification: LogSpecification) {
        packed.store(LogLevels.pack(specification), ordering: .relaxed)
    }

    private static func pack(_ specification: LogSpecification) -> UInt64 {
        LogSubsystem.allCases.reversed().reduce(0) { packed, subsystem in
            let level = specification.levels[subsystem] ?? LogSpecification.defaultLevel
            return packed << 8 | UInt64(Logger.Level.allCases.firstIndex(of: level) ?? 0)
        }
    }
}

/// Levels as an operator writes them: `info,http=debug,store=warning`.
package struct LogSpecification: Sendable, Equatable, CustomStringConvertible {
    package static let defaultLevel = Logger.Level.notice

    /// Of every subsystem.
    package let levels: [LogSubsystem: Logger.Level]

    /// The same level for all.
    package init(_ level: Logger.Level = LogSpecification.defaultLevel) {
        levels = Dictionary(uniqueKeysWithValues: LogSubsystem.allCases.map { ($0, level) })
    }

    init(levels: [LogSubsystem: Logger.Level]) { self.levels = levels }

    /// Throws what is wrong, in words for the operator.
    package init(parsing text: String) throws(ConfigurationError) {
        var common = LogSpecification.defaultLevel
        var own: [LogSubsystem: Logger.Level] = [:]
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let level = Logger.Level(rawValue: words[words.count - 1]) else {
                let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw ConfigurationError("log level “\(part)”: levels are \(names)")
            }
            if words.count == 1 {
                common = level
            } else if let subsystem = LogSubsystem(rawValue: words[0]) {
                own[subsystem] = level
            } else {
                let names = LogSubsystem.allCases.map(\.rawValue).joined(separator: ", ")
                throw ConfigurationError("log level “\(part)”: parts of the router are \(names)")
            }
        }
        levels = LogSpecification(common).levels.merging(own) { $1 }
    }

    /// The most common level first, then what differs from it.
    package var description: String {
        let counts = Dictionary(grouping: levels.values, by: \.self).mapValues(\.count)
        let common = counts.max { $0.value < $1.value || $0.value == $1.value && $0.key > $1.key }?.key
            ?? LogSpecification.defaultLevel
        let others = LogSubsystem.allCases.filter { levels[$0] != common }
        return ([common.rawValue] + others.map { "\($0.rawValue)=\(levels[$0] ?? common)" }).joined(separator: ",")
    }
}
