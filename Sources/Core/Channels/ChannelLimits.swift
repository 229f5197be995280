/// How much of channels a loop keeps; a test may want less.
package struct ChannelLimits: Sendable {
    /// Tells this process from the one before: a part of each channel's epoch. To be drawn at random.
    package var instance: UInt64 = 0
    /// Publications of one channel's history, their bytes, and how old they become.
    package var historyCountMax = 1_000
    package var historyBytesMax = 1 << 20
    package var historyMilliseconds: UInt64 = 300_000
    /// Bytes of all histories that live on one loop; those that rested longest go first.
    package var allHistoriesBytesMax = 64 << 20
    /// Channels that live on one loop.
    package var channelsMax = 100_000
    /// A channel that nobody used for so long is forgotten, its offset included.
    package var idleMilliseconds: UInt64 = 3_600_000
    /// What a session gets of a history before its socket has its turn.
    package var pageBytesMax = 64 << 10
    /// What may be on its way from one loop to another; beyond, publications are refused. A small one counts as 256
    /// bytes.
    package var underwayMax = 16 << 20

    package init() {}
}
