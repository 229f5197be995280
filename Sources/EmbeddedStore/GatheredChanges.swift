internal import Store

/// What some batches change, by table.
///
/// *Ownership:* the records point into the batches' arenas, which whoever folds keeps alive.
struct GatheredChanges {
    /// In the order of their ids.
    private(set) var messages: [RecordView] = []
    private(set) var notices: [RecordView] = []
    /// Edits and recalls, in the order in which they happened.
    private(set) var changes: [RecordView] = []
    private(set) var held: [RecordView] = []
    private(set) var releases: [RecordView] = []
    /// Where released messages stand in a chat list, by their ids.
    private var releasedAs: [UInt64: UInt64] = [:]
    /// (conversation, `cseq`) and the id with the sender's mark.
    private(set) var history: [RunEntry] = []
    /// Places in inboxes.
    private(set) var placements: [Placement] = []
    /// (user, `seq`) and the id, of what isn't confirmed yet; made by ``divide()``.
    private(set) var inbox: [RunEntry] = []
    /// (user, id of the last message) and the conversation, one for each of the user's; made by ``divide()``.
    private(set) var activity: [RunEntry] = []
    /// (sender, id) and the hash of the `cid`, for messages with one.
    private(set) var sent: [RunEntry] = []
    private(set) var introductions: [RecordView] = []
    private(set) var confirms: [RecordView] = []
    private(set) var reads: [RecordView] = []
    /// Up to where all devices of a user have confirmed, for users who confirmed something.
    private(set) var floors: [UInt64: UInt64] = [:]
    private(set) var seen: [UInt64: UInt64] = [:]
    /// How many messages each member has sent to each group.
    private(set) var groupSent: [GroupSender: UInt64] = [:]
    /// The last message of each conversation that lies in its history only.
    private(set) var historyOnly: [UInt64: UInt64] = [:]
    private(set) var lastID: UInt64 = 0

    /// An entry of an inbox, and in which conversation it happened.
    struct Placement {
        var user: UInt64
        var seq: UInt64
        var id: UInt64
        var conversation: UInt64
    }

    struct GroupSender: Hashable {
        var user: UInt64
        var conversation: UInt64
    }

    mutating func removeAll() {
        messages.removeAll(keepingCapacity: true)
        notices.removeAll()
        changes.removeAll()
        held.removeAll()
        releases.removeAll()
        releasedAs.removeAll()
        history.removeAll(keepingCapacity: true)
        placements.removeAll(keepingCapacity: true)
        inbox.removeAll(keepingCapacity: true)
        activity.removeAll(keepingCapacity: true)
        sent.removeAll(keepingCapacity: true)
        introductions.removeAll()
        confirms.removeAll()
        reads.removeAll()
        floors.removeAll()
        seen.removeAll()
        groupSent.removeAll()
        historyOnly.removeAll()
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
            case .notice:
                lastID = max(lastID, record.id)
                notices.append(record)
                gatherPlacements(record, in: record.conversationNumber)
            case .release:
                lastID = max(lastID, record.releaseID)
                releasedAs[record.id] = record.releaseID
                releases.append(record)
                gatherPlacements(record, in: record.conversationNumber)
            case .edit, .recall:
                lastID = max(lastID, record.id)
                changes.append(record)
                // What happened to an old message doesn't move its conversation up in the chat lists.
                gatherPlacements(record, in: 0)
            case nil: break
            }
        }
    }

    private mutating func gatherMessage(_ record: RecordView) {
        let id = record.id
        lastID = max(lastID, id)
        messages.append(record)
        if record.has(.isHeld) { held.append(record) }
        let conversation = record.conversationNumber
        let value: UInt64
        if record.command == RecordView.groupCommand {
            value = HistoryValue.inGroup(id, sender: record.senderNumber)
            groupSent[GroupSender(user: record.senderNumber, conversation: conversation), default: 0] += 1
        } else {
            let side = ConversationSide(of: record.senderNumber, with: record.destinationNumber)
            value = HistoryValue.privately(id, side)
        }
        history.append(RunEntry(owner: conversation, position: record.cseq, value: value))
        if record.has(.isForMembers) { historyOnly[conversation] = record.cseq }
        gatherPlacements(record, in: conversation)
        if !record.unsafeCid.isEmpty {
            let hash = StableHash.cid(record.unsafeCid)
            sent.append(RunEntry(owner: record.senderNumber, position: id, value: hash))
        }
    }

    @inline(__always)
    private mutating func gatherPlacements(_ record: RecordView, in conversation: UInt64) {
        for index in 0..<record.placementCount {
            let (user, seq) = record.placement(index)
            placements.append(Placement(user: user, seq: seq, id: record.id, conversation: conversation))
        }
    }

    /// Sorts what goes to tables that are sorted.
    mutating func sort() {
        RadixSort.sort(&history) { $0.owner }
        RadixSort.sort(&placements) { $0.user }
        RadixSort.sort(&sent) { $0.owner }
        RadixSort.sort(&confirms) { $0.senderNumber }
        RadixSort.sort(&reads) { $0.conversationNumber }
    }

    /// Makes the entries of the inboxes and of the chat lists, user by user. What all devices have confirmed is left
    /// out of the inbox; it is never written.
    mutating func divide() {
        var start = 0
        while start < placements.count {
            let user = placements[start].user
            let floor = floors.isEmpty ? 0 : floors[user] ?? 0
            let first = activity.count
            var end = start
            while end < placements.count, placements[end].user == user {
                let place = placements[end]
                if place.seq > floor { inbox.append(RunEntry(owner: user, position: place.seq, value: place.id)) }
                // A notice may be about no conversation.
                if place.conversation > 0 {
                    let position = releasedAs.isEmpty ? place.id : releasedAs[place.id] ?? place.id
                    activity.append(RunEntry(owner: user, position: position, value: place.conversation))
                }
                end += 1
            }
            ActivityEntries.removeOutdated(&activity, from: first)
            start = end
        }
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
