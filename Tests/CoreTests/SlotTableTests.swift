import Testing

@testable import Core

private final class Guest: Slotted {
    static var slotBits: Int { 3 }
    static var generationBits: Int { 5 }
    var handle: UInt8 = 0
}

struct SlotTableTests {
    @Test("A handle is good until its object leaves, and never means the next one in the place")
    func handles() {
        var table = SlotTable<Guest>()
        var old: [UInt8] = []
        for round in 0..<25 {
            let guest = Guest()
            guest.handle = table.add(guest)
            #expect(table[guest.handle] === guest)
            #expect(table[slot: SlotTable<Guest>.slot(guest.handle)] === guest)
            for handle in old { #expect(table[handle] == nil) }
            if round % 5 == 4 { continue }
            table.remove(guest.handle)
            old.append(guest.handle)
        }
        #expect(table.count == 5)
        #expect(table.slotCount == 5)
        #expect(Set(old).count == old.count)
        var seen = 0
        table.forEach { _ in seen += 1 }
        #expect(seen == 5)
    }

    @Test("Generations begin again after the last one, and spill into nothing else")
    func wrapping() {
        var table = SlotTable<Guest>()
        var handles: [UInt8] = []
        for _ in 0..<33 {
            let guest = Guest()
            guest.handle = table.add(guest)
            handles.append(guest.handle)
            table.remove(guest.handle)
        }
        #expect(handles == (0..<32).map { UInt8($0 << 3) } + [0])
    }

    @Test("A table is full when a handle has no bits for more, and what was never given is nobody's")
    func room() {
        var table = SlotTable<Guest>()
        #expect(table[0] == nil && table[.max] == nil)
        var guests: [Guest] = []
        while table.hasRoom {
            guests.append(Guest())
            guests[guests.count - 1].handle = table.add(guests[guests.count - 1])
        }
        #expect(guests.count == 7)
        #expect(table[.max] == nil)
        table.remove(guests[3].handle)
        #expect(table.hasRoom)
    }
}
