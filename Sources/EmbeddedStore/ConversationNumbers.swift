internal import Base

/// What is kept of each conversation and changes with every message and read: eight numbers in a block of neighbours'.
struct ConversationNumbers: BitwiseCopyable {
    /// Place of the last message; 0 for none.
    var head: UInt64 = 0
    /// Id of the last message.
    var lastID: UInt64 = 0
    /// Of the two of a private conversation; nothing in a group, whose members are in ``Cursors``.
    var smaller = ReadCursor()
    var larger = ReadCursor()

    subscript(side: ConversationSide) -> ReadCursor {
        get { side == .smaller ? smaller : larger }
        set { if side == .smaller { smaller = newValue } else { larger = newValue } }
    }

    /// Takes up the next message of the conversation, as the history has it.
    @inline(__always)
    mutating func add(_ entry: RunEntry) {
        head = entry.position
        lastID = HistoryValue.id(entry.value)
        switch HistoryValue.side(entry.value) {
        case .smaller: smaller.sent += 1
        case .larger: larger.sent += 1
        case nil: break
        }
    }
}

/// Up to where a user has read a conversation. What is unread follows from it without looking at a message: one's own
/// are never unread, wherever they are.
struct ReadCursor: BitwiseCopyable, Equatable {
    /// The user's messages in the conversation.
    var sent: UInt64 = 0
    /// The user has read up to here; 0 for nothing.
    var cseq: UInt64 = 0
    /// How many of the user's messages are not behind the cursor.
    var sentAtCursor: UInt64 = 0

    /// Messages of others behind the cursor, in a conversation that ends at `head`.
    func unread(head: UInt64) -> UInt64 { (head - cseq) - (sent - sentAtCursor) }
}

/// One of the two users of a private conversation: by their numbers.
enum ConversationSide {
    case smaller
    case larger

    @inline(__always)
    init(of user: UInt64, with other: UInt64) { self = user <= other ? .smaller : .larger }

    var other: ConversationSide { self == .smaller ? .larger : .smaller }
}

/// What an entry of a history leads to: the message's id in the lower 53 bits, and above them a mark of who sent it, so
/// that a user's own messages can be counted without reading others'.
///
/// The mark is 1 or 2 for the two of a private conversation. In a group it is a hash of the sender's number from 3 on:
/// another mark is another sender, the same mark may be the same one.
enum HistoryValue {
    private static let idBits: UInt64 = 53
    private static let marks: UInt64 = 1 << (64 - idBits)

    @inline(__always)
    static func id(_ value: UInt64) -> UInt64 { value & (1 << idBits - 1) }

    @inline(__always)
    static func privately(_ id: UInt64, _ side: ConversationSide) -> UInt64 {
        id | (side == .smaller ? 1 : 2) << idBits
    }

    @inline(__always)
    static func inGroup(_ id: UInt64, sender: UInt64) -> UInt64 { id | groupMark(sender) << idBits }

    /// The sender of a private message; nil in a group.
    @inline(__always)
    static func side(_ value: UInt64) -> ConversationSide? {
        switch value >> idBits {
        case 1: .smaller
        case 2: .larger
        default: nil
        }
    }

    /// Whether a message to a group may be that of `sender`.
    static func mayBe(_ value: UInt64, sender: UInt64) -> Bool { value >> idBits == groupMark(sender) }

    @inline(__always)
    private static func groupMark(_ sender: UInt64) -> UInt64 {
        3 + foldedMultiply(sender, 0x9E37_79B9_7F4A_7C15) % (marks - 3)
    }
}

/// Entries of chat lists: of each of a user's conversations only the last one means something.
enum ActivityEntries {
    /// Above this many entries a set finds what was there already, and not a look at all of them.
    private static let fewEntries = 32

    /// Leaves out what a later entry of the same conversation makes void.
    ///
    /// - Parameter first: where the entries begin that are looked at; they are all one user's, in their order.
    static func removeOutdated(_ entries: inout [RunEntry], from first: Int) {
        let count = entries.count - first
        guard count > 1 else { return }
        var seen: Set<UInt64> = []
        var kept = entries.count
        for index in (first..<entries.count).reversed() {
            let entry = entries[index]
            let isNew =
                count > fewEntries
                ? seen.insert(entry.value).inserted : !entries[kept...].contains { $0.value == entry.value }
            guard isNew else { continue }
            kept -= 1
            entries[kept] = entry
        }
        entries.removeSubrange(first..<kept)
    }

    /// The same for the entries of any number of users, sorted by user.
    static func removeOutdated(_ entries: inout [RunEntry]) {
        var result: [RunEntry] = []
        result.reserveCapacity(entries.count)
        var first = 0
        for index in entries.indices {
            result.append(entries[index])
            guard index + 1 == entries.count || entries[index + 1].owner != entries[index].owner else { continue }
            removeOutdated(&result, from: first)
            first = result.count
        }
        entries = result
    }
}
