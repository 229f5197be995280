internal import Base
internal import Store
internal import Wire

/// The channels whose home a loop is: their offsets, their histories, and which loops have subscribers.
/// *Thread:* the loop's.
final class ChannelHome {
    private final class HomeChannel {
        let epoch: String
        /// The last publication's.
        var offset: UInt64 = 0
        var history = ChannelHistory()
        /// Loops with subscribers.
        var interests: [(node: MailboxIndex, interest: ChannelInterest)] = []
        var usedAt: UInt64

        init(epoch: String, now: UInt64) {
            self.epoch = epoch
            usedAt = now
        }
    }

    private let posts: ChannelPosts
    private let limits: ChannelLimits
    private var channels: [Identifier: HomeChannel] = [:]
    /// Bytes of all histories.
    private(set) var historyBytes = 0
    /// Publications that were taken.
    private(set) var published: UInt64 = 0
    private var lastNumber: UInt64 = 0
    private var sweptAt: UInt64 = 0
    private var madeRoomAt: UInt64 = 0
    /// A publication in the making.
    private var event = OutputBuffer()

    private static let sweepMilliseconds: UInt64 = 10_000

    init(posts: ChannelPosts, limits: ChannelLimits) {
        self.posts = posts
        self.limits = limits
    }

    /// Channels that are known.
    var count: Int { channels.count }

    // MARK: Subscribers

    func subscribe(_ wish: ChannelSubscribe, from node: MailboxIndex, now: UInt64) {
        let place: Result<ChannelSubscribed.Place, ChannelRefusal>
        do throws(ChannelRefusal) {
            let channel = try findOrAdd(wish.channel, now: now)
            if let user = wish.user { announce(user, isJoin: true, on: wish.channel, channel) }
            set(wish.interest, of: node, channel)
            trim(channel, now: now)
            place = .success(
                ChannelSubscribed.Place(
                    offset: channel.offset, epoch: channel.epoch, missed: missed(wish, of: channel)))
        } catch {
            place = .failure(error)
        }
        let answer = ChannelSubscribed(
            channel: wish.channel, session: wish.session, reference: wish.reference, place: place)
        posts.send(.subscribed(answer), to: node)
    }

    /// The first page of what a session missed; nil if it doesn't want it, or the history doesn't reach back.
    private func missed(_ wish: ChannelSubscribe, of channel: HomeChannel) -> ChannelPage? {
        guard let after = wish.after, after <= channel.offset, wish.epoch == nil || wish.epoch == channel.epoch
        else { return nil }
        let page = channel.history.page(after: after, offset: channel.offset, bytesMax: limits.pageBytesMax)
        return page.hasGap ? nil : page
    }

    func leave(
        _ name: Identifier, _ interest: ChannelInterest, user: Identifier?, from node: MailboxIndex, now: UInt64
    ) {
        guard let channel = channels[name] else { return }
        set(interest, of: node, channel)
        if let user { announce(user, isJoin: false, on: name, channel) }
        channel.usedAt = now
        // Nothing was ever said there: nothing is lost with it.
        if channel.interests.isEmpty, channel.offset == 0 { channels[name] = nil }
    }

    private func set(_ interest: ChannelInterest, of node: MailboxIndex, _ channel: HomeChannel) {
        if let index = channel.interests.firstIndex(where: { $0.node == node }) {
            if interest == .none {
                channel.interests.remove(at: index)
            } else {
                channel.interests[index].interest = interest
            }
        } else if interest != .none {
            channel.interests.append((node, interest))
        }
    }

    private func announce(_ user: Identifier, isJoin: Bool, on name: Identifier, _ channel: HomeChannel) {
        for (node, interest) in channel.interests where interest == .presence {
            posts.send(.presence(channel: name, user: user, isJoin: isJoin), to: node)
        }
    }

    // MARK: Publications

