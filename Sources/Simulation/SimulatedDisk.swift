internal import CSimulatedDisk
package import EmbeddedStore

/// A disk in memory that can lose power; see `CSimulatedDisk.h` for what it may do then.
///
/// *Thread:* one at a time.
package final class SimulatedDisk {
    let handle: OpaquePointer
    /// The SQLite VFS that leads here.
    package let vfs: String

    /// - Parameter name: of the VFS; distinct for each disk of the process.
    package init(name: String) {
        guard let handle = simulated_disk_create(name, 0) else { preconditionFailure("no disk \(name)") }
        self.handle = handle
        vfs = name
    }

    deinit { simulated_disk_destroy(handle) }

    /// Where the store's files lie on it.
    package var files: StoreFiles { StoreFiles(journal: "journal.db", index: "switchboard.db", vfs: vfs) }

    /// Starts over with the files of `image`, or none.
    package func reset(to image: DiskImage?, seed: UInt64) { simulated_disk_reset(handle, image?.handle, seed) }

    /// The durable content as it stands, to start other runs from.
    package func capture() -> DiskImage { DiskImage(simulated_disk_capture(handle)) }

    /// Whether every call fails, as of a process that is no more.
    package var isHalted: Bool { simulated_disk_is_halted(handle) }
    /// Halts now: whatever is under way stays half done.
    package func halt() { simulated_disk_halt(handle) }
    /// Halts at the `change`-th change from now.
    package func halt(at change: UInt64) { simulated_disk_halt_at(handle, change) }
    /// The process is there again; what it had written can be read, synced or not.
    package func restart() { simulated_disk_restart(handle) }
    /// The power goes: each write that no sync confirmed is kept, dropped or torn.
    package func cutPower() { simulated_disk_cut_power(handle) }

    /// How the disk fails.
    package enum Fault: UInt32, CaseIterable {
        case writeError = 1
        case full, syncError
    }

    /// Lets `count` calls of a kind fail, from the `first`-th on.
    package func fail(_ fault: Fault, first: UInt64, count: UInt64) {
        simulated_disk_fail(handle, simulated_fault(rawValue: fault.rawValue), first, count)
    }

    /// Ends all faults.
    package func heal() { simulated_disk_heal(handle) }
    /// Calls that have failed.
    package var failures: UInt64 { simulated_disk_failures(handle) }

    /// While set, syncs answer and do nothing.
    package func setLying(_ isLying: Bool) { simulated_disk_set_lying(handle, isLying) }
    /// Does what the syncs that lied should have done.
    package func syncAll() { simulated_disk_sync_all(handle) }

    /// The canary: deletes the last batch of the journal.
    func loseTail() {
        let options = ConnectionOptions(vfs: vfs, isExclusive: true, pageBytes: JournalFile.pageBytes)
        guard let connection = try? Connection(path: files.journal, options: options) else { return }
        try? connection.execute("DELETE FROM batches WHERE n = (SELECT max(n) FROM batches)")
    }

    /// Writes, truncations, creations and deletions so far; what ``halt(at:)`` counts.
    package var changes: UInt64 { simulated_disk_changes(handle) }
    /// Syncs so far.
    package var syncs: UInt64 { simulated_disk_syncs(handle) }
    /// Bytes of a file as they can be read.
    package func size(of file: String) -> Int { Int(simulated_disk_file_size(handle, file)) }
}

/// The files of a disk at one instant. Immutable, so any thread may read it.
package final class DiskImage: @unchecked Sendable {
    let handle: OpaquePointer
    init(_ handle: OpaquePointer) { self.handle = handle }
    deinit { simulated_image_destroy(handle) }

    /// A store that was created and closed, for runs to begin with: no run has to make tables.
    package static let emptyStore: DiskImage = {
        let disk = SimulatedDisk(name: "image")
        do {
            let recovery = try Recovery.run(disk.files, EmbeddedStoreOptions(directory: ""), mailboxes: 1)
            var parts = recovery.split()
            try parts.journal.finish(foldedThrough: 0)
            try parts.fold.finish()
        } catch {
            preconditionFailure("an empty disk takes a store: \(error)")
        }
        return disk.capture()
    }()
}
