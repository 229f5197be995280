internal import Glibc

/// How much room there is for the store's files.
///
/// A message needs room twice: in the journal, and later in the index. If the disk fills up in between, what was
/// acknowledged is safe, but nobody can read it. So messages are refused while there still is room to index all that
/// is in the journal.
struct DiskRoom {
    let directory: String

    /// What stays free in any case, or the eighth part of a small disk.
    private static let reserve: UInt64 = 32 << 20
    /// What a fold and its WAL may take for each byte of short messages, with their entries in the indexes.
    private static let indexFactor: UInt64 = 8

    /// Says what is missing; nil if there is room for `unindexedBytes`, or if the file system doesn't tell.
    func shortage(unindexedBytes: Int) -> String? {
        var disk = statvfs()
        guard statvfs(directory, &disk) == 0 else { return nil }
        let unit = UInt64(disk.f_frsize)
        let free = UInt64(disk.f_bavail) * unit
        let needed =
            min(DiskRoom.reserve, UInt64(disk.f_blocks) * unit / 8) + DiskRoom.indexFactor * UInt64(unindexedBytes)
        guard free < needed else { return nil }
        // The same words as long as it lasts, so that they are logged once.
        return "the disk is full: there is no room left in \(directory) for messages and their indexes. Make room; no "
            + "restart is needed"
    }
}
