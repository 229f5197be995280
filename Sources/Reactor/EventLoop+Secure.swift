internal import Base
internal import TLS

// Channels that speak TLS: ciphertext between their socket and the loop, plain bytes between the loop and their
// delegate. Those that don't have nothing of this but a flag.
extension EventLoop {
    /// How long a handshake may take.
    private static let handshakeSeconds: UInt32 = 10
    /// Steps of handshakes in a tick, each up to a millisecond: messages shall not wait for a storm of new clients.
    static let handshakeStepsMax = 8

    /// Makes a registered channel one that speaks TLS.
    func secure(_ channel: Channel, _ stream: SecureStream) {
        let slot = Int(channel.token & 0xFFFF_FFFF)
        while streams.count <= slot { streams.append(nil) }
        streams[slot] = stream
        channel.isSecure = true
    }

    /// Takes a channel's stream from the loop.
    func takeStream(of channel: Channel) -> SecureStream? {
        guard channel.isSecure else { return nil }
        defer {
            streams[Int(channel.token & 0xFFFF_FFFF)] = nil
            channel.isSecure = false
        }
        return stream(of: channel)
    }

    private func stream(of channel: Channel) -> SecureStream {
        guard let stream = streams[Int(channel.token & 0xFFFF_FFFF)] else {
            preconditionFailure("a channel that speaks TLS has a stream")
        }
        return stream
    }

    // MARK: Reading

    /// Whether a channel may be read in this tick. The kernel tells again of those that may not.
    func mayOpen(_ channel: Channel) -> Bool {
        if stream(of: channel).isEstablished { return true }
        guard handshakeSteps < EventLoop.handshakeStepsMax else { return false }
        handshakeSteps += 1
        return true
    }

    /// Begins a client's handshake.
    func beginHandshake(_ channel: Channel) { receiveSealed(UnsafeRawBufferPointer(start: nil, count: 0), channel) }

    /// Opens what came in and hands it to the delegate, all at once: nothing is left behind that another loop would
    /// have to ask for.
    func receiveSealed(_ bytes: UnsafeRawBufferPointer, _ channel: Channel) {
        let stream = stream(of: channel)
        let wasEstablished = stream.isEstablished
        let room = plainRoom()
        blocks.lend(to: &stream.unsent)
        let (count, standing) = stream.open(bytes, into: room)
        let mayWriteNow = stream.isEstablished && !wasEstablished && !channel.buffer.isEmpty
        if stream.unsent.isEmpty { blocks.takeBack(from: &stream.unsent) } else { channel.prepareToWrite() }
        if mayWriteNow { channel.prepareToWrite() }
        if count > 0 {
            channel.delegate.channel(channel, received: UnsafeMutableRawBufferPointer(rebasing: room[..<count]))
        }
        // The delegate may have ended it, or sent it to another loop, which will hear of what is wrong in its turn.
        guard channel.state == .open else { return }
        switch standing {
        case .open: break
        case .ended: peerEnded(channel)
        case .failed(let failure):
            if !stream.isEstablished {
                handshakeFailed?(failure)
                if failure == .plainHTTP { stream.unsent.append(stream.answerToPlainHTTP) }
            }
            stream.isBroken = true
            beginClosing(channel)
        }
    }

    private func plainRoom() -> UnsafeMutableRawBufferPointer {
        if let plainBuffer { return plainBuffer }
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: TLSConnection.plainBytesMax(of: EventLoop.readBufferBytes), alignment: 64)
        plainBuffer = room
        return room
    }

    /// Whether a peer that went may still get answers.
    func isEstablished(_ channel: Channel) -> Bool { !channel.isSecure || stream(of: channel).isEstablished }

    // MARK: Writing

    /// Seals what is written, piece by piece, as far as the kernel takes it. The channel's bytes stay in its buffer
    /// until the kernel has their records, so that its count tells what the peer hasn't taken.
    func sendSealed(_ channel: Channel) throws(Errno) {
        let stream = stream(of: channel)
        while true {
            if !stream.unsent.isEmpty {
                let sent = try SystemCall.send(channel.descriptor, stream.unsent.unsafeBytes)
                noteSent(channel, sent)
                stream.unsent.discardFirst(sent)
                guard stream.unsent.isEmpty else { return }
            }
            channel.buffer.discardFirst(stream.takeSealed())
            guard try sealMore(channel, stream) else { break }
        }
        blocks.takeBack(from: &stream.unsent)
    }

    /// Returns whether there is something to send.
    private func sealMore(_ channel: Channel, _ stream: SecureStream) throws(Errno) -> Bool {
        if stream.isBroken || channel.state == .closing && !stream.isEstablished {
            channel.buffer.removeAll()
            return false
        }
        guard stream.isEstablished else { return false }
        blocks.lend(to: &stream.unsent)
        if channel.buffer.isEmpty {
            guard channel.state == .closing, !stream.saidGoodbye else { return false }
            stream.sayGoodbye()
            return !stream.unsent.isEmpty
        }
        do {
            try stream.seal(from: channel.buffer)
        } catch {
            throw .protocolBroken
        }
        return true
    }

    /// Bytes that wait until the peer takes what went before; not those that wait for a handshake.
    func backlog(_ channel: Channel) -> Int {
        channel.isSecure ? stream(of: channel).backlog(channel.buffer.count) : channel.buffer.count
    }

    // MARK: Time

    /// The timer of a channel that speaks TLS: its delegate's, once the handshake is done.
    func secureTimer(_ channel: Channel) -> UInt64? {
        let stream = stream(of: channel)
        if stream.isEstablished { return channel.delegate.channelTimer(channel) }
        guard second &- stream.since >= EventLoop.handshakeSeconds else { return 1 }
        handshakeFailed?(.late)
        close(channel, because: .aborted)
        return nil
    }
}
