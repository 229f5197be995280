package import Base
internal import Glibc

/// How long the store's work takes and how much of it comes at a time. Each part is written by one thread (the readers
/// share theirs) once a piece of work, and copied for whoever asks.
package struct StoreMeasures: Sendable {
    /// One round of the journal that reached the disk, numbering included.
    package var commitSeconds = Histogram(.seconds)
    /// The COMMIT of a round: what is written to the WAL, and its sync.
    package var syncSeconds = Histogram(.seconds)
    package var batchMessages = Histogram(.count)
    package var batchBytes = Histogram(.bytes)
    /// Moving the journal's WAL into its file, which holds up the next round.
    package var checkpointSeconds = Histogram(.seconds)
    package var foldSeconds = Histogram(.seconds)
    package var foldRecords = Histogram(.count)
    /// Age of the oldest batch of a fold when that was durable.
    package var foldLagSeconds = Histogram(.seconds)
    package var readSeconds = Histogram(.seconds)
    package var directorySeconds = Histogram(.seconds)

    package init() {}
}

/// What the store has done, what waits in it and how it is, for the operator.
package struct StoreFigures: Sendable {
    package var counters = StoreCounters()
    package var measures = StoreMeasures()
    /// Age in nanoseconds of the oldest batch that is on disk and not in the index; 0 if there is none.
    package var foldLagNanoseconds: UInt64 = 0
    /// What waits for the readers, and for the thread of the index.
    package var waitingReads = 0
    package var waitingCommands = 0
    /// Why the store takes no messages, or answers no questions; nil if it does.
    package var trouble: String?
    /// From where callers are held back.
    package var queueBytesMax = 0
    package var unfoldedBytesMax = 0

    package init() {}
}

/// How much room the store's files take, and how much there is.
package struct StoreFileSizes: Sendable {
    package var journalBytes: UInt64 = 0
    package var journalWALBytes: UInt64 = 0
    package var indexBytes: UInt64 = 0
    package var indexWALBytes: UInt64 = 0
    /// What this process may still write to the file system, and how large that is.
    package var diskFreeBytes: UInt64 = 0
    package var diskBytes: UInt64 = 0

    package init() {}

    /// Asks the file system, which may take a while.
    init(directory: String) {
        journalBytes = StoreFileSizes.size(of: directory + "/journal.db")
        journalWALBytes = StoreFileSizes.size(of: directory + "/journal.db-wal")
        indexBytes = StoreFileSizes.size(of: directory + "/switchboard.db")
        indexWALBytes = StoreFileSizes.size(of: directory + "/switchboard.db-wal")
        var disk = statvfs()
        guard statvfs(directory, &disk) == 0 else { return }
        diskFreeBytes = UInt64(disk.f_bavail) * UInt64(disk.f_frsize)
        diskBytes = UInt64(disk.f_blocks) * UInt64(disk.f_frsize)
    }

    private static func size(of path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
    }
}
