/// How the embedded store is opened.
package struct EmbeddedStoreOptions: Sendable {
    /// Where the files are; created if need be.
    package var directory: String
    /// Bytes that may wait for the disk before callers should stop reading.
    package var queueBytesMax = 32 << 20
    /// How long the journal may need for what waits before those who sent most of it should wait: others' messages
    /// wait behind it. In bytes it is never less or more than these, as commits have a price of their own.
    package var ladenNanoseconds: UInt64 = 20_000_000
    package var ladenBytes = (512 << 10)...(4 << 20)
    /// Bytes that may be committed and not yet folded before callers should stop reading.
    package var unfoldedBytesMax = 256 << 20
    /// Bytes, records and time after which a fold begins without anybody asking. Readers who need one sooner ask, so
    /// waiting only makes folds larger. Small ones keep the disk free for the journal: with 64 MiB its slowest
    /// hundredth of commits took 27 ms under full load, with 8 MiB 17 ms, for a tenth more CPU a message.
    package var foldBytes = 8 << 20
    package var foldRecords = 1 << 18
    package var foldMilliseconds: UInt64 = 5_000
    /// How long the journal waits for more before a commit while there is load; 0 for not at all.
    package var gatherMicroseconds: UInt64 = 0
    /// Users, and as many conversations, whose numbers stay in memory.
    package var cachedUsersMax = Journal.cacheDefault
    package var fold = FoldOptions()
    /// See ``JournalFile/checkpointDefault``.
    package var journalCheckpointBytes = JournalFile.checkpointDefault
    /// Memory for pages of the index, for the thread that writes it.
    package var indexCacheBytes = 256 << 20
    /// The clock: milliseconds since the Unix epoch.
    package var now: @Sendable () -> UInt64 = { SystemClock.now() }


    package init(directory: String) { self.directory = directory }
}

/// Why the store can't be opened, in words for the operator.
package struct StoreOpenError: Error, Equatable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// What the store has done and what waits in it, as it stood at one instant.
package struct StoreCounters: Sendable, Equatable {
    /// Since the store was opened.
    package var messages: UInt64 = 0
    package var commits: UInt64 = 0
    package var failedCommits: UInt64 = 0
    package var folds: UInt64 = 0
    package var failedFolds: UInt64 = 0
    /// Numbers of the last batch on disk and of the last one in the index.
    package var committedBatch: UInt64 = 0
    package var foldedBatch: UInt64 = 0
    package var queuedBytes = 0
    package var unfoldedBytes = 0
}
