internal import Base
internal import Store
internal import Wire

// What loops tell each other about channels.
extension Hub {
    /// Takes mail that another loop (or this one) sent.
    func handle(_ mail: ChannelMail) {
        posts.took(mail)
        switch mail.content {
        case .subscribe(let wish): channelHome.subscribe(wish, from: mail.from, now: milliseconds)
        case .leave(let channel, let interest, let user):
            channelHome.leave(channel, interest, user: user, from: mail.from, now: milliseconds)
        case .publish(let publish): channelHome.publish(publish, from: mail.from, now: milliseconds)
        case .read(let channel, let after, let session):
            channelHome.read(channel, after: after, session: session, for: mail.from, now: milliseconds)
        case .subscribed(let answer): subscribed(answer)
        case .published(let channel, let publication): audiences.note(publication, on: channel)
        case .answered(let session, let reference, let result): answered(session, reference, result)
        case .page(let channel, let session, let page):
            guard let session = sessions[session], let audience = audiences[channel] else { return }
            take(page, for: session, in: audience)
        case .presence(let channel, let user, let isJoin): tellPresence(of: user, isJoin: isJoin, on: channel)
        case .count(let channel, let ticket):
            let audience = audiences[channel]
            posts.send(
                .counted(
                    ticket: ticket, users: audience?.users(max: Limits.pageEntriesMax) ?? [],
                    count: audience?.userCount ?? 0),
                to: mail.from)
        case .counted(let ticket, let users, let count):
            if let sum = subscriberCounts.take(ticket, users: users, count: count) { writeSubscribers(sum) }
        case .taken: break
        }
    }

    private func subscribed(_ answer: ChannelSubscribed) {
        guard let session = sessions[answer.session], let audience = audiences[answer.channel],
            let place = audience.place(of: session.handle)
        else { return }
        switch answer.place {
        case .failure(let refusal):
            writeError(
                EnvelopeError(channel: refusal), cid: RawSpan(), reference: answer.reference.span.bytes, to: session)
            leave(audience, session)
        case .success(let success):
            writeSubscribed(answer, success, to: session)
            audience.setSent(success.missed?.after ?? success.offset, at: place)
            audience.setState(.live, at: place)
            if let missed = success.missed { begin(with: missed, for: session, in: audience, at: place) }
        }
        release(session)
    }

    private func writeSubscribed(_ answer: ChannelSubscribed, _ place: ChannelSubscribed.Place, to session: Session) {
        scratch.removeAll()
        scratch.append(#"{"cmd":"subscribed","channel":"#)
        scratch.appendJSONString(answer.channel)
        scratch.append(#","offset":"#)
        scratch.append(decimal: place.offset)
        scratch.append(#","epoch":"#)
        scratch.appendJSONString(place.epoch)
        scratch.append(place.missed == nil ? #","recovered":false"# : #","recovered":true"#)
        scratch.appendReference(answer.reference.span.bytes)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    private func answered(_ handle: UInt64, _ reference: [UInt8], _ result: Result<UInt64, ChannelRefusal>) {
        guard let session = sessions[handle] else { return }
        switch result {
        case .failure(let refusal):
            writeError(EnvelopeError(channel: refusal), cid: RawSpan(), reference: reference.span.bytes, to: session)
        case .success(let offset):
            scratch.removeAll()
            scratch.append(#"{"cmd":"ok","offset":"#)
            scratch.append(decimal: offset)
            scratch.appendReference(reference.span.bytes)
            scratch.append(UInt8(ascii: "}"))
            emitJSON(to: session)
        }
    }

    /// Tells those who asked for it; it isn't stored, so whose socket has more than enough to do misses it.
    private func tellPresence(of user: Identifier, isJoin: Bool, on channel: Identifier) {
        guard let audience = audiences[channel] else { return }
        scratch.removeAll()
        scratch.append(isJoin ? #"{"cmd":"channel.joined","channel":"# : #"{"cmd":"channel.left","channel":"#)
        scratch.appendJSONString(channel)
        scratch.append(#","userid":"#)
        scratch.appendJSONString(user)
        scratch.append(UInt8(ascii: "}"))
        for subscriber in audience.subscribers where subscriber.wantsPresence && subscriber.state != .joining {
            guard subscriber.session.outlet.pendingBytes <= Limits.sessionOutputBytesMax else { continue }
            emitJSON(to: subscriber.session)
        }
    }

    private func writeSubscribers(_ sum: SubscriberCounts.Count) {
        guard let session = sessions[sum.session] else { return }
        scratch.removeAll()
        scratch.append(#"{"cmd":"subscribers","channel":"#)
        scratch.appendJSONString(sum.channel)
        scratch.append(#","users":["#)
        for (index, user) in sum.users.enumerated() {
            if index > 0 { scratch.append(UInt8(ascii: ",")) }
            scratch.appendJSONString(user)
        }
        scratch.append(#"],"count":"#)
        scratch.append(decimal: UInt64(sum.count))
        scratch.appendReference(sum.reference.span.bytes)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
        release(session)
    }
}
