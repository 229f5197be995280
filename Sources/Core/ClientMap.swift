/// The users of one shard by id: an open-addressing table of 8-byte entries that point into the hub's user slots.
///
/// The ids themselves lie with the users, so that a map of 100,000 users takes about 2 MiB.
package struct ClientMap {
    private struct Entry {
        /// Upper half of the hash: tells most strangers apart without touching their user.
        var fingerprint: UInt32
        var slot: UInt32
    }

    private static let emptySlot = UInt32.max
    private static let removedSlot = UInt32.max - 1

    private var entries: [Entry]
    package private(set) var count = 0
    /// Entries that aren't empty, removed ones included: what makes probing long.
    private var occupied = 0

    /// Bytes of the table.
    package var byteCount: Int { entries.count * MemoryLayout<Entry>.stride }

    package init() { entries = Array(repeating: Entry(fingerprint: 0, slot: ClientMap.emptySlot), count: 16) }

    /// The slot of the user whose hash this is and whom `isMatch` recognises.
    package func find(hash: UInt64, isMatch: (UInt32) -> Bool) -> UInt32? {
        let fingerprint = UInt32(hash >> 32)
        let mask = entries.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            let entry = entries[index]
            if entry.slot == ClientMap.emptySlot { return nil }
            if entry.fingerprint == fingerprint, entry.slot != ClientMap.removedSlot, isMatch(entry.slot) {
                return entry.slot
            }
            index = (index + 1) & mask
        }
    }

    /// Adds a user who isn't there yet. `hashOf` gives the hash of a slot's user when the table grows.
    package mutating func insert(hash: UInt64, slot: UInt32, hashOf: (UInt32) -> UInt64) {
        if (occupied + 1) * 4 > entries.count * 3 { rebuild(hashOf: hashOf) }
        place(hash: hash, slot: slot)
        count += 1
        occupied += 1
    }

    /// Takes a user out who is there.
    package mutating func remove(hash: UInt64, slot: UInt32) {
        let mask = entries.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while entries[index].slot != ClientMap.emptySlot {
            if entries[index].slot == slot {
                entries[index].slot = ClientMap.removedSlot
                count -= 1
                return
            }
            index = (index + 1) & mask
        }
    }

    private mutating func place(hash: UInt64, slot: UInt32) {
        let mask = entries.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while entries[index].slot != ClientMap.emptySlot { index = (index + 1) & mask }
        entries[index] = Entry(fingerprint: UInt32(hash >> 32), slot: slot)
    }

    private mutating func rebuild(hashOf: (UInt32) -> UInt64) {
        let old = entries
        let capacity = count * 2 >= entries.count ? entries.count * 2 : entries.count
        entries = Array(repeating: Entry(fingerprint: 0, slot: ClientMap.emptySlot), count: capacity)
        occupied = count
        for entry in old where entry.slot < ClientMap.removedSlot { place(hash: hashOf(entry.slot), slot: entry.slot) }
    }
}
