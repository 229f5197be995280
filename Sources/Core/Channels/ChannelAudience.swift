internal import Base
internal import Store

/// The subscribers that a channel has on one loop, wherever the channel's home is. *Thread:* the loop's.
final class ChannelAudience {
    enum State: UInt8 {
        /// The home hasn't answered yet.
        case joining
        /// Gets what is published.
        case live
        /// Publications behind `sent` are to be read from the history.
        case lagging
        /// They are being read.
        case reading
    }

    struct Subscriber {
        let session: Session
        /// The last offset that it was given, or behind which it begins.
        var sent: UInt64 = 0
        var state = State.joining
        var wantsPresence: Bool
    }

    let channel: Identifier
    let home: MailboxIndex
    private(set) var subscribers: [Subscriber] = []
    /// By session: where in `subscribers`.
    private var places: [UInt64: Int32] = [:]
    private var presenceCount = 0
    /// Distinct users among the subscribers; all sessions of a user live on one loop.
    private(set) var userCount = 0
    /// What came in this tick.
    private var news: [Publication] = []

    init(channel: Identifier, home: MailboxIndex) {
        self.channel = channel
        self.home = home
    }

    var isEmpty: Bool { subscribers.isEmpty }

    var interest: ChannelInterest { isEmpty ? .none : presenceCount > 0 ? .presence : .publications }

    /// Where a session stands; nil if it doesn't subscribe.
    func place(of handle: UInt64) -> Int? { places[handle].map { Int($0) } }

    func setSent(_ offset: UInt64, at place: Int) { subscribers[place].sent = offset }
    func setState(_ state: State, at place: Int) { subscribers[place].state = state }

    /// Adds a session; one that is there begins anew. Returns whether it is its user's first.
    func add(_ session: Session, wantsPresence: Bool) -> Bool {
        var isFirst = false
        if let place = place(of: session.handle) {
            presenceCount -= subscribers[place].wantsPresence ? 1 : 0
            subscribers[place].wantsPresence = wantsPresence
            subscribers[place].state = .joining
        } else {
            isFirst = !has(session.user)
            userCount += isFirst ? 1 : 0
            places[session.handle] = Int32(subscribers.count)
            subscribers.append(Subscriber(session: session, wantsPresence: wantsPresence))
        }
        presenceCount += wantsPresence ? 1 : 0
        return isFirst
    }

    /// Takes a session out. Returns whether its user has no other; nil if it wasn't there.
    func remove(_ session: Session) -> Bool? {
        guard let place = places.removeValue(forKey: session.handle).map({ Int($0) }) else { return nil }
        presenceCount -= subscribers[place].wantsPresence ? 1 : 0
        if let last = subscribers.popLast(), place < subscribers.count {
            subscribers[place] = last
            places[last.session.handle] = Int32(place)
        }
        let isLast = !has(session.user)
        userCount -= isLast ? 1 : 0
        return isLast
    }

    private func has(_ user: User) -> Bool { first(of: user) != nil }

    private func first(of user: User) -> Session? {
        var first: Session?
        user.sessions.forEach { if first == nil, places[$0.handle] != nil { first = $0 } }
        return first
    }

    /// Some of the users, each once.
    func users(max: Int) -> [Identifier] {
        var users: [Identifier] = []
        for subscriber in subscribers where first(of: subscriber.session.user) === subscriber.session {
            guard users.count < max else { break }
            users.append(subscriber.session.userID)
        }
        return users
    }

    /// Keeps a publication for the end of the tick; true if it is the tick's first.
    func note(_ publication: Publication) -> Bool {
        news.append(publication)
        return news.count == 1
    }

    func takeNews() -> [Publication] {
        defer { news = [] }
        return news
    }
}

/// The channels of a loop's sessions. Sessions without channels take no room here. *Thread:* the loop's.
struct ChannelAudiences {
    struct Subscriptions {
        var audiences: [ChannelAudience] = []
        /// How many of them are read from the history, or are to be.
        var lagging = 0
        /// A session reads one history at a time.
        var isReading = false
    }

    private var audiences: [Identifier: ChannelAudience] = [:]
    /// By session.
    private var subscriptions: [UInt64: Subscriptions] = [:]
    /// Those with publications that came in this tick.
    private var withNews: [ChannelAudience] = []

    subscript(channel: Identifier) -> ChannelAudience? { audiences[channel] }

    subscript(session: Session) -> Subscriptions? {
        get { subscriptions.isEmpty ? nil : subscriptions[session.handle] }
        set { subscriptions[session.handle] = newValue }
    }

    mutating func findOrAdd(_ channel: Identifier, home: MailboxIndex) -> ChannelAudience {
        if let audience = audiences[channel] { return audience }
        let audience = ChannelAudience(channel: channel, home: home)
        audiences[channel] = audience
        return audience
    }

    mutating func remove(_ audience: ChannelAudience) { audiences[audience.channel] = nil }

    mutating func note(_ publication: Publication, on channel: Identifier) {
        guard let audience = audiences[channel], audience.note(publication) else { return }
        withNews.append(audience)
    }

    mutating func takeNews() -> [ChannelAudience] {
        guard !withNews.isEmpty else { return [] }
        defer { withNews = [] }
        return withNews
    }
}
