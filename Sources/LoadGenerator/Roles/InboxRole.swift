internal import Base
internal import Wire

/// A role that cares for places in its inbox and for the stamps of its messages: what both protocols tell it, in one
/// form. In the binary protocol the recipients see no `cid`, so a stamp stands at the beginning of the text.
class InboxRole: ClientRole {
    /// Between a fetch and the end of its last page, messages in the binary protocol belong to the pages.
    private var isFetching = false

    // MARK: What a scenario does

    /// Signed in; `last` is the end of the inbox. To be followed by `becameReady` of the client.
    func welcomed(last: UInt64, _ now: UInt64) {}
    func acked(_ stamp: UInt64?, seq: UInt64, _ now: UInt64) {}
    /// An inbox entry came: pushed, or in a page.
    func received(_ stamp: UInt64?, seq: UInt64, isPushed: Bool, _ now: UInt64) {}
    func pageEnded(hasMore: Bool, _ now: UInt64) {}
    func typed(_ stamp: UInt64?, _ now: UInt64) {}
    func fellBehind(after seq: UInt64, _ now: UInt64) {}
    /// Something was answered that isn't stored, by the stamp that was sent with it.
    func answered(_ stamp: UInt64?, _ now: UInt64) {}

    /// Fetches what comes after an entry.
    final func fetch(after seq: UInt64) {
        isFetching = true
        client.fetch(after: seq)
    }

    // MARK: Frames

    final override func take(json: UnsafeRawBufferPointer, _ now: UInt64) {
        switch ServerFrame(json) {
        case .ack(let stamp, _): acked(stamp, seq: InboxPlaces.last(in: json) ?? 0, now)
        case .message(let stamp):
            if let seq = InboxPlaces.last(in: json) { received(stamp, seq: seq, isPushed: true, now) }
        case .typing(let stamp): typed(stamp, now)
        case .welcome: begin(last: InboxPlaces.last(in: json) ?? 0, now)
        case .behind(let seq): fallBehind(after: seq, now)
        case .fetched:
            InboxPlaces.forEach(in: json) { received(nil, seq: $0, isPushed: false, now) }
            endPage(hasMore: json.suffix(12).elementsEqual(#""more":true}"#.utf8), now)
        case .error: client.owner.refused(client)
        case .done(let stamp): answered(stamp, now)
        case .subscribed, .publication, .publicationsLost: client.handle(json: json, now)
        case .heartbeat, .other: answered(ServerFrame.reference(in: json), now)
        }
    }

    final override func take(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        guard let reply = try? BinaryReply(header, payload: RawSpan(_unsafeBytes: payload)) else {
            return client.fail("a binary frame of type \(header.type) isn't understood")
        }
        switch reply {
        case .ack(let ack): acked(ack.cid, seq: ack.seq, now)
        case .deliver(let delivery, let body):
            let stamp = InboxRole.stamp(header.flags, UnsafeRawBufferPointer(rebasing: payload[body]))
            // Messages of large groups have no place in the inbox.
            if delivery.seq > 0 { received(stamp, seq: delivery.seq, isPushed: !isFetching, now) }
        case .welcome(let welcome): begin(last: welcome.seq, now)
        case .fetched(let page): endPage(hasMore: page.hasMore, now)
        case .pong: answered(Stamp.read(payload, at: 0), now)
        case .error: client.handle(header, payload, now)
        case .event: break
        }
    }

    private static func stamp(_ flags: BinaryFlags, _ body: UnsafeRawBufferPointer) -> UInt64? {
        guard flags.isCompressed else { return Stamp.read(body, at: 0) }
        guard var text = messageText(flags, body) else { return nil }
        return text.withUTF8 { Stamp.read(UnsafeRawBufferPointer($0), at: 0) }
    }

    private func begin(last: UInt64, _ now: UInt64) {
        isFetching = false
        welcomed(last: last, now)
    }

    private func fallBehind(after seq: UInt64, _ now: UInt64) {
        client.owner.meter.behind += 1
        fellBehind(after: seq, now)
    }

    private func endPage(hasMore: Bool, _ now: UInt64) {
        isFetching = false
        pageEnded(hasMore: hasMore, now)
    }
}
