/// A state in a ``StateTable``.
protocol EvictableState {
    /// The hash of its key.
    var hash: UInt64 { get }
    /// Last batch that changed something here; it can be forgotten once that is folded.
    var lastBatch: UInt64 { get }
    /// Whether somebody is in the slot.
    var isUsed: Bool { get }

    /// Leaves the slot, and gives up what it holds.
    mutating func release()
    /// What is given up by one that can't go yet; true if it can.
    mutating func shrink() -> Bool
}

/// States of things in memory: an array of slots and a hash index over their keys.
struct StateTable<State: EvictableState> {
    private var states: ContiguousArray<State> = []
    private var index = SlotIndex()
    private var free: [Int] = []
    private var hand = 0

    var count: Int { index.count }

    @inline(__always)
    subscript(slot: Int) -> State {
        _read { yield states[slot] }
        _modify { yield &states[slot] }
    }

    @inline(__always)
    func find(_ hash: UInt64, matches: (borrowing State, Int) -> Bool) -> Int? {
        index.find(hash) { matches(states[$0], $0) }
    }

    /// The slot that a key with this hash probably has, for warming up.
    @inline(__always)
    func guess(_ hash: UInt64) -> Int? { index.guess(hash) }

    @inline(__always)
    func withUnsafeState<Value>(_ slot: Int, _ body: (UnsafePointer<State>) -> Value) -> Value {
        states.withUnsafeBufferPointer { body($0.baseAddress.unsafelyUnwrapped + slot) }
    }

    mutating func insert(_ state: State, hash: UInt64) -> Int {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            states[slot] = state
        } else {
            slot = states.count
            states.append(state)
        }
        index.insert(hash, place: slot)
        return slot
    }

    mutating func remove(_ slot: Int) {
        index.remove(states[slot].hash, place: slot)
        states[slot].release()
        free.append(slot)
    }

    /// Forgets states that nothing unfolded speaks of, looking at `steps` of them.
    ///
    /// - Parameter body: called with the slot of each that goes.
    mutating func evict(foldedThrough batch: UInt64, steps: Int, _ body: (Int) -> Void = { _ in }) {
        for _ in 0..<min(steps, states.count) {
            hand = hand + 1 < states.count ? hand + 1 : 0
            guard states[hand].isUsed, states[hand].lastBatch <= batch, states[hand].shrink() else { continue }
            remove(hand)
            body(hand)
        }
    }
}
