/// A hash index from keys to places in an array that holds the keys: open addressing, eight bytes an entry.
///
/// An entry is 32 bits of hash and the place + 1; 0 is free. Removal shifts back, so there are no tombstones.
struct SlotIndex {
    private var entries: ContiguousArray<UInt64>
    private var mask: Int
    private(set) var count = 0

    init(capacity: Int = 1024) {
        var size = 1024
        while size * 3 / 4 < capacity { size *= 2 }
        entries = ContiguousArray(repeating: 0, count: size)
        mask = size - 1
    }

    /// The place of the key with this hash that `matches`; nil if there is none.
    @inline(__always)
    func find(_ hash: UInt64, matches: (Int) -> Bool) -> Int? {
        let tag = hash >> 32
        var position = Int(truncatingIfNeeded: tag) & mask
        while true {
            let entry = entries[position]
            if entry == 0 { return nil }
            if entry >> 32 == tag {
                let place = Int(entry & 0xFFFF_FFFF) - 1
                if matches(place) { return place }
            }
            position = (position + 1) & mask
        }
    }

    /// The place that a key with this hash probably has; the key itself isn't looked at.
    @inline(__always)
    func guess(_ hash: UInt64) -> Int? {
        let tag = hash >> 32
        var position = Int(truncatingIfNeeded: tag) & mask
        while true {
            let entry = entries[position]
            if entry == 0 { return nil }
            if entry >> 32 == tag { return Int(entry & 0xFFFF_FFFF) - 1 }
            position = (position + 1) & mask
        }
    }

    /// Adds a key that isn't there.
    mutating func insert(_ hash: UInt64, place: Int) {
        if (count + 1) * 4 > entries.count * 3 { grow() }
        put((hash >> 32) << 32 | UInt64(place + 1))
        count += 1
    }

    private mutating func put(_ entry: UInt64) {
        var position = Int(truncatingIfNeeded: entry >> 32) & mask
        while entries[position] != 0 { position = (position + 1) & mask }
        entries[position] = entry
    }

    private mutating func grow() {
        let old = entries
        entries = ContiguousArray(repeating: 0, count: old.count * 2)
        mask = entries.count - 1
        for entry in old where entry != 0 { put(entry) }
    }

    /// Removes the entry of a key at `place`. Traps if it isn't there.
    mutating func remove(_ hash: UInt64, place: Int) {
        let wanted = (hash >> 32) << 32 | UInt64(place + 1)
        var hole = Int(truncatingIfNeeded: hash >> 32) & mask
        while entries[hole] != wanted {
            precondition(entries[hole] != 0, "not in the index")
            hole = (hole + 1) & mask
        }
        var position = hole
        while true {
            position = (position + 1) & mask
            let entry = entries[position]
            if entry == 0 { break }
            let home = Int(truncatingIfNeeded: entry >> 32) & mask
            // An entry may move into the hole if that isn't before its home.
            if (position &- home) & mask >= (position &- hole) & mask {
                entries[hole] = entry
                hole = position
            }
        }
        entries[hole] = 0
        count -= 1
    }
}
