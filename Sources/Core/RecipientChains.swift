/// The items of a commit, recipient by recipient, each one's in their order: chains of indices by user slot.
///
/// Linear in the items; it keeps its memory from one commit to the next.
struct RecipientChains {
    /// The first item of each chain, in the order in which they came.
    private(set) var starts: [UInt32] = []
    private var following: [UInt32] = []
    /// The last item so far of each user slot; all `none` between two commits.
    private var tails: [UInt32] = []

    /// Behind the last item of a chain.
    static let none = UInt32.max

    /// Builds the chains of `count` items. `slotOf` gives an item's user slot, below `slots`; nil leaves the item out.
    mutating func link(count: Int, slots: Int, slotOf: (Int) -> Int?) {
        starts.removeAll(keepingCapacity: true)
        following.removeAll(keepingCapacity: true)
        following.append(contentsOf: repeatElement(RecipientChains.none, count: count))
        if tails.count < slots {
            tails.append(contentsOf: repeatElement(RecipientChains.none, count: slots - tails.count))
        }
        var touched: [Int] = []
        for index in 0..<count {
            guard let slot = slotOf(index) else { continue }
            if tails[slot] == RecipientChains.none {
                starts.append(UInt32(index))
                touched.append(slot)
            } else {
                following[Int(tails[slot])] = UInt32(index)
            }
            tails[slot] = UInt32(index)
        }
        for slot in touched { tails[slot] = RecipientChains.none }
    }

    /// The item after `index` in its chain; ``none`` at the end.
    func next(_ index: UInt32) -> UInt32 { following[Int(index)] }
}
