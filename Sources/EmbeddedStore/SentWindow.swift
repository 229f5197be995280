internal import Base

/// Fingerprints of the `cid`s of a sender's last messages: 4 bytes each, so that 256 of them are 1 KiB a sender.
///
/// A match only says that looking for the message itself is worth its price; the false ones are 256 in 2^32.
struct SentWindow {
    private var prints: ContiguousArray<UInt32> = []
    /// Where the oldest one lies, once the window is full.
    private var oldest: UInt8 = 0
    /// Whether what the index knows is in here.
    var isLoaded = false

    /// What ``take(back:)`` needs.
    struct Addition {
        var replaced: UInt32
        var grew: Bool
    }

    @inline(__always)
    func mayContain(_ hash: UInt64) -> Bool {
        let wanted = UInt32(truncatingIfNeeded: hash)
        return prints.withUnsafeBufferPointer { prints in
            // Without an early end the compiler compares eight at a time.
            var found = false
            for print in prints { found = found || print == wanted }
            return found
        }
    }

    /// Loads the fingerprints into the processor's cache: one of each 64 bytes.
    @inline(__always)
    var warmth: UInt64 {
        var sum: UInt64 = 0
        var index = 0
        while index < prints.count {
            sum &+= UInt64(prints[index])
            index += 16
        }
        return sum
    }

    @inline(__always)
    mutating func add(_ hash: UInt64) -> Addition {
        let print = UInt32(truncatingIfNeeded: hash)
        guard prints.count == Limits.cidWindowMessages else {
            prints.append(print)
            return Addition(replaced: 0, grew: true)
        }
        let addition = Addition(replaced: prints[Int(oldest)], grew: false)
        prints[Int(oldest)] = print
        oldest = UInt8((Int(oldest) + 1) % Limits.cidWindowMessages)
        return addition
    }

    /// Undoes the last addition.
    mutating func take(back addition: Addition) {
        if addition.grew {
            prints.removeLast()
            return
        }
        oldest = UInt8((Int(oldest) + Limits.cidWindowMessages - 1) % Limits.cidWindowMessages)
        prints[Int(oldest)] = addition.replaced
    }

    mutating func forget() { self = SentWindow() }
}

/// Where a message with a `cid` was stored.
struct SentEntry {
    var id: UInt64
    var cseq: UInt64
    var seq: UInt64
}

/// A sender's message id, as it is looked for.
struct SentKey: Equatable {
    var user: UInt64
    var hash: UInt64

    /// The `cid`'s hash alone could be chosen by clients; what they repeat differs by user at least.
    var mixed: UInt64 { foldedMultiply(hash ^ 0x9E37_79B9_7F4A_7C15, user &* 0xD6E8_FEB8_6659_FD93 | 1) }
}

/// The messages with a `cid` that aren't in the index yet, in generations that go as a whole when they are.
struct RecentlySent {
    private struct Generation {
        var through: UInt64
        var keys: ContiguousArray<SentKey> = []
        var entries: ContiguousArray<SentEntry> = []
        var index = SlotIndex()

        /// The last one with this key: a `cid` may come again when its time is over.
        func find(_ key: SentKey, _ mixed: UInt64) -> SentEntry? {
            var last: Int?
            _ = index.find(mixed) { place in
                if keys[place] == key { last = max(last ?? 0, place) }
                return false
            }
            return last.map { entries[$0] }
        }
    }

    private var generations: [Generation] = []
    /// A generation takes this many messages before a new one begins.
    private static let messagesPerGeneration = 1 << 16

    mutating func add(_ key: SentKey, _ entry: SentEntry, batch: UInt64) {
        if generations.last.map({ $0.keys.count >= RecentlySent.messagesPerGeneration }) ?? true {
            generations.append(Generation(through: batch))
        }
        let last = generations.count - 1
        generations[last].through = batch
        generations[last].index.insert(key.mixed, place: generations[last].keys.count)
        generations[last].keys.append(key)
        generations[last].entries.append(entry)
    }

    /// Takes back what was added last.
    mutating func removeLast() {
        guard let last = generations.lastIndex(where: { !$0.keys.isEmpty }),
            let key = generations[last].keys.popLast()
        else { return }
        generations[last].entries.removeLast()
        generations[last].index.remove(key.mixed, place: generations[last].keys.count)
    }

    func find(_ key: SentKey) -> SentEntry? {
        let mixed = key.mixed
        for index in generations.indices.reversed() {
            if let entry = generations[index].find(key, mixed) { return entry }
        }
        return nil
    }

    /// Lets go of what the index has.
    mutating func folded(through batch: UInt64) {
        generations.removeAll { $0.through <= batch }
    }
}
