/// What goes wrong on purpose during a verification.
package struct VerifyFaults: Sendable, Equatable {
    /// Seconds between kills of the router, on average; nil: none. So are the others.
    package var killEvery: Double?
    /// Between stops by SIGSTOP, of up to two seconds.
    package var stopEvery: Double?
    /// Between harms to a connection by a proxy.
    package var cutEvery: Double?
    /// Up to how long the proxy keeps what goes through; 0: not at all.
    package var delayMilliseconds = 0
    /// Whether calls on the files of the router fail now and then.
    package var hasDiskFaults = false
    /// Whether its clock jumps.
    package var jumpsClock = false

    package init() {}

    /// Whether clients go through a proxy.
    var needsProxy: Bool { cutEvery != nil || delayMilliseconds > 0 }
    /// Whether the router runs behind the shim.
    package var needsShim: Bool { hasDiskFaults || jumpsClock }
    /// Whether the router must be one that was started for the run.
    package var needsServer: Bool { killEvery != nil || stopEvery != nil || needsShim }
    /// Whether anything happens within a round.
    var areAny: Bool { needsProxy || needsServer }
}

/// How often something went wrong on purpose, by its name in a report.
package struct FaultCounts: Sendable, Equatable {
    /// In the order in which they are shown.
    private(set) package var rows: [(key: String, label: String, count: Int)] = []

    package init() {}

    package static func == (left: FaultCounts, right: FaultCounts) -> Bool {
        left.rows.elementsEqual(right.rows) { $0 == $1 }
    }

    mutating func add(_ key: String, _ label: String, _ count: Int = 1) {
        if let index = rows.firstIndex(where: { $0.key == key }) {
            rows[index].count += count
        } else {
            rows.append((key, label, count))
        }
    }
}
