/// What a session knows of a channel it subscribes to.
struct ChannelView {
    var epoch: String
    /// The last publication that came, or behind which it began.
    var last: UInt64
}

/// A publication as a client sees it.
struct SeenPublication {
    var channel: String
    var offset: UInt64
    var number: Int
    var sender: String
}

/// A place on a channel as a client is told it.
struct SeenPlace {
    var channel: String
    var offset: UInt64
    var epoch: String
    var isRecovered: Bool
}

/// All that was ever seen of channels, by channel and epoch.
struct ChannelBook {
    /// Who published each number.
    var senders: [Int] = []
    private var publications: [String: [UInt64: Int]] = [:]
    private var heads: [String: UInt64] = [:]

    private func key(_ channel: String, _ epoch: String) -> String { "\(channel) \(epoch)" }

    func head(_ channel: String, _ epoch: String) -> UInt64 { heads[key(channel, epoch)] ?? 0 }

    mutating func noteHead(_ channel: String, _ epoch: String, _ offset: UInt64) {
        heads[key(channel, epoch)] = max(head(channel, epoch), offset)
    }

    /// Notes a publication; false if something else lies there.
    mutating func note(_ seen: SeenPublication, _ epoch: String) -> Bool {
        noteHead(seen.channel, epoch, seen.offset)
        let known = publications[key(seen.channel, epoch), default: [:]].updateValue(seen.number, forKey: seen.offset)
        return known == nil || known == seen.number
    }
}

// What subscribers may be told.
extension Checker {
    func subscribed(_ place: SeenPlace, _ ref: UInt64, _ connection: ClientConnection) {
        guard case .subscribe(let channel, let after, let epoch) = connection.view.questions.removeValue(forKey: ref),
            channel == place.channel
        else { return broken("subscribed answers a subscribe: \(ref)") }
        channels.noteHead(channel, place.epoch, place.offset)
        if place.isRecovered {
            expect(after != nil && after ?? 0 <= place.offset, "only what was there is recovered: \(channel)")
            expect(epoch == nil || epoch == place.epoch, "another epoch isn't recovered: \(channel)")
        } else if let after, after == place.offset, epoch == place.epoch {
            broken("who has all has nothing to recover: \(channel) at \(after)")
        }
        let last = place.isRecovered ? after ?? place.offset : place.offset
        connection.view.channels[channel] = ChannelView(epoch: place.epoch, last: last)
        connection.device.channels[channel] = connection.view.channels[channel]
    }

    func published(_ seen: SeenPublication, _ connection: ClientConnection) {
        guard let view = connection.view.channels[seen.channel] else {
            return broken("only subscribers get publications: \(seen.channel)")
        }
        expect(
            seen.offset == view.last + 1,
            "publications come in order without holes: \(seen.channel) \(seen.offset) after \(view.last)")
        expect(
            channels.senders.indices.contains(seen.number) && userNames[channels.senders[seen.number]] == seen.sender,
            "a publication is somebody's: \(seen.number) of \(seen.sender)")
        expect(channels.note(seen, view.epoch), "an offset is one publication: \(seen.channel) \(seen.offset)")
        connection.view.channels[seen.channel]?.last = seen.offset
        connection.device.channels[seen.channel] = connection.view.channels[seen.channel]
    }

    /// The publisher knows where its publication is; if it subscribes there, which epoch's that is.
    func tookPublish(_ channel: String, _ offset: UInt64, _ connection: ClientConnection) {
        expect(offset > 0, "a publication has an offset: \(channel)")
        if let view = connection.view.channels[channel] { channels.noteHead(channel, view.epoch, offset) }
    }

    func lost(_ channel: String, after: UInt64, through offset: UInt64, _ connection: ClientConnection) {
        guard let view = connection.view.channels[channel] else {
            return broken("only subscribers lose publications: \(channel)")
        }
        expect(after == view.last && offset > after, "what is lost follows what came: \(channel) \(after) \(offset)")
        channels.noteHead(channel, view.epoch, offset)
        connection.view.channels[channel]?.last = offset
    }

    /// Nothing is on its way: everybody has got everything.
    func finishChannels(_ connections: [ClientConnection]) {
        for connection in connections {
            for (channel, view) in connection.view.channels {
                let head = channels.head(channel, view.epoch)
                expect(view.last == head, "subscribers get everything: \(channel) \(view.last) of \(head)")
            }
        }
    }
}
