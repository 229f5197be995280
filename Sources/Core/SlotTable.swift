/// Something that a ``SlotTable`` holds.
protocol Slotted: AnyObject {
    associatedtype Handle: FixedWidthInteger & UnsignedInteger
    /// How many of a handle's lower bits say the slot.
    static var slotBits: Int { get }
    /// How many bits above them say the generation.
    static var generationBits: Int { get }
    /// What the table gave it.
    var handle: Handle { get }
}

/// Objects by handle: a slot and how often it was given, so that what is meant for an object that left can't reach
/// the next one in its slot.
struct SlotTable<Element: Slotted> {
    private var slots: [Element?] = []
    private var generations: [UInt32] = []
    private var free: [UInt32] = []

    private static var slotMask: Element.Handle { (1 << Element.slotBits) - 1 }

    /// Objects in the table.
    var count: Int { slots.count - free.count }
    /// Slots that were ever given: every slot is below.
    var slotCount: Int { slots.count }
    /// Whether a handle has bits enough for one more.
    var hasRoom: Bool { !free.isEmpty || slots.count < Int(clamping: SlotTable.slotMask) }

    /// The slot that a handle means, whoever is in it.
    @inline(__always)
    static func slot(_ handle: Element.Handle) -> Int { Int(truncatingIfNeeded: handle & slotMask) }

    /// Whoever is in a slot. Traps if it was never given.
    @inline(__always)
    subscript(slot slot: Int) -> Element? { slots[slot] }

    /// The object with this handle; nil if it has left.
    @inline(__always)
    subscript(handle: Element.Handle) -> Element? {
        let slot = SlotTable.slot(handle)
        guard slot < slots.count, let element = slots[slot], element.handle == handle else { return nil }
        return element
    }

    /// Adds an object; returns the handle, which the object is to keep. Traps without ``hasRoom``.
    mutating func add(_ element: Element) -> Element.Handle {
        precondition(hasRoom, "a handle can't mean that many")
        let slot: Int
        if let reused = free.popLast() {
            slot = Int(reused)
            generations[slot] = (generations[slot] &+ 1) & UInt32((UInt64(1) << Element.generationBits) - 1)
            slots[slot] = element
        } else {
            slot = slots.count
            slots.append(element)
            generations.append(0)
        }
        return Element.Handle(generations[slot]) << Element.slotBits | Element.Handle(slot)
    }

    /// Takes the object out that was given this handle. Traps if its slot is empty.
    mutating func remove(_ handle: Element.Handle) {
        let slot = SlotTable.slot(handle)
        precondition(slots[slot] != nil, "nobody is in the slot")
        slots[slot] = nil
        free.append(UInt32(slot))
    }

    /// Calls `body` with each object; `body` may not change the table.
    func forEach(_ body: (Element) -> Void) {
        for case let element? in slots { body(element) }
    }
}
