package import Base

/// Why a loop has a connection no more.
package enum CloseReason: String, Sendable, CaseIterable {
    /// The peer ended it, or is gone.
    case peer
    /// We ended it, and everything that was written went out.
    case ended
    /// The kernel reported an error.
    case error
    /// More waited for the peer than may wait.
    case overfull
    /// The peer took nothing more of what waited for it after the end.
    case stalled
    /// We ended it at once.
    case aborted
    /// The loop stopped.
    case stopped
}

/// What a loop has done since it began: plain numbers that only the loop writes, and gives a copy of when it is asked.
package struct LoopCounters: Sendable {
    /// Connections that came in from outside.
    package internal(set) var accepted: UInt64 = 0
    /// Seconds in which connections couldn't be accepted.
    package internal(set) var acceptFailures: UInt64 = 0
    /// Connections that went to another loop, and that came from one.
    package internal(set) var movedOut: UInt64 = 0
    package internal(set) var movedIn: UInt64 = 0
    package internal(set) var bytesReceived: UInt64 = 0
    package internal(set) var bytesSent: UInt64 = 0
    package internal(set) var receives: UInt64 = 0
    package internal(set) var sends: UInt64 = 0
    /// Nanoseconds that were not waited.
    package internal(set) var busyNanoseconds: UInt64 = 0
    /// How long ticks took, from the end of the wait to the end of the flush.
    package internal(set) var ticks = Histogram(.seconds)
    private var closings = Array(repeating: 0 as UInt64, count: CloseReason.allCases.count)

    /// Connections that ended for a reason.
    package func closed(_ reason: CloseReason) -> UInt64 { closings[LoopCounters.index(reason)] }

    mutating func countClosed(_ reason: CloseReason) { closings[LoopCounters.index(reason)] &+= 1 }

    mutating func countTick(_ nanoseconds: UInt64) {
        busyNanoseconds &+= nanoseconds
        ticks.record(nanoseconds)
    }

    private static func index(_ reason: CloseReason) -> Int { CloseReason.allCases.firstIndex(of: reason) ?? 0 }
}
