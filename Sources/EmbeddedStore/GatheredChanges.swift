internal import Store

/// A record and the key that its row is sorted by.
struct RecordKey {
    var first: UInt64
    var second: UInt64
    var record: RecordView
}

/// What some batches change, by table.
///
/// *Ownership:* the records point into the batches' arenas, which whoever folds keeps alive.
struct GatheredChanges {
    /// By conversation and `cseq`.
    private(set) var messages: [RecordKey] = []
    /// By user and `seq`.
    private(set) var entries: [RecordKey] = []
    /// By sender and id, for messages with a `cid`.
    private(set) var sent: [RecordKey] = []
    private(set) var introductions: [RecordView] = []
    private(set) var confirms: [RecordView] = []
    private(set) var reads: [RecordView] = []
    /// Up to where all devices of a user have confirmed, for users who confirmed something.
    private(set) var floors: [UInt64: UInt64] = [:]
    private(set) var seen: [UInt64: UInt64] = [:]
    private(set) var lastID: UInt64 = 0

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
        messages.append(RecordKey(first: record.conversationNumber, second: record.cseq, record: record))
        for index in 0..<record.placementCount {
            let (user, seq) = record.placement(index)
            entries.append(RecordKey(first: user, second: seq, record: record))
        }
        if !record.unsafeCid.isEmpty {
            sent.append(RecordKey(first: record.senderNumber, second: id, record: record))
        }
    }

    mutating func sort() {
        GatheredChanges.sort(&messages)
        GatheredChanges.sort(&entries)
        GatheredChanges.sort(&sent)
    }

    private static func sort(_ keys: inout [RecordKey]) {
        keys.sort { $0.first != $1.first ? $0.first < $1.first : $0.second < $1.second }
    }
}
