internal import Base
internal import Store
internal import Wire

// Publications on their way to the subscribers of this loop: live ones all together at the end of a tick, missed ones
// from the channel's history, page by page, as the session's socket takes them.
extension Hub {
    // MARK: Live

    /// From this many subscribers on each one's frames are sent before the next one's turn: they share one block of
    /// memory then.
    private static let wideAudience = 512

    /// Writes what came in this tick to the subscribers.
    func fanOut() {
        for audience in audiences.takeNews() {
            let news = audience.takeNews()
            var start = 0
            while start < news.count {
                start = publications.set(news, from: start, bytesMax: Limits.sessionOutputBytesMax)
                deliverPublications(to: audience)
            }
        }
    }

    private func deliverPublications(to audience: ChannelAudience) {
        let isWide = audience.subscribers.count >= Hub.wideAudience
        var place = 0
        while place < audience.subscribers.count {
            let session = audience.subscribers[place].session
            deliverPublications(to: session, in: audience, at: place)
            if isWide { session.outlet.flushNow() }
            // Who left while being served has another one in its place.
            if place < audience.subscribers.count, audience.subscribers[place].session === session { place += 1 }
        }
    }

    @inline(__always)
    private func deliverPublications(to session: Session, in audience: ChannelAudience, at place: Int) {
        let subscriber = audience.subscribers[place]
        guard subscriber.state == .live, subscriber.sent < publications.lastOffset else { return }
        guard subscriber.sent + 1 >= publications.firstOffset else { return lag(session, in: audience, at: place) }
        guard session.outlet.pendingBytes <= Limits.sessionOutputBytesMax || hasRoom(session) else {
            // Making room may have ended the session.
            guard let place = audience.place(of: session.handle) else { return }
            return lag(session, in: audience, at: place)
        }
        audience.setSent(publications.lastOffset, at: place)
        publications.append(after: subscriber.sent, form: session.form, to: session.outlet)
    }

    // MARK: From the history

    /// Publications that a subscriber misses are to be read.
    private func lag(_ session: Session, in audience: ChannelAudience, at place: Int) {
        counters.channelLags &+= 1
        audience.setState(.lagging, at: place)
        audiences[session]?.lagging += 1
        readHistories(of: session)
    }

    /// Writes the first page of what a subscriber who was live missed, or asks for it again in its turn.
    func begin(with page: ChannelPage, for session: Session, in audience: ChannelAudience, at place: Int) {
        guard audiences[session]?.isReading == false, session.outlet.pendingBytes <= Limits.sessionOutputBytesMax
        else { return lag(session, in: audience, at: place) }
        audiences[session]?.lagging += 1
        audiences[session]?.isReading = true
        audience.setState(.reading, at: place)
        take(page, for: session, in: audience)
    }

    /// Asks for the next page of a session that lags, unless its socket has enough to do.
    func readHistories(of session: Session) {
        // Making room may end the session, or call this.
        guard let before = audiences[session], before.lagging > 0, !before.isReading, hasRoom(session),
            let subscriptions = audiences[session], !subscriptions.isReading
        else { return }
        for audience in subscriptions.audiences {
            guard let place = audience.place(of: session.handle), audience.subscribers[place].state == .lagging
            else { continue }
            audience.setState(.reading, at: place)
            audiences[session]?.isReading = true
            let after = audience.subscribers[place].sent
            posts.send(.read(channel: audience.channel, after: after, session: session.handle), to: audience.home)
            return
        }
    }

    /// Writes a page of a channel's history. Nothing was published between the last one and what is live now: mail
    /// keeps its order.
    func take(_ page: ChannelPage, for session: Session, in audience: ChannelAudience) {
        guard let place = audience.place(of: session.handle), audience.subscribers[place].state == .reading,
            audience.subscribers[place].sent == page.after
        else { return }
        if page.hasGap { writeLost(page, on: audience.channel, to: session) }
        for publication in page.publications { emitJSON(publication.event.span.bytes, to: session) }
        audience.setSent(page.through, at: place)
        audience.setState(page.isLast ? .live : .lagging, at: place)
        audiences[session]?.isReading = false
        if page.isLast { audiences[session]?.lagging -= 1 }
        readHistories(of: session)
    }

