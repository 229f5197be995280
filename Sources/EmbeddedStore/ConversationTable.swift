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

extension ConversationState: EvictableState {
    mutating func release() { isUsed = false }
    mutating func shrink() -> Bool { true }
}

/// The conversations in memory.
struct ConversationTable {
    private var states = StateTable<ConversationState>()
    /// The ids of those that are groups, by slot.
    private var groups: [Int: Identifier] = [:]

    var count: Int { states.count }

    @inline(__always)
    subscript(slot: Int) -> ConversationState {
        _read { yield states[slot] }
        _modify { yield &states[slot] }
    }

    @inline(__always)
    func find(_ name: ConversationName) -> Int? {
        let (first, second) = name.key
        return states.find(ConversationState.hash(first, second)) { state, slot in
            guard state.first == first, state.second == second else { return false }
            if case .group(let group) = name { return groups[slot] == group }
            return true
        }
    }

    mutating func insert(_ state: ConversationState, _ name: ConversationName) -> Int {
        let slot = states.insert(state, hash: state.hash)
        if case .group(let group) = name { groups[slot] = group }
        return slot
    }

    mutating func remove(_ slot: Int) {
        states.remove(slot)
        groups[slot] = nil
    }

    /// The slot that a conversation of two users probably has, for ``warm(_:)``.
    @inline(__always)
    func guess(_ first: UInt64, _ second: UInt64) -> Int? {
        states.guess(ConversationState.hash(min(first, second), max(first, second)))
    }

    /// Loads the state into the processor's cache.
    @inline(__always)
    func warm(_ slot: Int) -> UInt64 { states[slot].head }

    /// Forgets conversations that nothing unfolded speaks of, looking at `steps` of them.
    mutating func evict(foldedThrough batch: UInt64, steps: Int) {
        var gone: [Int] = []
        states.evict(foldedThrough: batch, steps: steps) { gone.append($0) }
        for slot in gone { groups[slot] = nil }
    }
}
