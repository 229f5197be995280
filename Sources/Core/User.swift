internal import Base

/// A user with at least one session, on the loop that owns the user's shard.
///
/// The id lies behind the fields, in as many bytes as it has: an ``Identifier`` has room for the longest, and there
/// are very many users.
final class User: ManagedBuffer<User.Fields, UInt8> {
    struct Fields {
        var head: UInt64 = 0
        var sessions = SessionList.none
        var token: UInt32 = 0
        let idCount: UInt8
        var isUnblocked = false
    }

    static func make(_ id: Identifier) -> User {
        let count = id.count
        let user = unsafeDowncast(
            User.create(minimumCapacity: count) { _ in Fields(idCount: UInt8(count)) }, to: User.self)
        user.withUnsafeMutablePointerToElements { elements in
            let room = UnsafeMutableRawBufferPointer(start: elements, count: count)
            id.withBytes { bytes in bytes.withUnsafeBytes { room.copyMemory(from: $0) } }
        }
        return user
    }

    private func field<Value>(_ body: (UnsafeMutablePointer<Fields>) -> Value) -> Value {
        withUnsafeMutablePointerToHeader(body)
    }

    private func withIDBytes<Value>(_ body: (RawSpan) -> Value) -> Value {
        withUnsafeMutablePointers { fields, elements in
            body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: elements, count: Int(fields.pointee.idCount))))
        }
    }

    /// The id, to be passed on.
    var id: Identifier { withIDBytes { Identifier(trusted: $0) } }

    /// Whether that is this user's id.
    func isNamed(_ id: Identifier) -> Bool { withIDBytes { id.consists(of: $0) } }

    /// What the store knows the attachment by: slot and a generation, so that an event for a user who left isn't
    /// taken for the next one in the slot.
    var token: UInt32 {
        get { field { $0.pointee.token } }
        set { field { $0.pointee.token = newValue } }
    }

    /// Last place in the inbox that this loop has heard of.
    var head: UInt64 {
        get { field { $0.pointee.head } }
        set { field { $0.pointee.head = newValue } }
    }

    /// Whether nobody is known to have blocked this user, so that nothing needs to be asked before a message goes out.
    var isUnblocked: Bool {
        get { field { $0.pointee.isUnblocked } }
        set { field { $0.pointee.isUnblocked = newValue } }
    }

    var sessions: SessionList {
        get { field { $0.pointee.sessions } }
        set { field { $0.pointee.sessions = newValue } }
    }
}

extension User: Slotted {
    static var slotBits: Int { 22 }
    static var generationBits: Int { 10 }

    var handle: UInt32 { token }
}

/// A user's sessions: nearly always one, so that one needs no memory of its own.
enum SessionList {
    case none
    case one(Session)
    case several([Session])

    var isEmpty: Bool {
        if case .none = self { return true }
        return false
    }

    @inline(__always)
    func forEach(_ body: (Session) -> Void) {
        switch self {
        case .none: break
        case .one(let session): body(session)
        case .several(let sessions): for session in sessions { body(session) }
        }
    }

    mutating func add(_ session: Session) {
        switch self {
        case .none: self = .one(session)
        case .one(let first): self = .several([first, session])
        case .several(let sessions): self = .several(sessions + [session])
        }
    }

    mutating func remove(_ session: Session) {
        var rest: [Session] = []
        forEach { if $0 !== session { rest.append($0) } }
        switch rest.count {
        case 0: self = .none
        case 1: self = .one(rest[0])
        default: self = .several(rest)
        }
    }
}

/// The users of a hub by slot, and the maps that find them by id.
/// *Thread:* the loop's.
final class UserTable {
    private var slots = SlotTable<User>()
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
    func user(token: UInt32) -> User? { slots[token] }

    /// Slots that were ever used: every slot is below.
    var slotCount: Int { slots.slotCount }

    /// The slot that a token means, whoever is in it now; nil if it never existed.
    func slot(token: UInt32) -> Int? {
        let slot = SlotTable<User>.slot(token)
        return slot < slots.slotCount ? slot : nil
    }

    func user(slot: Int) -> User? { slots[slot: slot] }

    func find(_ id: Identifier) -> User? { find(id, hash: id.hash64) }

    func find(_ id: Identifier, hash: UInt64) -> User? {
        var found: User?
        _ = maps[map(of: hash)].find(hash: hash) { slot in
            guard let user = slots[slot: Int(slot)], user.isNamed(id) else { return false }
            found = user
            return true
        }
        return found
    }

    /// Index of the map of the user's shard.
    private func map(of hash: UInt64) -> Int { topology.shardOfNode(hash: hash) }

    /// The user, who is added if the shard has room; nil if it is full.
    func findOrAdd(_ id: Identifier) -> User? {
        let hash = id.hash64
        if let user = find(id, hash: hash) { return user }
        let shard = map(of: hash)
        guard maps[shard].count < topology.usersPerShardMax, slots.hasRoom else { return nil }
        let user = User.make(id)
        user.token = slots.add(user)
        maps[shard].insert(hash: hash, slot: UInt32(SlotTable<User>.slot(user.token))) {
            slots[slot: Int($0)]?.id.hash64 ?? 0
        }
        return user
    }

    func remove(_ user: User) {
        let hash = user.id.hash64
        maps[map(of: hash)].remove(hash: hash, slot: UInt32(SlotTable<User>.slot(user.token)))
        slots.remove(user.token)
    }
}
