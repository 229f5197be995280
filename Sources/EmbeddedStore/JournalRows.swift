package import Store

/// Reads the batches of a journal.
package struct JournalRows: ~Copyable {
    private let after: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        after = try connection.prepare("SELECT n, checksum, records FROM batches WHERE n > ?1 ORDER BY n")
    }

    /// Reads batches after `position`, in order, until `bytesMax` are exceeded.
    func batches(after position: UInt64, bytesMax: Int) throws(SQLiteError) -> [CommittedBatch] {
        defer { after.reset() }
        after.bind(1, position)
        var found: [CommittedBatch] = []
        var bytes = 0
        while bytes < bytesMax, try after.step() {
            let number = after.unsigned(0)
            let blob = after.bytes(2)
            guard after.unsigned(1) == StableHash.checksum(blob), let arena = RecordArena(recovering: blob) else {
                throw SQLiteError(
                    corrupt: "journal.db: batch \(number) is damaged; its messages were acknowledged and not yet "
                        + "indexed. Restore the file from a backup, or delete this row and all after it to go on "
                        + "without them")
            }
            bytes += blob.count
            found.append(CommittedBatch(number: number, arena: arena))
        }
        return found
    }
}
