internal import Store

/// A record and the key that its row is sorted by.
struct RecordKey {
    var first: UInt64
    var second: UInt64
    var record: RecordView
}

/// A row of the inbox.
struct EntryKey {
    var user: UInt64
    var seq: UInt64
    var conversation: UInt64
    var cseq: UInt64
}

/// A row of what a sender sent.
struct SentRow {
    var user: UInt64
    var hash: UInt64
    var entry: SentEntry
}

/// What some batches change, by table.
///
/// *Ownership:* the records point into the batches' arenas, which whoever folds keeps alive.
struct GatheredChanges {
    /// By conversation and `cseq`.
    private(set) var messages: [RecordKey] = []
    /// By user and `seq`.
    private(set) var entries: [EntryKey] = []
    /// By sender and id, for messages with a `cid`.
    private(set) var sent: [SentRow] = []
    private(set) var introductions: [RecordView] = []
    private(set) var confirms: [RecordView] = []
    private(set) var reads: [RecordView] = []
    /// Up to where all devices of a user have confirmed, for users who confirmed something.
    private(set) var floors: [UInt64: UInt64] = [:]
    private(set) var seen: [UInt64: UInt64] = [:]
    private(set) var lastID: UInt64 = 0

    /// The sum of what was read ahead; it only keeps the compiler from leaving the loads out.
    private var warmth: UInt64 = 0
    static let warmMessages = 64

    mutating func removeAll() {
        messages.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        sent.removeAll(keepingCapacity: true)
        introductions.removeAll()
        confirms.removeAll()
        reads.removeAll()
        floors.removeAll()
        seen.removeAll()
        lastID = 0
    }

    mutating func gather(_ arena: RecordArena) {
        for entry in arena.entries {
            let record = arena.record(at: entry.offset)
            guard record.status == .stored else { continue }
            if record.introducesNames { introductions.append(record) }
            switch record.kind {
            case .message: gatherMessage(record)
            case .confirm:
                confirms.append(record)
                floors[record.senderNumber, default: 0] = max(floors[record.senderNumber] ?? 0, record.senderSeq)
            case .seen: seen[record.senderNumber] = max(seen[record.senderNumber] ?? 0, record.time)
            case .read: reads.append(record)
            case nil: break
            }
        }
    }

    private mutating func gatherMessage(_ record: RecordView) {
        let id = record.id
        lastID = max(lastID, id)
        let conversation = record.conversationNumber
        let cseq = record.cseq
        messages.append(RecordKey(first: conversation, second: cseq, record: record))
        for index in 0..<record.placementCount {
            let (user, seq) = record.placement(index)
            entries.append(EntryKey(user: user, seq: seq, conversation: conversation, cseq: cseq))
        }
        if !record.unsafeCid.isEmpty {
            let entry = SentEntry(id: id, cseq: cseq, seq: record.senderSeq)
            sent.append(SentRow(user: record.senderNumber, hash: StableHash.cid(record.unsafeCid), entry: entry))
        }
    }

    /// Reads the next messages' memory ahead: their order is not that of the memory, and a row that waits for it
    /// holds up the next.
    mutating func warmMessages(from start: Int) {
        for index in start..<min(start + GatheredChanges.warmMessages, messages.count) {
            let record = messages[index].record
            warmth &+= record.id &+ UInt64(record.unsafeBody.last ?? 0)
        }
    }

    mutating func sort() {
        RadixSort.sort(&messages) { $0.first }
        RadixSort.sort(&entries) { $0.user }
        RadixSort.sort(&sent) { $0.user }
    }
}

/// Sorts by an integer, keeping the order of equal ones.
///
/// What a fold sorts comes in the order of its commits, so within one user or conversation it is in order already,
/// and three passes over the array sort the rest. Comparing would take eighteen for a quarter of a million.
enum RadixSort {
    private static let bits: UInt64 = 11

    static func sort<Element>(_ elements: inout [Element], by key: (Element) -> UInt64) {
        guard let first = elements.first else { return }
        let highest = elements.reduce(0) { max($0, key($1)) }
        var target = [Element](repeating: first, count: elements.count)
        var starts = [Int](repeating: 0, count: 1 << bits)
        var shift: UInt64 = 0
        while shift < 64, highest >> shift > 0 {
            for index in starts.indices { starts[index] = 0 }
            for element in elements { starts[Int((key(element) >> shift) & (1 << bits - 1))] += 1 }
            var sum = 0
            for index in starts.indices {
                let count = starts[index]
                starts[index] = sum
                sum += count
            }
            for element in elements {
                let digit = Int((key(element) >> shift) & (1 << bits - 1))
                target[starts[digit]] = element
                starts[digit] += 1
            }
            swap(&elements, &target)
            shift += bits
        }
    }
}
