internal import Base
internal import Store

/// What the journal knows about a user.
struct UserState {
    var number: UInt64
    var name: Identifier
    /// Last place in the inbox.
    var head: UInt64
    /// Up to where all devices have confirmed.
    var floor: UInt64
    /// Last batch that changed something here; it can be forgotten once that is folded.
    var lastBatch: UInt64 = 0
    var attachments = Attachments()
    /// nil until they are read from the index.
    var devices: DeviceList?
    var window = SentWindow()
    var isUsed = true
}

struct DeviceState {
    let name: PackedIdentifier
    var confirmed: UInt64
}

/// A user's devices. Most users have one, so the first lies in place.
struct DeviceList {
    private var first: DeviceState?
    private var others: [DeviceState] = []

    /// The last place that every device has confirmed.
    var confirmedByAll: UInt64 {
        others.reduce(first?.confirmed ?? 0) { min($0, $1.confirmed) }
    }

    /// The place of the device with this name in the list.
    func index(of name: Identifier) -> Int? {
        guard let first else { return nil }
        if first.name == name { return 0 }
        return others.firstIndex { $0.name == name }.map { $0 + 1 }
    }

    /// Traps if there is no device at `index`.
    subscript(index: Int) -> DeviceState {
        get {
            guard index == 0, let first else { return others[index - 1] }
            return first
        }
        set { if index == 0 { first = newValue } else { others[index - 1] = newValue } }
    }

    /// Adds a device that isn't there; returns its place.
    mutating func append(_ device: DeviceState) -> Int {
        guard first != nil else {
            first = device
            return 0
        }
        others.append(device)
        return others.count
    }

    /// Takes back the last ``append(_:)``.
    mutating func removeLast() {
        if others.popLast() == nil { first = nil }
    }
}

/// Which mailboxes hear of a user's new entries: nearly always none or one, so the first lies in place.
struct Attachments {
    struct Attachment {
        var mailbox: UInt16
        var token: UInt32
    }

    private(set) var first: Attachment?
    private var others: [Attachment] = []

    var isEmpty: Bool { first == nil }

    mutating func set(_ token: UInt32, mailbox: UInt16) {
        remove(mailbox: mailbox)
        let attachment = Attachment(mailbox: mailbox, token: token)
        if first == nil { first = attachment } else { others.append(attachment) }
    }

    mutating func remove(mailbox: UInt16) {
        others.removeAll { $0.mailbox == mailbox }
        if first?.mailbox == mailbox { first = others.popLast() }
    }

    @inline(__always)
    func visit(_ body: (Attachment) -> Void) {
        guard let first else { return }
        body(first)
        for other in others { body(other) }
    }
}

extension UserState: EvictableState {
    var hash: UInt64 { name.hash64 }

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

    /// Loads the state into the processor's cache: it spans three lines of 64 bytes.
    @inline(__always)
    func warmth(_ slot: Int) -> UInt64 {
        states.withUnsafeState(slot) { state in
            state.pointee.number &+ state.pointee.head &+ (state.pointee.window.isLoaded ? 1 : 0)
        }
    }

    mutating func insert(_ state: UserState, hash: UInt64) -> Int { states.insert(state, hash: hash) }

    mutating func remove(_ slot: Int) { states.remove(slot) }

    /// Forgets users that nothing unfolded or attached speaks of, looking at `steps` of them.
    mutating func evict(foldedThrough batch: UInt64, steps: Int) { states.evict(foldedThrough: batch, steps: steps) }
}
