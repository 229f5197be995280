internal import Base

/// A conversation as the index has it: the smaller user number and the other one, or 0 and a group.
enum ConversationName {
    case privately(UInt64, UInt64)
    case group(Identifier)
}

struct ConversationState {
    var name: ConversationName
    var number: UInt64
    /// Place of the last message.
    var head: UInt64
    /// Last batch that changed something here.
    var lastBatch: UInt64 = 0
    var isUsed = true

    var hash: UInt64 { name.hash }
}

extension ConversationName {
    var hash: UInt64 {
        switch self {
        // User numbers are ours and not the clients' to choose, so this hash needs no secret.
        case .privately(let first, let second):
            foldedMultiply(first &+ 0x9E37_79B9_7F4A_7C15, second ^ 0xD6E8_FEB8_6659_FD93)
        case .group(let name): name.hash64
        }
    }

    @inline(__always)
    func isSame(as other: ConversationName) -> Bool {
        switch (self, other) {
        case (.privately(let first, let second), .privately(let otherFirst, let otherSecond)):
            first == otherFirst && second == otherSecond
        case (.group(let name), .group(let otherName)): name == otherName
        default: false
        }
    }
}

/// The conversations in memory.
struct ConversationTable {
    private var states: ContiguousArray<ConversationState> = []
    private var index = SlotIndex()
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
        index.find(name.hash) { states[$0].name.isSame(as: name) }
    }

    mutating func insert(_ state: ConversationState) -> Int {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            states[slot] = state
        } else {
            slot = states.count
            states.append(state)
        }
        index.insert(state.hash, place: slot)
        return slot
    }

    mutating func remove(_ slot: Int) {
        index.remove(states[slot].hash, place: slot)
        states[slot].isUsed = false
        free.append(slot)
    }

    /// Forgets conversations that nothing unfolded speaks of, looking at `steps` of them.
    mutating func evict(foldedThrough batch: UInt64, steps: Int) {
        for _ in 0..<min(steps, states.count) {
            hand = hand + 1 < states.count ? hand + 1 : 0
            if states[hand].isUsed, states[hand].lastBatch <= batch { remove(hand) }
        }
    }
}
