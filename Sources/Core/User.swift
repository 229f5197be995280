internal import Base

/// A user with at least one session, on the loop that owns the user's shard.
final class User {
    let id: Identifier
    let hash: UInt64
    let shard: Int
    /// What the store knows the attachment by: slot and a generation, so that an event for a user who left isn't
    /// taken for the next one in the slot.
    var token: UInt32 = 0
    /// Last place in the inbox that this loop has heard of.
    var head: UInt64 = 0
    var sessions: [Session] = []

    init(id: Identifier, shard: Int) {
        self.id = id
        hash = id.hash64
        self.shard = shard
    }
}

/// The users of a hub by slot, and the maps that find them by id.
struct UserTable {
    private static let slotBits: UInt32 = 22
    private static let slotMask: UInt32 = (1 << slotBits) - 1

    private var slots: [User?] = []
    private var generations: [UInt32] = []
    private var free: [UInt32] = []
    private var maps: [ClientMap]
    private let topology: Topology

    init(topology: Topology) {
        self.topology = topology
        maps = Array(repeating: ClientMap(), count: topology.shardsPerNode)
    }

    var count: Int { maps.reduce(0) { $0 + $1.count } }
    /// Users in each of the loop's shards.
    var shardCounts: [Int] { maps.map(\.count) }

    /// The user of an attachment token; nil if that user has left.
    func user(token: UInt32) -> User? {
        let slot = Int(token & UserTable.slotMask)
        guard slot < slots.count, let user = slots[slot], user.token == token else { return nil }
        return user
    }

    func find(_ id: Identifier) -> User? {
        let hash = id.hash64
        let map = maps[topology.shard(of: id) / topology.nodes]
        let slot = map.find(hash: hash) { slots[Int($0)]?.id == id }
        return slot.flatMap { slots[Int($0)] }
    }

    /// The user, who is added if the shard has room; nil if it is full.
    mutating func findOrAdd(_ id: Identifier) -> User? {
        if let user = find(id) { return user }
        let shard = topology.shard(of: id) / topology.nodes
        guard maps[shard].count < topology.usersPerShardMax, free.count > 0 || slots.count < UserTable.slotMask else {
            return nil
        }
        let user = User(id: id, shard: shard)
        let slot: UInt32
        if let reused = free.popLast() {
            slot = reused
            generations[Int(slot)] &+= 1
            slots[Int(slot)] = user
        } else {
            slot = UInt32(slots.count)
            slots.append(user)
            generations.append(0)
        }
        user.token = slot | generations[Int(slot)] << UserTable.slotBits
        let slots = self.slots
        maps[shard].insert(hash: user.hash, slot: slot) { slots[Int($0)]?.hash ?? 0 }
        return user
    }

    mutating func remove(_ user: User) {
        let slot = user.token & UserTable.slotMask
        maps[user.shard].remove(hash: user.hash, slot: slot)
        slots[Int(slot)] = nil
        free.append(slot)
    }
}
