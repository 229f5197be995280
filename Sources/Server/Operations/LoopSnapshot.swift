internal import Base
internal import Core
internal import Reactor

/// What a loop tells of itself when it is asked.
struct LoopSnapshot: Sendable {
    var loop: LoopCounters
    var hub: HubCounters
    var node: NodeCounters
    /// Frames for other loops that were dropped, since these are far behind.
    var lostBusFrames: UInt64
    var connections: Int
    var sessions: Int
    var behind: Int
    var usersPerShard: [Int]
    var watches: Int
    var watchedUsers: Int
    var channels: Int
    var channelPublications: UInt64
    var channelHistoryBytes: Int
    /// Messages and confirms that wait for the store, and other frames and calls that do.
    var waitingMessages: Int
    var waitingAnswers: Int
    var pausedSenders: Int
    /// Estimated from some connections, if there are many.
    var outputBytes: Int
    var inputBytes: Int
    var cpuNanoseconds: UInt64
    /// How long the loop took for this.
    var nanoseconds: UInt64 = 0
}

extension LoopNode {
    /// Connections whose memory is looked at in one go: less than a millisecond.
    private static let sampledConnections = 4_096

    /// Everything about this loop, as it stands. *Thread:* the loop's.
    func snapshot() -> LoopSnapshot {
        let began = Clock.monotonicNanoseconds
        let (output, input) = bufferedBytes()
        var snapshot = LoopSnapshot(
            loop: loop.counters, hub: hub.counters, node: counters, lostBusFrames: bus.lost,
            connections: loop.channelCount,
            sessions: hub.sessionCount, behind: hub.behindCount, usersPerShard: hub.usersPerShard,
            watches: hub.watchCount, watchedUsers: hub.watchedUserCount, channels: hub.channelCount,
            channelPublications: hub.channelPublicationCount, channelHistoryBytes: hub.channelHistoryBytes,
            waitingMessages: hub.outstandingReplies, waitingAnswers: hub.pendingReadCount,
            pausedSenders: hub.pausedSenderCount, outputBytes: output, inputBytes: input,
            cpuNanoseconds: ProcessResources.threadNanoseconds)
        snapshot.nanoseconds = Clock.monotonicNanoseconds - began
        return snapshot
    }

    /// Bytes that wait to be taken by clients, and that wait for the rest of a frame or request. Where there are many
    /// connections some are looked at, others the next time, and they stand for all.
    private func bufferedBytes() -> (output: Int, input: Int) {
        var (output, input, looked) = (0, 0, 0)
        sampleFrom = loop.forSomeChannels(from: sampleFrom, most: LoopNode.sampledConnections) { channel in
            looked += 1
            output += channel.pendingBytes
            input += channel.delegate.bufferedBytes
        }
        guard looked > 0 else { return (0, 0) }
        let share = Double(loop.channelCount) / Double(looked)
        return (Int(Double(output) * share), Int(Double(input) * share))
    }
}
