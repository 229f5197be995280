import Base
import Store
import Testing

@testable import EmbeddedStore

/// The structures that the journal's memory is made of, against plain dictionaries and sorts.
struct TableTests {
    @Test func slotIndexAgreesWithADictionary() {
        var random = SeededRandom(seed: 3)
        var index = SlotIndex(capacity: 0)
        var model: [Int: UInt64] = [:]
        var hashes: [UInt64] = []
        for step in 0..<20_000 {
            if step % 3 == 2, let victim = model.keys.randomElement(using: &random), let hash = model[victim] {
                index.remove(hash, place: victim)
                model[victim] = nil
            } else {
                // Few different tags, so that runs get long and removals have much to move.
                let hash = (random.next() % 4_000) << 32 | random.next() % 7
                index.insert(hash, place: hashes.count)
                model[hashes.count] = hash
                hashes.append(hash)
            }
        }
        #expect(index.count == model.count)
        for (place, hash) in hashes.enumerated() {
            #expect(index.find(hash) { $0 == place } == (model[place] == nil ? nil : place))
        }
    }

    @Test func recentlySentFindsTheLastAndTakesBack() {
        var recent = RecentlySent()
        func entry(_ id: UInt64) -> SentEntry { SentEntry(id: id, cseq: id + 1, seq: id + 2) }
        let keys = (0..<70_000).map { SentKey(user: UInt64($0 % 100), hash: UInt64($0 / 100)) }
        for (index, key) in keys.enumerated() { recent.add(key, entry(UInt64(index)), batch: UInt64(1 + index / 1_000)) }
        for (index, key) in keys.enumerated() { #expect(recent.find(key)?.id == UInt64(index)) }
        recent.add(keys[3], entry(1_000_000), batch: 71)
        #expect(recent.find(keys[3])?.id == 1_000_000)
        recent.removeLast()
        #expect(recent.find(keys[3])?.id == 3)
        recent.removeLast()
        #expect(recent.find(keys[69_999]) == nil && recent.find(keys[69_998]) != nil)
        recent.folded(through: 100)
        #expect(recent.find(keys[3]) == nil)
    }

    @Test func deviceListFindsTheFirstAndTheOthers() throws {
        var list = DeviceList.empty
        let names = try (0..<3).map { try #require(Identifier("device-\($0)")) }
        #expect(list.confirmedByAll == 0)
        for (index, name) in names.enumerated() {
            #expect(list.index(of: name) == nil)
            #expect(list.append(DeviceState(name: PackedIdentifier(name), confirmed: 7 - UInt64(index))) == index)
        }
        #expect(list.confirmedByAll == 5)
        #expect(names.map { list.index(of: $0) } == [0, 1, 2])
        list[2].confirmed = 9
        #expect(list.confirmedByAll == 6 && list[2].confirmed == 9 && list[0].confirmed == 7)
        list.removeLast()
        #expect(list.index(of: names[2]) == nil && list.index(of: names[1]) == 1)
        list.removeLast()
        list.removeLast()
        #expect(list.index(of: names[0]) == nil)
    }

    @Test func attachmentsKnowOneTokenForEachMailbox() {
        func listed(_ attachments: Attachments) -> [UInt16: UInt32] {
            var found: [UInt16: UInt32] = [:]
            attachments.visit { found[$0.mailbox] = $0.token }
            return found
        }
        var attachments = Attachments.none
        var model: [UInt16: UInt32] = [:]
        var random = SeededRandom(seed: 5)
        for step in 0..<2_000 {
            let mailbox = UInt16(random.next() % 4)
            if random.next() % 2 == 0 {
                attachments.set(UInt32(step), mailbox: mailbox)
                model[mailbox] = UInt32(step)
            } else {
                attachments.remove(mailbox: mailbox)
                model[mailbox] = nil
            }
            #expect(listed(attachments) == model && attachments.isEmpty == model.isEmpty)
        }
    }

    @Test func aLineKeepsItsOrder() {
        var line = Line<Int>()
        var model: [Int] = []
        var random = SeededRandom(seed: 11)
        for step in 0..<5_000 {
            if random.next() % 5 < (step < 2_500 ? 3 : 1) {
                line.append(step)
                model.append(step)
            } else {
                #expect(line.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(line.count == model.count)
        }
    }

    @Test(arguments: [0, 1, 2_000, 5_000]) func radixSortIsStable(count: Int) {
        var random = SeededRandom(seed: 9)
        var pairs = (0..<count).map { (key: random.next() % (1 << 23), place: $0) }
        let expected = pairs.sorted { ($0.key, $0.place) < ($1.key, $1.place) }
        RadixSort.sort(&pairs) { $0.key }
        #expect(pairs.map(\.place) == expected.map(\.place))
    }

    @Test func sentWindowKeepsTheLast256AndTakesBack() {
        var window = SentWindow()
        for hash in UInt64(1)...300 { _ = window.add(hash) }
        #expect(!window.mayContain(44) && window.mayContain(45) && window.mayContain(300))
        let additions = (UInt64(301)...310).map { window.add($0) }
        #expect(!window.mayContain(54))
        for addition in additions.reversed() { window.take(back: addition) }
        #expect(!window.mayContain(44) && window.mayContain(45) && !window.mayContain(301))
    }

    @Test func everyBitOfABatchIsInItsChecksum() {
        var bytes = [UInt8](repeating: 0x5A, count: 77)
        let sum = bytes.withUnsafeBytes { StableHash.checksum($0) }
        for index in bytes.indices {
            for bit in 0..<8 {
                bytes[index] ^= 1 << bit
                #expect(bytes.withUnsafeBytes { StableHash.checksum($0) } != sum)
                bytes[index] ^= 1 << bit
            }
        }
    }

    /// What waits is taken in pieces, in order, and nothing is left behind that counts.
    @Test func journalTakesABoundedRound() {
        var queue = SharedWork.JournalQueue()
        for index in 0..<5 {
            let arena = RecordArena()
            arena.addPrivate("a", "b", String(repeating: "x", count: 1_000 * (index + 1)), cid: "", reply: nil)
            queue.requests.append(.batch(arena))
            queue.bytes += arena.byteCount
        }
        queue.requests.append(.detach(name("a"), mailbox: MailboxIndex(0)))
        queue.bytes += SharedWork.attachBytes
        var counts: [Int] = []
        while !queue.requests.isEmpty {
            let before = queue.bytes
            let (requests, bytes) = SharedWork.take(&queue, bytesMax: 4_500)
            #expect(requests.count == 1 || bytes <= 4_500)
            #expect(queue.bytes == before - bytes)
            counts.append(requests.count)
        }
        #expect(counts == [2, 1, 1, 1, 1] && queue.bytes == 0)
    }
}

/// What there is one of for each user or conversation must not grow unnoticed.
struct StateSizeTests {
    @Test func statesAreSmall() {
        #expect(MemoryLayout<UserState>.stride <= 112)
        #expect(MemoryLayout<ConversationState>.stride <= 48)
    }
}
