internal import Base
internal import CEpoll

// How connections go from one loop to another.
extension EventLoop {
    /// Takes a channel off this loop, to be adopted by one with the same table. Its delegate hears no more of it, and
    /// its place in the table goes with it.
    package func detach(_ channel: Channel) -> DetachedChannel {
        let (unsent, stream) = takeOff(channel)
        return DetachedChannel(
            .table(channel.descriptor), table: table, unsent: unsent, stream: stream, origin: channel.origin, counts)
    }

    /// Takes a channel off this loop and sends its descriptor to one with another table. Its delegate hears no more
    /// of it.
    ///
    /// - Parameters:
    ///   - passage: the way into the other loop's table.
    ///   - table: that table, in which a place was reserved.
    ///   - body: posts what the other loop adopts; called once the descriptor is on its way, perhaps later.
    package func move(
        _ channel: Channel, through passage: DescriptorPassage, into table: DescriptorTable,
        _ body: @escaping (DetachedChannel) -> Void
    ) {
        let (unsent, stream) = takeOff(channel)
        let ticket = passage.nextTicket()
        let detached = DetachedChannel(
            .passage(ticket: ticket), table: table, unsent: unsent, stream: stream, origin: channel.origin, counts)
        departures.append(
            Departure(passage: passage, descriptor: channel.descriptor, ticket: ticket) { body(detached) })
        if departures.count == 1 { sendDepartures() }
    }

    /// Whether connections wait for their way into another table.
    package var isMoving: Bool { !departures.isEmpty }

    func sendDepartures() {
        var waiting: [Departure] = []
        for departure in departures {
            // Behind those that wait for the same way.
            guard !waiting.contains(where: { $0.passage === departure.passage }) else {
                waiting.append(departure)
                continue
            }
            do throws(Errno) {
                guard try departure.passage.send(departure.descriptor, ticket: departure.ticket) else {
                    waiting.append(departure)
                    continue
                }
                departure.whenSent()
            } catch {
                // The other loop is no more; neither will be the connection.
            }
            release(departure)
        }
        departures = waiting
    }

    /// Lets go of those that wait, when the loop ends.
    func dropDepartures() {
        for departure in departures { release(departure) }
        departures = []
    }

    private func release(_ departure: Departure) {
        _ = cep_close(departure.descriptor)
        table.giveBack()
    }

    private func takeOff(_ channel: Channel) -> (unsent: [UInt8], SecureStream?) {
        precondition(channel.state == .open)
        try? SystemCall.epollRemove(epoll, channel.descriptor)
        channel.state = .closed
        let unsent = Array(channel.buffer.unsafeBytes)
        channel.buffer.release()
        let stream = takeStream(of: channel)
        counters.movedOut &+= 1
        forget(channel)
        return (unsent, stream)
    }

    /// Makes a detached channel part of this loop.
    package func adopt(_ detached: DetachedChannel, delegate: any ChannelDelegate) throws(Errno) -> Channel {
        let unsent = detached.unsent
        let channel = Channel(loop: self, descriptor: try descriptor(of: detached), state: .open, delegate: delegate)
        channel.origin = detached.origin
        try register(channel, events: CEP_IN)
        if let stream = detached.stream {
            secure(channel, stream)
            if !stream.unsent.isEmpty { channel.prepareToWrite() }
        }
        counters.movedIn &+= 1
        if !unsent.isEmpty {
            channel.prepareToWrite()
            unsent.withUnsafeBytes { channel.buffer.append($0) }
        }
        return channel
    }

    private func descriptor(of detached: DetachedChannel) throws(Errno) -> Descriptor {
        switch detached.take() {
        case .table(let rawValue): return Descriptor(rawValue)
        case .passage(let ticket):
            do {
                return try received.claim(ticket)
            } catch {
                table.giveBack()
                counts?.giveBack(detached.origin)
                throw error
            }
        case .adopted: preconditionFailure("a channel is adopted once")
        }
    }
}
