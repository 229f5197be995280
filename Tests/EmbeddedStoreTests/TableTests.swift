import Base
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
}
