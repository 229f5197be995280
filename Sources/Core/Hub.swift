package import Base
package import Store
internal import Wire

/// The chat rules of one event loop: its users and their sessions, what they say, and what the store answers.
///
/// Sans-IO: frames, store events and bus frames come in as calls; what goes out is written into the sessions'
/// outlets, appended to the tick's batch, or sent over the bus. Time is told. So a simulation runs the same code.
/// *Thread:* its loop's.
package final class Hub {
    package let node: MailboxIndex
    package let topology: Topology
    let store: any Store
    let bus: any Bus
    let presence: PresenceDirectory

    /// Milliseconds since the Unix epoch; whoever drives the hub sets it before each round of calls.
    package var milliseconds: UInt64 = 0
    /// What each user's sessions may send.
    package var allowance = FrameAllowance.unlimited { didSet { isLimited = allowance.isLimited } }
    private(set) var isLimited = false
    /// What is left of it, by the users' slots; nothing while there are no limits.
    var credits: [FrameCredit] = []
    /// Nanoseconds of a clock that never goes back, likewise; 0 if nobody measures.
    package var instant: UInt64 = 0
    package internal(set) var counters = HubCounters()
    var writtenAcks = WrittenAcks()
    /// Sessions that are behind now.
    package internal(set) var behindCount = 0
    /// Whether the store is told of users who come; that they go it is always told.
    package var recordsArrivals = false

    /// Whether the router is going down: nothing more is read, and nobody is told who leaves.
    package var isGoingDown = false

    /// Who was last seen from then on counts as online until then, though there is no session: a restart is no news.
    var resume: (from: UInt64, until: UInt64) = (0, 0)

    let users: UserTable
    var sessions = SlotTable<Session>()
    var loginSpans = LoginSpans()
    var devices = IdentifierPacker()
    var groups = GroupCache()
    /// What becomes of a private message to somebody who is no contact.
    let strangers: StrangerPolicy
    var relations = RelationCache()
    /// Whether every private message is admitted: strangers are welcome, and nobody has blocked anybody.
    var isOpen: Bool
    /// Whether a message may be one that waits for its destination to accept the sender.
    let holdsMessages: Bool
    /// Told of a change that a message of this loop made, for the home loops of the two.
    package var relationChanged: (Identifier, Identifier) -> Void = { _, _ in }
    var pending = PendingAnswers()
    var readTurns = ReadTurns()
    /// This loop's users whom sessions watch.
    var watched = WatchedUsers()
    /// What this loop's sessions watch.
    var watches = WatchTable()
    /// Frames of sessions whose message waits for its group or its relation, by the session's handle.
    var held: [UInt64: HeldFrames] = [:]
    /// Bytes of frames and messages that wait.
    var heldBytes = 0
    /// Sessions whose clients have ended their side, and what ends theirs once all is answered.
    var leaving: [UInt64: Leaving] = [:]
    let envelope = Envelope()
    /// What this tick's frames add up to; handed over in one piece.
    private var batch: RecordArena?
    /// Confirms of this tick that aren't handed over yet.
    private var confirming: [(session: Session, seq: UInt64)] = []
    /// By session: acks for entries that lie behind what was sent to it so far, oldest first.
    var deferredAcks: [UInt64: [DeferredAck]] = [:]
    /// Sessions that aren't read from while the queue to the disk is long.
    private(set) var pausedHandles: Set<UInt64> = []
    /// Messages and confirms that this loop has given the store, and those that are answered: in the same order.
    var repliesAsked: UInt64 = 0
    var repliesGiven: UInt64 = 0
    /// Messages and confirms that this loop has taken and not yet answered.
    package var outstandingReplies: Int { Int(repliesAsked - repliesGiven) }
    /// A frame in the making.
    var scratch = OutputBuffer()
    /// A message or an event in the making.
    var message = OutputBuffer()
    /// The messages of the commit that is being delivered.
    var encoded = EncodedMessages()
    var chains = RecipientChains()
    /// The messages to large groups of the commit that is being delivered.
    var livePushes: [UInt32] = []
    var pushed = PushedMessages()
    var largeGroups = LargeGroupMembers()
    /// Decompressed bodies on their way into JSON.
    var inflated = OutputBuffer()
    /// Who of this loop's sessions subscribes to which channel.
    var audiences = ChannelAudiences()
    /// The channels whose home this loop is.
    let channelHome: ChannelHome
    let posts: ChannelPosts
    var subscriberCounts = SubscriberCounts()
    /// The publications that are being delivered.
    var publications = EncodedPublications()

    package init(
        node: MailboxIndex, topology: Topology, store: any Store, bus: any Bus, presence: PresenceDirectory,
        strangers: StrangerPolicy = .deliver, channels: ChannelLimits = ChannelLimits()
    ) {
        self.node = node
        self.topology = topology
        self.store = store
        self.bus = bus
        self.presence = presence
        self.strangers = strangers
        isOpen = strangers == .deliver && !store.hadBlocks
        holdsMessages = strangers == .hold || store.hadHeldMessages
        users = UserTable(topology: topology)
        posts = ChannelPosts(node: node, bus: bus, topology: topology, limits: channels)
        channelHome = ChannelHome(posts: posts, limits: channels)
    }

    /// Users and their sessions hold each other until they part.
    deinit { sessions.forEach { $0.user.sessions = .none } }

    // MARK: The tick's batch

    /// The arena that messages of this tick are laid into.
    var currentBatch: RecordArena {
        if let batch {
            if batch.byteCount < Limits.batchBytesMax { return batch }
            submit(batch)
        }
        let arena = RecordArena()
        batch = arena
        return arena
    }

    /// Ends a tick: gives the store and subscribers what came together, and holds senders back when the store's queue
    /// is full.
    package func handOver() {
        fanOut()
        channelHome.sweepIfDue(now: milliseconds)
        // Not only when events come in: the store may be free again by what it did for others, or by a fold.
        resumeSenders()
        tellPresence()
        for (session, seq) in confirming {
            currentBatch.appendConfirm(
                user: session.user.id, device: session.device.identifier, seq: seq, reply: nil)
        }
        confirming.removeAll(keepingCapacity: true)
        endAnswered()
        guard let batch, !batch.isEmpty else { return }
        self.batch = nil
        submit(batch)
    }

    /// Answers that what this tick has taken so far will have.
    var repliesInBatch: Int { batch?.replies.count ?? 0 }

    private func submit(_ batch: RecordArena) {
        repliesAsked += UInt64(batch.replies.count)
        batch.takenAt = instant
        store.submit(batch)
        if store.isLaden { pauseSenders(of: batch, all: store.isCongested) }
    }

    /// Holds back those who fill the queue to the disk, so that what the others send needn't wait behind it; and
    /// everybody, once it is full.
    private func pauseSenders(of batch: RecordArena, all: Bool) {
        var bytes: [UInt64: Int] = [:]
        for entry in batch.entries where entry.reply != RecordArena.Entry.noReply {
            let reply = batch.replies[Int(entry.reply)]
            guard reply.form != ReplyForm.external.rawValue else { continue }
            bytes[reply.token, default: 0] += batch.record(at: entry.offset).size
        }
        for reply in batch.replies where all || bytes[reply.token, default: 0] > Limits.modestBytes {
            guard bytes[reply.token] != nil, let session = sessions[reply.token],
                pausedHandles.insert(reply.token).inserted
            else { continue }
            session.outlet.setReading(false)
        }
    }

    private func resumeSenders() {
        guard !pausedHandles.isEmpty, !store.isLaden, !isGoingDown else { return }
        // Who waits for something else is heard again when that is there.
        for handle in pausedHandles.sorted() where held[handle] == nil { sessions[handle]?.outlet.setReading(true) }
        pausedHandles.removeAll(keepingCapacity: true)
    }

    /// Notes a confirm; those that a session sends one behind the other become one.
    func noteConfirm(_ session: Session, seq: UInt64) {
        if let last = confirming.last, last.session === session {
            confirming[confirming.count - 1].seq = max(last.seq, seq)
        } else {
            confirming.append((session, seq))
        }
    }

    // MARK: Store events

    /// Takes answers of the store, in their order.
    package func handle(_ events: [StoreEvent]) {
        for event in events { handle(event) }
        resumeSenders()
    }

    private func handle(_ event: StoreEvent) {
        switch event {
        case .committed(let notice): deliver(notice)
        case .failed(let notice): refuseAll(of: notice)
        case .attached(let ticket, let result): attached(ticket, result)
        case .marked(let ticket, let failure): pending.take(ticket)?.marked?(failure)
        case .page(let ticket, let page): pending.take(ticket)?.page?(page)
        case .directory(let ticket, let result): pending.take(ticket)?.directory?(result)
        }
    }

    /// Gives back what a burst of sign-ins or messages has left.
    package func releaseSpareMemory() {
        pending.releaseSpareMemory()
        watched.releaseSpareMemory()
        watches.releaseSpareMemory()
        scratch.release()
        message.release()
        inflated.release()
        publications.release()
        channelHome.releaseSpareMemory()
        pushed.release()
    }

    // MARK: What others may ask

    /// Signed-in users in each of this loop's shards.
    package var usersPerShard: [Int] { users.shardCounts }
    package var sessionCount: Int { sessions.count }
    /// Watches of this loop's sessions.
    package var watchCount: Int { watches.count }
    /// This loop's users whom sessions watch, wherever.
    package var watchedUserCount: Int { watched.count }
}

/// The form in which a sender wants its answer; travels with the message through the store.
enum ReplyForm: UInt8 {
    case json
    case binary
    /// A closure in ``PendingAnswers``: an HTTP request.
    case external
}

/// What waits for an answer of the store, by ticket.
struct PendingAnswers {
    struct Pending {
        var session: Session?
        var owner: (any SessionOwner)?
        var page: ((Result<Page, StoreError>) -> Void)?
        var marked: ((StoreError?) -> Void)?
        var directory: ((Result<DirectoryAnswer, StoreError>) -> Void)?
        var stored: ((Result<RecordView, EnvelopeError>) -> Void)?
    }

    private var waiting: [UInt64: Pending] = [:]
    private var lastTicket: UInt64 = 0

    mutating func add(_ pending: Pending) -> UInt64 {
        lastTicket += 1
        waiting[lastTicket] = pending
        return lastTicket
    }

    var count: Int { waiting.count }

    mutating func releaseSpareMemory() { if waiting.isEmpty { waiting = [:] } }

    mutating func take(_ ticket: UInt64) -> Pending? { waiting.removeValue(forKey: ticket) }
}
