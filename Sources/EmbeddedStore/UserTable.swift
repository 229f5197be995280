internal import Base
internal import Store

/// What the journal knows about a user: 112 bytes, since there are very many. What every message needs comes first.
struct UserState {
    var number: UInt64
    /// Last place in the inbox.
    var head: UInt64
    /// Last batch that changed something here; it can be forgotten once that is folded.
    var lastBatch: UInt64 = 0
    var window = SentWindow()
    var attachments = Attachments.none
    let name: CompactIdentifier
    var isUsed = true
    /// Up to where all devices have confirmed.
    var floor: UInt64
    /// nil until they are read from the index.
    var devices: DeviceList?

    init(number: UInt64, name: Identifier, head: UInt64, floor: UInt64) {
        self.number = number
        self.name = CompactIdentifier(name)
        self.head = head
        self.floor = floor
    }
}

struct DeviceState {
    let name: PackedIdentifier
    var confirmed: UInt64
}

/// A user's devices. Most users have one, so that one lies in place.
enum DeviceList {
    case empty
    case one(DeviceState)
    case several([DeviceState])

    private var count: Int {
        switch self {
        case .empty: 0
        case .one: 1
        case .several(let devices): devices.count
        }
    }

    /// The last place that every device has confirmed.
    var confirmedByAll: UInt64 {
        switch self {
        case .empty: 0
        case .one(let device): device.confirmed
        case .several(let devices): devices.reduce(.max) { min($0, $1.confirmed) }
        }
    }

    /// The place of the device with this name in the list.
    func index(of name: Identifier) -> Int? {
        switch self {
        case .empty: nil
        case .one(let device): device.name == name ? 0 : nil
        case .several(let devices): devices.firstIndex { $0.name == name }
        }
    }

    /// Traps if there is no device at `index`.
    subscript(index: Int) -> DeviceState {
        get {
            switch self {
            case .one(let device) where index == 0: return device
            case .several(let devices): return devices[index]
            case .empty, .one: preconditionFailure("no device at \(index)")
            }
        }
        set {
            switch self {
            case .one where index == 0: self = .one(newValue)
            case .several(var devices):
                devices[index] = newValue
                self = .several(devices)
            case .empty, .one: preconditionFailure("no device at \(index)")
            }
        }
    }

    /// Adds a device that isn't there; returns its place.
    mutating func append(_ device: DeviceState) -> Int {
        switch self {
        case .empty: self = .one(device)
        case .one(let first): self = .several([first, device])
        case .several(let devices): self = .several(devices + [device])
        }
        return count - 1
    }

    /// Takes back the last ``append(_:)``.
    mutating func removeLast() {
        switch self {
        case .empty, .one: self = .empty
        case .several(let devices): self = devices.count == 2 ? .one(devices[0]) : .several(devices.dropLast())
        }
    }
}

/// Which mailboxes hear of a user's new entries: nearly always none or one, so that one lies in place.
enum Attachments {
    struct Attachment {
        var token: UInt32
        var mailbox: UInt16
    }

    case none
    case one(Attachment)
    case several([Attachment])

    var isEmpty: Bool { if case .none = self { true } else { false } }

    mutating func set(_ token: UInt32, mailbox: UInt16) {
        remove(mailbox: mailbox)
        let attachment = Attachment(token: token, mailbox: mailbox)
        switch self {
        case .none: self = .one(attachment)
        case .one(let first): self = .several([first, attachment])
        case .several(let all): self = .several(all + [attachment])
        }
    }

    mutating func remove(mailbox: UInt16) {
        switch self {
        case .none: break
        case .one(let attachment): if attachment.mailbox == mailbox { self = .none }
        case .several(let all):
            let rest = all.filter { $0.mailbox != mailbox }
            self = rest.count == 1 ? .one(rest[0]) : .several(rest)
        }
    }

    @inline(__always)
    func visit(_ body: (Attachment) -> Void) {
        switch self {
        case .none: break
        case .one(let attachment): body(attachment)
        case .several(let all): for attachment in all { body(attachment) }
        }
    }
}

extension UserState: EvictableState {
    var hash: UInt64 { name.identifier.hash64 }

    mutating func release() {
        isUsed = false
        _ = shrink()
    }

    /// Who is attached stays, without what can be read again.
    mutating func shrink() -> Bool {
        window.forget()
        devices = nil
        return attachments.isEmpty
    }
}

/// The users in memory.
struct UserTable {
    private var states = StateTable<UserState>()

    var count: Int { states.count }

    @inline(__always)
    subscript(slot: Int) -> UserState {
        _read { yield states[slot] }
        _modify { yield &states[slot] }
    }

    @inline(__always)
    func find(_ name: Identifier, hash: UInt64) -> Int? {
        states.find(hash) { state, _ in state.name == name }
    }

    /// The slot that a name probably has, for warming up.
    @inline(__always)
    func guess(_ hash: UInt64) -> Int? { states.guess(hash) }

    /// Loads the state into the processor's cache: what a message needs spans two lines of 64 bytes.
    @inline(__always)
    func warmth(_ slot: Int) -> UInt64 {
        states.withUnsafeState(slot) { $0.pointee.number &+ ($0.pointee.isUsed ? 1 : 0) }
    }

    mutating func insert(_ state: UserState, hash: UInt64) -> Int { states.insert(state, hash: hash) }

    mutating func remove(_ slot: Int) { states.remove(slot) }

    /// Forgets users that nothing unfolded or attached speaks of, looking at `steps` of them.
    mutating func evict(foldedThrough batch: UInt64, steps: Int) { states.evict(foldedThrough: batch, steps: steps) }
}
