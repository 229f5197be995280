import Base
import Store
import Testing

@testable import Core

/// Bytes that the allocator gave for an object.
@_silgen_name("malloc_usable_size") private func usableSize(_ object: UnsafeMutableRawPointer) -> Int

struct TableTests {
    // MARK: ClientMap

    @Test("The map agrees with a dictionary after every operation", arguments: 0..<20 as Range<UInt64>)
    func clientMapAgainstModel(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        // Few different hashes: collisions of place and of fingerprint are the rule.
        let hashes = (0..<400).map { slot in
            seed % 2 == 0 ? random.next() : UInt64(slot % 7) << 32 | UInt64(slot % 5)
        }
        var map = ClientMap()
        var model: Set<UInt32> = []
        for step in 0..<4_000 {
            let slot = UInt32(random.next() % UInt64(hashes.count))
            if model.contains(slot) {
                map.remove(hash: hashes[Int(slot)], slot: slot)
                model.remove(slot)
            } else if step % 1_000 < 700 || random.next() % 4 == 0 {
                map.insert(hash: hashes[Int(slot)], slot: slot) { hashes[Int($0)] }
                model.insert(slot)
            }
            #expect(map.count == model.count)
            #expect((map.find(hash: hashes[Int(slot)]) { $0 == slot } != nil) == model.contains(slot))
            guard step % 250 == 0 else { continue }
            for (slot, hash) in hashes.enumerated() {
                let found = map.find(hash: hash) { $0 == UInt32(slot) }
                #expect(found == (model.contains(UInt32(slot)) ? UInt32(slot) : nil))
            }
        }
    }

    @Test("Coming and going for long neither fills the map nor makes it grow")
    func clientMapTurnover() {
        var map = ClientMap()
        for round in 0..<100_000 {
            let hash = UInt64(round) &* 0x9E37_79B9_7F4A_7C15
            map.insert(hash: hash, slot: UInt32(round % 8)) { _ in 0 }
            map.remove(hash: hash, slot: UInt32(round % 8))
        }
        #expect(map.count == 0)
        // An empty place must be left, or this search never ends.
        #expect(map.find(hash: 1) { _ in true } == nil)
    }

    @Test("Removing somebody who isn't there changes nothing")
    func clientMapRemoveAbsent() {
        var map = ClientMap()
        map.insert(hash: 1, slot: 1) { _ in 1 }
        map.remove(hash: 1, slot: 2)
        map.remove(hash: 2, slot: 1)
        #expect(map.count == 1)
        #expect(map.find(hash: 1) { _ in true } == 1)
    }

    // MARK: UserTable

    private func table(shards: Int = 2, limit: Int = 1_000) -> UserTable {
        UserTable(topology: Topology(nodes: 1, shardsPerNode: shards, usersPerShardMax: limit))
    }

