internal import CEpoll
internal import Synchronization

/// How many connections one descriptor table has room for, and how many it holds. Loops that share a table share this.
///
/// Every channel has a place in it: reserved before its descriptor is there, given back after that was closed. So what
/// doesn't fit can be refused in words, where the kernel would drop a descriptor that finds no place.
package final class DescriptorTable: Sendable {
    /// The most connections that it holds at a time.
    package let capacity: Int
    /// Places that connections to stay leave free, so that who comes when all is full can be told so.
    package let headroom: Int
    private let used = Atomic(0)

    private static let headroomMax = 256

    /// - Parameter capacity: how many connections the table has descriptors for; else as many as the kernel lets.
    package init(capacity: Int = .max) {
        self.capacity = capacity
        headroom = min(DescriptorTable.headroomMax, max(capacity, 0) / 8)
    }

    /// Connections that hold a place.
    package var count: Int { used.load(ordering: .relaxed) }

    /// Whether those that are there may stay.
    package var hasRoomToStay: Bool { count <= capacity - headroom }

    /// Whether there is a place for who comes.
    var hasPlace: Bool { count < capacity }

    /// Reserves a place for a connection that stays; false if there is none.
    package func reserve() -> Bool { take(upTo: capacity - headroom) }

    /// Reserves a place for a connection of which nothing is known yet.
    func reserveForArrival() -> Bool { take(upTo: capacity) }

    private func take(upTo limit: Int) -> Bool {
        if used.add(1, ordering: .relaxed).newValue <= limit { return true }
        giveBack()
        return false
    }

    /// Gives a reserved place back.
    package func giveBack() { used.subtract(1, ordering: .relaxed) }

    /// Gives the calling thread a table of its own, in which nothing is open but its passage, what reaches the other
    /// loops, and the standard streams. To be called before it opens anything.
    ///
    /// - Parameter entrance: the calling thread's own passage.
    package static func makeOwn(
        mailboxes: [Mailbox], passages: [DescriptorPassage] = [], entrance: DescriptorPassage? = nil
    ) throws(Errno) {
        var kept = Set((0...2 as ClosedRange<Int32>).filter { cep_is_open($0) == 1 })
        kept.formUnion(mailboxes.map(\.descriptor))
        kept.formUnion(passages.map(\.way))
        if let entrance { kept.insert(entrance.end) }
        try SystemCall.ownDescriptorTable(keeping: kept)
    }
}

/// The way of descriptors into the table of one loop. *Thread:* any may send; only the loop receives.
///
/// A descriptor is sent before the mail that speaks of it is posted, and found by its ticket: when the mail is read,
/// the descriptor is there.
package final class DescriptorPassage: Sendable {
    private let sending: Descriptor
    private let receiving: Descriptor
    private let tickets = Atomic<UInt64>(0)

    /// To be made before any loop gets a table of its own.
    package init() throws(Errno) {
        let (sending, receiving) = try SystemCall.socketPair()
        self.sending = Descriptor(sending)
        self.receiving = Descriptor(receiving)
    }

    /// What senders need in their table.
    var way: Int32 { sending.rawValue }
    /// What the receiver needs in its own.
    var end: Int32 { receiving.rawValue }

    func nextTicket() -> UInt64 { tickets.add(1, ordering: .relaxed).newValue }

    /// Sends a copy of a descriptor; false if it must wait.
    func send(_ descriptor: Int32, ticket: UInt64) throws(Errno) -> Bool {
        try SystemCall.sendDescriptor(way, ticket: ticket, descriptor)
    }
}

/// What a loop has received and not yet been told of. *Thread:* the loop's.
struct Received: ~Copyable {
    private let passage: DescriptorPassage?
    /// By ticket; nil for those that the table had no place for.
    private var descriptors: [UInt64: Int32?] = [:]

    init(_ passage: DescriptorPassage?) { self.passage = passage }

    /// The descriptor with this ticket, which was sent. Errors: EMFILE, if the table had no place for it.
    mutating func claim(_ ticket: UInt64) throws(Errno) -> Descriptor {
        guard let passage else { preconditionFailure("a loop without a passage got a descriptor through it") }
        while descriptors[ticket] == nil {
            guard let next = try SystemCall.receiveDescriptor(passage.end) else { throw Errno.missing }
            descriptors[next.ticket] = .some(next.descriptor)
        }
        guard let descriptor = descriptors.removeValue(forKey: ticket) ?? nil else { throw Errno.tableFull }
        return Descriptor(descriptor)
    }

    /// Closes what nobody was told of.
    mutating func closeAll() {
        for case let descriptor? in descriptors.values { _ = Descriptor(descriptor) }
        descriptors.removeAll()
    }
}

/// A connection whose descriptor waits for its way into another table to be free. *Thread:* its loop's.
struct Departure {
    let passage: DescriptorPassage
    let descriptor: Int32
    let ticket: UInt64
    /// Posts the mail that speaks of it.
    let whenSent: () -> Void
}