    private func writeLost(_ page: ChannelPage, on channel: Identifier, to session: Session) {
        scratch.removeAll()
        scratch.append(#"{"cmd":"channel.lost","channel":"#)
        scratch.appendJSONString(channel)
        scratch.append(#","after":"#)
        scratch.append(decimal: page.after)
        scratch.append(#","offset":"#)
        scratch.append(decimal: page.publications.first.map { $0.offset - 1 } ?? page.through)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }
}

/// Some publications of one channel as frames: encoded once for each form that a session speaks.
struct EncodedPublications: ~Copyable {
    /// The frames of one form, and where each begins.
    private struct Frames: ~Copyable {
        var bytes = OutputBuffer()
        var starts: [Int] = []
    }

    private var publications: ArraySlice<Publication> = []
    private var json = Frames()
    private var webSocket = Frames()
    private var tcp = Frames()
    private(set) var firstOffset: UInt64 = 0
    private(set) var lastOffset: UInt64 = 0

    /// Takes publications from `start` on, as many as have so many bytes but at least one; returns where the next ones
    /// begin.
    mutating func set(_ all: [Publication], from start: Int, bytesMax: Int) -> Int {
        var end = start + 1
        var bytes = all[start].event.count
        while end < all.count, bytes + all[end].event.count <= bytesMax, all[end].offset == all[end - 1].offset + 1 {
            bytes += all[end].event.count
            end += 1
        }
        publications = all[start..<end]
        firstOffset = all[start].offset
        lastOffset = all[end - 1].offset
        json.starts.removeAll(keepingCapacity: true)
        webSocket.starts.removeAll(keepingCapacity: true)
        tcp.starts.removeAll(keepingCapacity: true)
        return end
    }

    /// Writes those behind `sent`, of which there is one, and none is missing.
    @inline(__always)
    mutating func append(after sent: UInt64, form: Session.Form, to outlet: Outlet) {
        let index = sent < firstOffset ? 0 : Int(sent + 1 - firstOffset)
        outlet.prepareToWrite()
        switch form {
        case .json:
            if json.starts.isEmpty { EncodedPublications.encode(publications, form, &json.bytes, &json.starts) }
            outlet.buffer.append(UnsafeRawBufferPointer(rebasing: json.bytes.unsafeBytes[json.starts[index]...]))
        case .binaryWebSocket:
            if webSocket.starts.isEmpty {
                EncodedPublications.encode(publications, form, &webSocket.bytes, &webSocket.starts)
            }
            outlet.buffer.append(
                UnsafeRawBufferPointer(rebasing: webSocket.bytes.unsafeBytes[webSocket.starts[index]...]))
        case .binaryTCP:
            if tcp.starts.isEmpty { EncodedPublications.encode(publications, form, &tcp.bytes, &tcp.starts) }
            outlet.buffer.append(UnsafeRawBufferPointer(rebasing: tcp.bytes.unsafeBytes[tcp.starts[index]...]))
        }
    }

    @inline(never)
    private static func encode(
        _ publications: ArraySlice<Publication>, _ form: Session.Form, _ bytes: inout OutputBuffer,
        _ starts: inout [Int]
    ) {
        bytes.removeAll()
        for publication in publications {
            starts.append(bytes.count)
            let event = publication.event.span.bytes
            if form == .json {
                bytes.appendFrame(.text, event)
            } else {
                bytes.appendEvent(event, isWebSocket: form == .binaryWebSocket)
            }
        }
    }

    /// Gives the memory back.
    mutating func release() {
        publications = []
        json.bytes.release()
        webSocket.bytes.release()
        tcp.bytes.release()
    }
}