    @Test("Users are found by id and token until they leave; a token never comes again for another")
    func userTable() throws {
        let table = table()
        var random = SeededRandom(seed: 5)
        var present: [Identifier: UInt32] = [:]
        var gone: Set<UInt32> = []
        for _ in 0..<3_000 {
            let id = name("user\(random.next() % 60)")
            if let token = present[id] {
                let user = try #require(table.find(id))
                let again = table.findOrAdd(id)
                #expect(again === user)
                #expect(user.token == token)
                table.remove(user)
                present[id] = nil
                gone.insert(token)
            } else {
                #expect(table.find(id) == nil)
                let added = table.findOrAdd(id)
                let user = try #require(added)
                #expect(table.user(token: user.token) === user)
                #expect(!gone.contains(user.token))
                present[id] = user.token
            }
            #expect(table.count == present.count)
            #expect(table.shardCounts.reduce(0, +) == present.count)
        }
        for token in gone { #expect(table.user(token: token) == nil) }
        #expect(table.user(token: .max) == nil)
    }

    @Test("A full shard takes nobody new, and again somebody when one has left")
    func fullShard() throws {
        let table = table(shards: 1, limit: 3)
        let users = (0..<3).map { table.findOrAdd(name("u\($0)")) }
        let refused = table.findOrAdd(name("u3"))
        #expect(refused == nil)
        let known = table.findOrAdd(name("u1"))
        #expect(known === users[1])
        table.remove(try #require(users[0]))
        let added = table.findOrAdd(name("u3"))
        #expect(added != nil)
        let last = table.findOrAdd(name("u4"))
        #expect(last == nil)
    }

    @Test("The map of a full shard takes 2 MiB")
    func memoryOfMap() {
        var map = ClientMap()
        for slot in 0..<100_000 {
            map.insert(hash: UInt64(slot) &* 0x9E37_79B9_7F4A_7C15, slot: UInt32(slot)) {
                UInt64($0) &* 0x9E37_79B9_7F4A_7C15
            }
        }
        #expect(map.count == 100_000)
        #expect(map.byteCount <= 2 << 20)
    }

    @Test(
        "A full shard of 100,000 users costs at most 160 bytes a user",
        .disabled(if: isUnderAddressSanitizer, "it pads every allocation"))
    func memoryOfFullShard() async {
        // In a process of its own, where nothing else allocates.
        await #expect(processExitsWith: .success) {
            let count = 100_000
            let before = residentBytes()
            let table = UserTable(topology: Topology(nodes: 1, shardsPerNode: 1, usersPerShardMax: count))
            for index in 0..<count { _ = table.findOrAdd(name("user\(index)")) }
            #expect(residentBytes() - before < count * 160)
            #expect(table.count == count)
        }
    }

    // MARK: Sizes

    /// Each signed-in connection has one of each, so what they grow by is paid very often.
    @Test func sessionsAndUsersAreSmall() throws {
        let user = User.make(name("user-with-a-name"))
        let session = Session(
            outlet: Outlet(), user: user, device: PackedIdentifier(name("phone")), resumingAfter: nil, form: .json,
            readsLZ4: false)
        #expect(usableSize(Unmanaged.passUnretained(user).toOpaque()) <= 56)
        #expect(usableSize(Unmanaged.passUnretained(session).toOpaque()) <= 72)
    }

    // MARK: PresenceDirectory

    @Test("Presence is what was told last, and who left long ago is forgotten")
    func presence() {
        let directory = PresenceDirectory()
        #expect(directory.presence(of: name("a")) == nil)
        for user in 0..<500 { directory.set(name("u\(user)"), isOnline: user % 2 == 0, now: 1_000) }
        for user in 0..<500 {
            let presence = directory.presence(of: name("u\(user)"))
            #expect(presence == (user % 2 == 0 ? .online : .left(since: 1_000)))
        }
        for turn in 0..<256 { directory.sweep(turn: turn, now: 601_000) }
        #expect(directory.presence(of: name("u1")) != nil)
        for turn in 256..<512 { directory.sweep(turn: turn, now: 601_001) }
        for user in 0..<500 {
            #expect((directory.presence(of: name("u\(user)")) != nil) == (user % 2 == 0))
        }
    }

    // MARK: Topology

    @Test("Users spread evenly over loops and shards", arguments: [(1, 1), (2, 4), (3, 5), (16, 4)])
    func topology(nodes: Int, shardsPerNode: Int) {
        let topology = Topology(nodes: nodes, shardsPerNode: shardsPerNode, usersPerShardMax: 1)
        let users = 40_000
        var shards = Array(repeating: 0, count: nodes * shardsPerNode)
        var loops = Array(repeating: 0, count: nodes)
        for index in 0..<users {
            let user = name("user\(index)")
            shards[topology.shard(of: user)] += 1
            loops[Int(topology.node(of: user).rawValue)] += 1
            #expect(Int(topology.node(of: user).rawValue) == topology.shard(of: user) / shardsPerNode)
        }
        // Ten standard deviations of a fair distribution.
        for (counts, name) in [(shards, "shards"), (loops, "loops")] {
            let expected = Double(users) / Double(counts.count)
            let tolerance = 10 * expected.squareRoot()
            for count in counts { #expect(abs(Double(count) - expected) <= tolerance, "\(name)") }
        }
    }
}
