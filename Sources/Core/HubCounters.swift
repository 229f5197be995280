package import Base
package import Wire

/// What a hub has done since it began: plain numbers that only its loop writes, and gives a copy of when it is asked.
package struct HubCounters: Sendable {
    /// Frames of signed-in clients.
    package internal(set) var jsonFramesReceived: UInt64 = 0
    package internal(set) var binaryFramesReceived: UInt64 = 0
    /// Frames written to sessions, publications of channels excepted.
    package internal(set) var framesSent: UInt64 = 0
    /// Messages handed to the store, those of HTTP calls among them.
    package internal(set) var privateMessages: UInt64 = 0
    package internal(set) var groupMessages: UInt64 = 0
    /// Inbox entries and messages of large groups that were pushed to sessions.
    package internal(set) var pushes: UInt64 = 0
    /// Frames and calls that the store has answered: acks, and answers to confirms and reads.
    package internal(set) var acks: UInt64 = 0
    /// Nanoseconds from the tick in which a message came in to the end of that in which its ack was sent.
    package internal(set) var ackSeconds = Histogram(.seconds)
    /// Times that a session fell behind.
    package internal(set) var behind: UInt64 = 0
    /// Live events that were dropped, since the session's socket took nothing.
    package internal(set) var droppedEvents: UInt64 = 0
    /// Times that a subscriber took too little of a channel and was sent to its history.
    package internal(set) var channelLags: UInt64 = 0
    /// Users who came online, or left.
    package internal(set) var usersCame: UInt64 = 0
    package internal(set) var usersLeft: UInt64 = 0
    /// Sessions that were welcomed.
    package internal(set) var signIns: UInt64 = 0
    private var errors = Array(repeating: 0 as UInt64, count: ErrorCode.allCases.count)

    /// Errors that clients were told, by code.
    package func errors(_ code: ErrorCode) -> UInt64 { errors[HubCounters.index(code)] }

    mutating func countError(_ code: ErrorCode) { errors[HubCounters.index(code)] &+= 1 }

    private static func index(_ code: ErrorCode) -> Int { ErrorCode.allCases.firstIndex(of: code) ?? 0 }
}

/// The acks that this tick has written, by the batch that they answer for.
struct WrittenAcks {
    private var batches: [(takenAt: UInt64, count: UInt64)] = []

    mutating func add(_ count: Int, takenAt: UInt64) {
        guard count > 0, takenAt > 0 else { return }
        batches.append((takenAt, UInt64(count)))
    }

    mutating func record(in histogram: inout Histogram, sentAt instant: UInt64) {
        guard !batches.isEmpty else { return }
        for batch in batches where instant > batch.takenAt {
            histogram.record(instant - batch.takenAt, times: batch.count)
        }
        batches.removeAll(keepingCapacity: true)
    }
}

extension Hub {
    /// Counts an error that a client was told in words that didn't come from here.
    package func noteError(_ code: ErrorCode) { counters.countError(code) }

    /// What the tick has written was offered to the sockets.
    package func noteFlush(at instant: UInt64) { writtenAcks.record(in: &counters.ackSeconds, sentAt: instant) }

    /// Channels whose home this loop is.
    package var channelCount: Int { channelHome.count }
    /// Publications that channels of this loop have taken.
    package var channelPublicationCount: UInt64 { channelHome.published }
    /// Bytes of the histories of this loop's channels.
    package var channelHistoryBytes: Int { channelHome.historyBytes }
    /// Frames and calls that wait for an answer of the store, messages excepted.
    package var pendingReadCount: Int { pending.count }
    /// Sessions that aren't read from until the store has taken what waits.
    package var pausedSenderCount: Int { pausedHandles.count }
}
