internal import Base

/// A conversation as the index has it: the smaller user number and the other one, or 0 and a group.
enum ConversationName {
    case privately(UInt64, UInt64)
    case group(Identifier)
}

extension ConversationName {
    /// What the table compares: for a group, a keyed hash of its id stands for it first.
    var key: (UInt64, UInt64) {
        switch self {
        case .privately(let first, let second): (first, second)
        case .group(let name): (0, name.hash64)
        }
    }
}

/// What the journal knows about a conversation; 48 bytes, since there are as many of them as users.
struct ConversationState {
    var first: UInt64
    var second: UInt64
    var number: UInt64
    /// Place of the last message.
    var head: UInt64
    /// Last batch that changed something here.
    var lastBatch: UInt64 = 0
    var isUsed = true

    init(_ name: ConversationName, number: UInt64, head: UInt64) {
        (first, second) = name.key
        self.number = number
        self.head = head
    }

    var hash: UInt64 { ConversationState.hash(first, second) }

    /// User numbers are ours and not the clients' to choose, so this hash needs no secret.
    @inline(__always)
    static func hash(_ first: UInt64, _ second: UInt64) -> UInt64 {
        foldedMultiply(first &+ 0x9E37_79B9_7F4A_7C15, second ^ 0xD6E8_FEB8_6659_FD93)
    }
}

/// The conversations in memory.
struct ConversationTable {
    private var states: ContiguousArray<ConversationState> = []
    private var index = SlotIndex()
    /// The ids of those that are groups, by slot.
    private var groups: [Int: Identifier] = [:]
    private var free: [Int] = []
    private var hand = 0

    var count: Int { index.count }

    @inline(__always)
    subscript(slot: Int) -> ConversationState {
        _read { yield states[slot] }
        _modify { yield &states[slot] }
    }

    @inline(__always)
    func find(_ name: ConversationName) -> Int? {
        let (first, second) = name.key
        return index.find(ConversationState.hash(first, second)) { slot in
            guard states[slot].first == first, states[slot].second == second else { return false }
            if case .group(let group) = name { return groups[slot] == group }
            return true
        }
    }

    mutating func insert(_ state: ConversationState, _ name: ConversationName) -> Int {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            states[slot] = state
        } else {
            slot = states.count
            states.append(state)
        }
        index.insert(state.hash, place: slot)
        if case .group(let group) = name { groups[slot] = group }
        return slot
    }

    mutating func remove(_ slot: Int) {
        index.remove(states[slot].hash, place: slot)
        states[slot].isUsed = false
        groups[slot] = nil
        free.append(slot)
    }

    /// The slot that a conversation of two users probably has, for ``warm(_:)``.
    @inline(__always)
    func guess(_ first: UInt64, _ second: UInt64) -> Int? {
        index.guess(ConversationState.hash(min(first, second), max(first, second)))
    }

    /// Loads the state into the processor's cache.
    @inline(__always)
    func warm(_ slot: Int) -> UInt64 { states[slot].head }

    /// Forgets conversations that nothing unfolded speaks of, looking at `steps` of them.
    mutating func evict(foldedThrough batch: UInt64, steps: Int) {
        for _ in 0..<min(steps, states.count) {
            hand = hand + 1 < states.count ? hand + 1 : 0
            if states[hand].isUsed, states[hand].lastBatch <= batch { remove(hand) }
        }
    }
}