    func publish(_ publish: ChannelPublish, from node: MailboxIndex, now: UInt64) {
        do throws(ChannelRefusal) {
            let channel = try findOrAdd(publish.channel, now: now)
            guard channel.interests.allSatisfy({ posts.hasRoom(to: $0.node) }) else { throw .congested }
            channel.offset += 1
            published &+= 1
            let publication = Publication(offset: channel.offset, time: now, event: encode(publish, channel.offset))
            let before = channel.history.byteCount
            channel.history.append(publication)
            channel.history.trim(limits, now: now)
            historyBytes += channel.history.byteCount - before
            for (node, _) in channel.interests {
                posts.send(.published(channel: publish.channel, publication), to: node)
            }
            if historyBytes > limits.allHistoriesBytesMax { dropHistories() }
            guard !publish.reference.isEmpty else { return }
            answer(publish, .success(channel.offset), to: node)
        } catch {
            answer(publish, .failure(error), to: node)
        }
    }

    private func answer(_ publish: ChannelPublish, _ result: Result<UInt64, ChannelRefusal>, to node: MailboxIndex) {
        posts.send(.answered(session: publish.session, reference: publish.reference, result), to: node)
    }

    private func encode(_ publish: ChannelPublish, _ offset: UInt64) -> [UInt8] {
        event.removeAll()
        event.append(#"{"cmd":"channel","channel":"#)
        event.appendJSONString(publish.channel)
        event.append(#","offset":"#)
        event.append(decimal: offset)
        event.append(#","data":"#)
        event.append(publish.data.span.bytes)
        event.append(#","userid":"#)
        event.appendJSONString(publish.user)
        event.append(UInt8(ascii: "}"))
        return Array(event.unsafeBytes)
    }

    func read(_ name: Identifier, after: UInt64, session: UInt64, for node: MailboxIndex, now: UInt64) {
        // A session that reads is subscribed, and what is subscribed to isn't forgotten.
        guard let channel = channels[name] else { return }
        trim(channel, now: now)
        let page = channel.history.page(after: after, offset: channel.offset, bytesMax: limits.pageBytesMax)
        posts.send(.page(channel: name, session: session, page), to: node)
    }

    private func trim(_ channel: HomeChannel, now: UInt64) {
        let before = channel.history.byteCount
        channel.history.trim(limits, now: now)
        historyBytes += channel.history.byteCount - before
    }

    // MARK: Room

    private func findOrAdd(_ name: Identifier, now: UInt64) throws(ChannelRefusal) -> HomeChannel {
        if let channel = channels[name] {
            channel.usedAt = now
            return channel
        }
        if channels.count >= limits.channelsMax {
            // A look at all of them, so not each time that one is refused.
            if now > madeRoomAt + 1_000 || now < madeRoomAt { makeRoom(now: now) }
            guard channels.count < limits.channelsMax else { throw .tooManyChannels }
        }
        lastNumber += 1
        let epoch = "\(String(limits.instance, radix: 36))-\(posts.node.rawValue)-\(String(lastNumber, radix: 36))"
        let channel = HomeChannel(epoch: epoch, now: now)
        channels[name] = channel
        return channel
    }

    /// Forgets what is old, every ten seconds.
    func sweepIfDue(now: UInt64) {
        guard !channels.isEmpty, now > sweptAt + ChannelHome.sweepMilliseconds || now < sweptAt else { return }
        sweptAt = now
        for (name, channel) in channels {
            trim(channel, now: now)
            guard channel.interests.isEmpty, channel.history.isEmpty,
                channel.usedAt + limits.idleMilliseconds < now
            else { continue }
            channels[name] = nil
        }
    }

    /// Forgets the quarter of the channels that rested longest, as far as nobody subscribes to them.
    private func makeRoom(now: UInt64) {
        madeRoomAt = now
        let idle = channels.filter { $0.value.interests.isEmpty }.sorted { $0.value.usedAt < $1.value.usedAt }
        for (name, channel) in idle.prefix(max(1, limits.channelsMax / 4)) {
            historyBytes -= channel.history.byteCount
            channels[name] = nil
        }
    }

    /// Drops the histories that rested longest until a quarter of the room is free again.
    private func dropHistories() {
        for channel in channels.values.sorted(by: { $0.usedAt < $1.usedAt }) {
            guard historyBytes > limits.allHistoriesBytesMax / 4 * 3 else { return }
            historyBytes -= channel.history.byteCount
            channel.history.removeAll()
        }
    }

    func releaseSpareMemory() { event.release() }
}
