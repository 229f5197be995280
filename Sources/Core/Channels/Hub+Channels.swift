internal import Base
internal import Store
internal import Wire

// What clients say about channels. What the channel's home answers is in Hub+ChannelMail.
extension Hub {
    /// Asks the home for a place on the channel. The session's next frames wait for its answer, so that they find the
    /// session subscribed, and answers keep their order.
    func receiveSubscribe(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let channel = try channelName(in: bytes)
        let after = try envelope.unsigned(.after, in: bytes)
        let epoch = try envelope.string(.epoch, in: bytes)
        guard epoch?.utf8.count ?? 0 <= Limits.cidBytesMax else {
            throw EnvelopeError(.badRequest, "epoch has at most 64 bytes")
        }
        let wantsPresence = try envelope.bool(.presence, in: bytes) ?? false
        let reference = reference(in: bytes)
        var subscriptions = audiences[session] ?? ChannelAudiences.Subscriptions()
        let isThere = audiences[channel]?.place(of: session.handle) != nil
        guard isThere || subscriptions.audiences.count < Limits.channelsPerSessionMax else {
            throw EnvelopeError(.tooLarge, "a session may have at most 256 channels")
        }
        let audience = audiences.findOrAdd(channel, home: topology.node(of: channel))
        if isThere {
            endReading(of: session, in: audience)
        } else {
            subscriptions.audiences.append(audience)
            audiences[session] = subscriptions
        }
        let isFirst = audience.add(session, wantsPresence: wantsPresence)
        hold(session)
        let wish = ChannelSubscribe(
            channel: channel, session: session.handle, reference: reference, after: after, epoch: epoch,
            interest: audience.interest, user: isFirst ? session.userID : nil)
        posts.send(.subscribe(wish), to: audience.home)
    }

    func receiveUnsubscribe(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        if let audience = audiences[try channelName(in: bytes)] { leave(audience, session) }
        writeOK(reference: reference(in: bytes).span.bytes, to: session)
    }

    func receivePublish(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let channel = try channelName(in: bytes)
        guard let data = envelope.token(.data) else { throw EnvelopeError(.badRequest, "data is missing") }
        guard data.count <= Limits.channelDataBytesMax else {
            throw EnvelopeError(.tooLarge, "data may have at most 64 KiB")
        }
        let home = topology.node(of: channel)
        guard posts.hasRoom(to: home) else { throw EnvelopeError(channel: .congested) }
        let publish = ChannelPublish(
            channel: channel, user: session.userID, session: session.handle, reference: reference(in: bytes),
            data: Array(bytes.extracting(data)))
        posts.send(.publish(publish), to: home)
    }

    /// Asks every loop who subscribes there; the session's next frames wait for the answer.
    func receiveSubscribers(_ bytes: RawSpan, _ session: Session) throws(EnvelopeError) {
        let channel = try channelName(in: bytes)
        let ticket = subscriberCounts.add(
            SubscriberCounts.Count(
                channel: channel, session: session.handle, reference: reference(in: bytes),
                waitsFor: topology.nodes))
        hold(session)
        for node in posts.nodes { posts.send(.count(channel: channel, ticket: ticket), to: node) }
    }

    private func channelName(in bytes: RawSpan) throws(EnvelopeError) -> Identifier {
        guard let channel = try envelope.identifier(.channel, in: bytes) else {
            throw EnvelopeError(.badRequest, "channel is missing")
        }
        return channel
    }

    // MARK: Leaving

    /// Takes a session off a channel; the home learns of it if that changes what it sends or tells.
    func leave(_ audience: ChannelAudience, _ session: Session) {
        let before = audience.interest
        endReading(of: session, in: audience)
        guard let isLast = audience.remove(session) else { return }
        if var subscriptions = audiences[session] {
            subscriptions.audiences.removeAll { $0 === audience }
            audiences[session] = subscriptions.audiences.isEmpty ? nil : subscriptions
        }
        if audience.isEmpty { audiences.remove(audience) }
        guard isLast || audience.interest != before else { return }
        posts.send(
            .leave(
                channel: audience.channel, interest: audience.interest, user: isLast ? session.userID : nil),
            to: audience.home)
    }

    /// Takes a session that ended off all of its channels.
    func leaveChannels(_ session: Session) {
        guard let subscriptions = audiences[session] else { return }
        for audience in subscriptions.audiences { leave(audience, session) }
    }

    /// Forgets that a session lags on a channel; the page that may be on its way finds nobody.
    private func endReading(of session: Session, in audience: ChannelAudience) {
        guard let place = audience.place(of: session.handle) else { return }
        switch audience.subscribers[place].state {
        case .joining, .live: return
        case .lagging: audiences[session]?.lagging -= 1
        case .reading:
            audiences[session]?.lagging -= 1
            audiences[session]?.isReading = false
        }
        audience.setState(.joining, at: place)
    }
}

/// Questions for the subscribers of a channel that wait for the answers of all loops.
struct SubscriberCounts {
    struct Count {
        let channel: Identifier
        let session: UInt64
        let reference: [UInt8]
        /// Loops that haven't answered.
        var waitsFor: Int
        var users: [Identifier] = []
        var count = 0
    }

    private var waiting: [UInt64: Count] = [:]
    private var lastTicket: UInt64 = 0

    mutating func add(_ count: Count) -> UInt64 {
        lastTicket += 1
        waiting[lastTicket] = count
        return lastTicket
    }

    /// Takes the answer of one loop; returns the whole once it is there.
    mutating func take(_ ticket: UInt64, users: [Identifier], count: Int) -> Count? {
        guard var sum = waiting.removeValue(forKey: ticket) else { return nil }
        sum.waitsFor -= 1
        sum.users += users.prefix(Limits.pageEntriesMax - sum.users.count)
        sum.count += count
        if sum.waitsFor == 0 { return sum }
        waiting[ticket] = sum
        return nil
    }
}

extension EnvelopeError {
    /// What a client is told of a channel's home that didn't do it.
    init(channel refusal: ChannelRefusal) {
        switch refusal {
        case .tooManyChannels: self.init(.overloaded, "there are too many channels")
        case .congested: self.init(.overloaded, "the channel's subscribers don't keep up; try again later")
        }
    }
}
