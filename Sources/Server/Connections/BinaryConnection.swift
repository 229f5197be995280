internal import Base
internal import Core
internal import Reactor
internal import Wire

/// A TCP connection that speaks the binary protocol. *Thread:* its loop's.
final class BinaryConnection: AcceptingDelegate {
    private enum State {
        case awaitingHello
        /// The store is being asked; what the client already sends waits.
        case signingIn
        case open(Session)
        indirect case leaving(user: Identifier, device: Identifier, after: UInt64?, readsLZ4: Bool)
        case ended
    }

    private unowned let node: LoopNode
    private var decoder = BinaryFrameDecoder(lengthMax: Limits.frameBytesMax)
    private var state = State.awaitingHello
    private var channel: Channel?
    private var session: Session?
    private var waiting: [UInt8] = []
    private var begun: UInt32

    private static let waitingBytesMax = 64 << 10

    init(node: LoopNode) {
        self.node = node
        begun = node.loop.second
    }

    func channelAccepted(_ channel: Channel) {
        self.channel = channel
        node.loop.startTimer(channel, seconds: 1)
        if node.context.isDraining { channel.abort() }
    }

    /// Signs in a connection whose HELLO was taken on another loop, or on this one.
    func signIn(on channel: Channel, readsLZ4: Bool, _ arrival: Arrival) {
        self.channel = channel
        session = node.hub.signIn(
            arrival.user, device: arrival.device, after: arrival.after, form: .binaryTCP, readsLZ4: readsLZ4,
            outlet: channel, owner: self)
        guard session != nil else {
            return fail(EnvelopeError(.overloaded, "this part of the server is full; try again later"))
        }
        state = .signingIn
        waiting = arrival.unread
        node.loop.startTimer(channel, seconds: Limits.heartbeatSeconds)
    }

    // MARK: Reading

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        if case .signingIn = state {
            waiting.append(contentsOf: bytes)
            if waiting.count > BinaryConnection.waitingBytesMax { channel.setReading(false) }
        } else {
            process(UnsafeRawBufferPointer(bytes))
        }
    }

    private func process(_ bytes: UnsafeRawBufferPointer) {
        let span = RawSpan(_unsafeBytes: bytes)
        var offset = 0
        while true {
            switch decoder.next(span, &offset) {
            case .needMore: return
            case .frame(let header, let payload): receive(header, span.extracting(payload))
            case .assembled(let header):
                decoder.withAssembled { receive(header, $0) }
                decoder.releaseAssembled()
            case .failure(.tooLarge): return fail(EnvelopeError(.tooLarge, "the frame is longer than max_frame"))
            case .failure(.reserved): return fail(EnvelopeError(.badRequest, "reserved bytes must be 0"))
            }
            switch state {
            case .ended: return
            case .leaving: return leave(unread: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            case .awaitingHello, .signingIn, .open: break
            }
        }
    }

    private func receive(_ header: BinaryHeader, _ payload: RawSpan) {
        do throws(BinaryError) {
            let request = try BinaryRequest(header, payload: payload)
            switch state {
            case .open(let session): try receive(request, header, payload, session)
            case .awaitingHello: try receiveHello(request, payload)
            case .signingIn, .leaving, .ended: break
            }
        } catch {
            refuse(error)
        }
    }

    private func receive(
        _ request: BinaryRequest, _ header: BinaryHeader, _ payload: RawSpan, _ session: Session
    ) throws(BinaryError) {
        switch request {
        case .hello: throw BinaryError("this connection is signed in already", code: .unsupported)
        case .ping:
            session.outlet.prepareToWrite()
            session.outlet.buffer.appendBinaryPong(payload, isWebSocket: false)
        default: node.hub.receive(request, flags: header.flags, payload: payload, from: session)
        }
    }

    private func receiveHello(_ request: BinaryRequest, _ payload: RawSpan) throws(BinaryError) {
        guard case .hello(let hello, let texts) = request else {
            throw BinaryError("the first frame must be HELLO", code: .unauthorized)
        }
        do throws(EnvelopeError) {
            let (user, device) = try node.admit(hello, texts, payload: payload)
            let readsLZ4 = hello.features & BinaryFeatures.readsLZ4 != 0
            state = .leaving(user: user, device: device, after: hello.after, readsLZ4: readsLZ4)
        } catch {
            throw BinaryError(error.reason, code: error.code)
        }
    }

    private func leave(unread: UnsafeRawBufferPointer) {
        guard case .leaving(let user, let device, let after, let readsLZ4) = state, let channel else { return }
        let hasLeft = node.moveHome(
            channel, unread: unread, .binaryTCP(readsLZ4: readsLZ4), user: user, device: device, after: after)
        guard hasLeft else { return fail(EnvelopeError(.overloaded, noRoom)) }
        self.channel = nil
        state = .ended
    }

    // MARK: Refusing

    /// A refused SEND is answered and the connection goes on; any other bad frame ends it: the client speaks something
    /// else than we do.
    private func refuse(_ error: BinaryError) {
        let refusal = EnvelopeError(error.code, error.reason)
        guard case .open = state, let cid = error.cid else { return fail(refusal) }
        guard let channel else { return }
        channel.prepareToWrite()
        channel.buffer.appendBinaryError(refusal, cid: cid, isWebSocket: false)
    }

    private func fail(_ refusal: EnvelopeError) {
        guard let channel else { return }
        channel.prepareToWrite()
        channel.buffer.appendBinaryError(refusal, cid: 0, isWebSocket: false)
        end()
    }

    private func end() {
        state = .ended
        signOut()
        channel?.closeAfterFlush()
    }

    private func signOut() {
        guard let session else { return }
        self.session = nil
        node.hub.signOut(session)
    }
}

extension BinaryConnection: SessionOwner {
    func sessionIsReady(_ session: Session) {
        guard case .signingIn = state, let channel else { return }
        state = .open(session)
        let unread = waiting
        waiting = []
        channel.setReading(true)
        if !unread.isEmpty { unread.withUnsafeBytes { process($0) } }
    }

    func sessionFailed(_ session: Session) {
        fail(EnvelopeError(.internal, "the store is unavailable; try again later"))
    }

    func channelDrained(_ channel: Channel) {
        if let session { node.hub.drained(session) }
    }

    func channelTimer(_ channel: Channel) -> UInt64? {
        let now = node.loop.second
        guard session != nil else {
            guard now &- begun < UInt32(Limits.signInSeconds) else {
                fail(EnvelopeError(.unauthorized, "no HELLO within 10 s"))
                return nil
            }
            return 1
        }
        switch Liveness(channel, now: now) {
        case .alive(let seconds): return seconds
        case .ping:
            channel.prepareToWrite()
            BinaryHeader(.ping, length: 0).append(to: &channel.buffer)
            return Limits.heartbeatSeconds
        case .gone:
            fail(EnvelopeError(.unauthorized, "no answer to pings"))
            return nil
        }
    }

    func channelClosed(_ channel: Channel) {
        self.channel = nil
        state = .ended
        signOut()
    }
}

extension BinaryConnection: DrainableConnection {
    func drain() { fail(EnvelopeError(.overloaded, "the server is going down; reconnect in a moment")) }
}
