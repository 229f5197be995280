internal import Base
internal import Core
internal import Logging
internal import Reactor
internal import Wire

/// A WebSocket connection of a client: JSON in text messages, the binary protocol in binary ones.
/// *Thread:* its loop's.
final class WebSocketConnection: ChannelDelegate {
    /// What is large in it lies elsewhere: in `open`, as most connections are for hours, it is one reference.
    /// Whoever signed in has a session in it.
    private enum State {
        case fresh
        /// Upgraded; who it is comes in the first message.
        indirect case awaitingSignIn(device: Identifier?, after: UInt64?, since: UInt32)
        /// The store is being asked; what the client already sends waits.
        indirect case signingIn(Session, waiting: [UInt8])
        case open(Session)
        /// The message that is being taken said who it is: the connection goes to that user's loop.
        indirect case leaving(Departure)
        case ended
    }

    private struct Departure {
        var form: Arrival.SignInForm
        var user: Identifier
        var device: Identifier
        var after: UInt64?
    }

    private unowned let node: LoopNode
    private var decoder = WebSocketDecoder(role: .server)
    private var state = State.fresh
    private var channel: Channel?

    private static let waitingBytesMax = 64 << 10

    init(node: LoopNode) { self.node = node }

    // MARK: Beginning

    /// Answers an upgrade whose user is known, and signs the user in.
    func begin(on channel: Channel, answering response: HTTPResponse, _ arrival: Arrival) {
        self.channel = channel
        channel.prepareToWrite()
        guard let session = newSession(on: channel, .json, arrival) else {
            logFullShard(arrival.user)
            HTTPResponse.failure(HTTPFailure(.serviceUnavailable, "this part of the server is full; try again later"))
                .write(to: &channel.buffer, keepAlive: false)
            return end()
        }
        response.write(to: &channel.buffer, keepAlive: true)
        enter(session, arrival.unread, channel)
    }

    /// Signs in a WebSocket whose first message said who it is.
    func signIn(on channel: Channel, _ form: Arrival.SignInForm, _ arrival: Arrival) {
        self.channel = channel
        guard let session = newSession(on: channel, form, arrival) else {
            logFullShard(arrival.user)
            return close(WebSocketCloseCode.overloaded, "this part of the server is full; try again later")
        }
        enter(session, arrival.unread, channel)
    }

    private func newSession(on channel: Channel, _ form: Arrival.SignInForm, _ arrival: Arrival) -> Session? {
        var sessionForm = Session.Form.json
        var readsLZ4 = false
        if case .binary(let lz4) = form {
            sessionForm = .binaryWebSocket
            readsLZ4 = lz4
        }
        return node.hub.signIn(
            arrival.user, device: arrival.device, after: arrival.after, form: sessionForm, readsLZ4: readsLZ4,
            outlet: channel, owner: self)
    }

    private func enter(_ session: Session, _ unread: [UInt8], _ channel: Channel) {
        state = .signingIn(session, waiting: unread)
        node.loop.startTimer(channel, seconds: Limits.heartbeatSeconds)
    }

    private func logFullShard(_ user: Identifier) {
        let limit = node.context.topology.usersPerShardMax
        node.context.log.warning("shard \(node.context.topology.shard(of: user)) is full (\(limit) users); refused one")
    }

    /// Answers an upgrade that doesn't say who it is; the first message must.
    func awaitSignIn(
        on channel: Channel, answering response: HTTPResponse, device: Identifier?, after: UInt64?,
        _ rest: UnsafeRawBufferPointer
    ) {
        self.channel = channel
        state = .awaitingSignIn(device: device, after: after, since: node.loop.second)
        channel.prepareToWrite()
        response.write(to: &channel.buffer, keepAlive: true)
        // The HTTP connection's timer goes on as this one's.
        if !rest.isEmpty { process(Array(rest), channel) }
    }

    // MARK: Reading

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        if case .signingIn(let session, var waiting) = state {
            waiting.append(contentsOf: bytes)
            state = .signingIn(session, waiting: waiting)
            if waiting.count > WebSocketConnection.waitingBytesMax { channel.setReading(false) }
        } else {
            process(bytes, channel)
        }
    }

    private func process(_ unread: [UInt8], _ channel: Channel) {
        var unread = unread
        unread.withUnsafeMutableBytes { process($0, channel) }
    }

    private func process(_ bytes: UnsafeMutableRawBufferPointer, _ channel: Channel) {
        var span = MutableRawSpan(_unsafeBytes: bytes)
        var offset = 0
        while true {
            switch decoder.next(&span, &offset) {
            case .needMore: return
            case .message(let kind, let range): receive(kind, span.bytes.extracting(range))
            case .assembled(let kind):
                decoder.withAssembled { receive(kind, $0) }
                decoder.releaseAssembled()
            case .ping(let payload):
                channel.prepareToWrite()
                decoder.withControl(payload, in: span.bytes) { channel.buffer.appendFrame(.pong, $0) }
            case .pong: break
            case .close(let code, _): return close(code ?? WebSocketCloseCode.normal, "")
            case .failure(let failure): return close(failure.closeCode, failure.reason)
            }
            if case .leaving(let departure) = state {
                return leave(departure, unread: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            }
        }
    }

    private func receive(_ kind: WebSocketMessageKind, _ payload: RawSpan) {
        switch (state, kind) {
        case (.open(let session), .text): node.hub.receive(json: payload, from: session)
        case (.open(let session), .binary): receiveBinary(payload, session)
        case (.awaitingSignIn(let device, let after, _), .text): receiveConnect(payload, device, after)
        case (.awaitingSignIn, .binary): receiveHello(payload)
        case (.fresh, _), (.signingIn, _), (.leaving, _), (.ended, _): break
        }
    }
}

// MARK: - Signing in by the first message

extension WebSocketConnection {
    private func receiveConnect(_ payload: RawSpan, _ device: Identifier?, _ after: UInt64?) {
        let envelope = Envelope()
        do throws(EnvelopeError) {
            try envelope.scan(payload)
            guard envelope.command == .connect, let token = try envelope.string(.token, in: payload) else {
                return close(WebSocketCloseCode.unauthorized, "the first message must be connect with a token")
            }
            guard let user = node.context.authenticator.user(token: token, now: node.loop.milliseconds) else {
                return close(WebSocketCloseCode.unauthorized, "the token is wrong or out of date")
            }
            let device = try envelope.identifier(.device, in: payload) ?? device ?? .defaultDevice
            let after = try envelope.unsigned(.after, in: payload) ?? after
            depart(Departure(form: .json, user: user, device: device, after: after))
        } catch {
            close(WebSocketCloseCode.unauthorized, error.reason)
        }
    }

    private func receiveHello(_ payload: RawSpan) {
        guard let channel else { return }
        do throws(BinaryError) {
            let header = try BinaryHeader(message: payload)
            let body = payload.extracting(BinaryHeader.byteCount..<payload.byteCount)
            guard case .hello(let hello, let texts) = try BinaryRequest(header, payload: body) else {
                throw BinaryError("the first frame must be HELLO", code: .unauthorized)
            }
            try signIn(hello, texts, body)
        } catch {
            channel.prepareToWrite()
            channel.buffer.appendBinaryError(EnvelopeError(error.code, error.reason), cid: 0, isWebSocket: true)
            close(WebSocketCloseCode.unauthorized, error.reason)
        }
    }

    private func signIn(_ hello: BinaryHello, _ texts: BinaryHelloTexts, _ body: RawSpan) throws(BinaryError) {
        do throws(EnvelopeError) {
            let (user, device) = try node.admit(hello, texts, payload: body)
            let readsLZ4 = hello.features & BinaryFeatures.readsLZ4 != 0
            let form = Arrival.SignInForm.binary(readsLZ4: readsLZ4)
            depart(Departure(form: form, user: user, device: device, after: hello.after))
        } catch {
            throw BinaryError(error.reason, code: error.code)
        }
    }

    private func depart(_ departure: Departure) {
        signOut()
        state = .leaving(departure)
    }

    /// Goes to the loop of the user; another connection object takes the socket over there. A whole message was just
    /// taken, so the decoder holds nothing that would have to travel along.
    private func leave(_ departure: Departure, unread: UnsafeRawBufferPointer) {
        guard let channel else { return }
        let hasLeft = node.moveHome(
            channel, unread: unread, .webSocket(departure.form), user: departure.user, device: departure.device,
            after: departure.after)
        guard hasLeft else { return close(WebSocketCloseCode.overloaded, noRoom) }
        self.channel = nil
        state = .ended
    }
}

// MARK: - The binary protocol in binary messages

extension WebSocketConnection {
    private func receiveBinary(_ message: RawSpan, _ session: Session) {
        do throws(BinaryError) {
            let header = try BinaryHeader(message: message)
            let payload = message.extracting(BinaryHeader.byteCount..<message.byteCount)
            switch try BinaryRequest(header, payload: payload) {
            // Signs in anew, as whom and where the HELLO says; from then on the session is spoken to in binary.
            case .hello(let hello, let texts): try signIn(hello, texts, payload)
            case .ping:
                session.outlet.prepareToWrite()
                session.outlet.buffer.appendBinaryPong(payload, isWebSocket: true)
            case let request: node.hub.receive(request, flags: header.flags, payload: payload, from: session)
            }
        } catch {
            session.outlet.prepareToWrite()
            session.outlet.buffer.appendBinaryError(
                EnvelopeError(error.code, error.reason), cid: error.cid ?? 0, isWebSocket: true)
            // A refused SEND is answered and the connection goes on; any other bad frame ends it.
            guard error.cid == nil else { return }
            let isSignIn = error.code == .unauthorized
            close(isSignIn ? WebSocketCloseCode.unauthorized : WebSocketCloseCode.protocolError, error.reason)
        }
    }
}

// MARK: - Session, time and end

extension WebSocketConnection: SessionOwner {
    func sessionIsReady(_ session: Session) {
        guard case .signingIn(_, let unread) = state, let channel else { return }
        state = .open(session)
        channel.setReading(true)
        if !unread.isEmpty { process(unread, channel) }
    }

    func sessionFailed(_ session: Session) {
        close(WebSocketCloseCode.internalError, "the store is unavailable; try again later")
    }

    func channelDrained(_ channel: Channel) {
        if let session { node.hub.drained(session) }
    }

    func channelTimer(_ channel: Channel) -> UInt64? {
        let now = node.loop.second
        if case .awaitingSignIn(_, _, let since) = state {
            guard now &- since < UInt32(Limits.signInSeconds) else {
                close(WebSocketCloseCode.signInTimeout, "no sign-in within 10 s")
                return nil
            }
            return 1
        }
        switch Liveness(channel, now: now) {
        case .alive(let seconds): return seconds
        case .ping:
            channel.prepareToWrite()
            channel.buffer.appendFrameHeader(.ping, payloadBytes: 0)
            return Limits.heartbeatSeconds
        case .gone:
            close(WebSocketCloseCode.heartbeatTimeout, "no answer to pings")
            return nil
        }
    }

    func channelClosed(_ channel: Channel) {
        self.channel = nil
        signOut()
        state = .ended
    }

    private var session: Session? {
        switch state {
        case .open(let session), .signingIn(let session, _): session
        default: nil
        }
    }

    private func signOut() {
        guard let session else { return }
        state = .ended
        node.hub.signOut(session)
    }

    /// Sends a close frame and ends the connection once it is out.
    func close(_ code: UInt16, _ reason: StaticString) {
        guard let channel, !hasEnded else { return }
        channel.prepareToWrite()
        channel.buffer.appendCloseFrame(code, reason: reason)
        end()
    }

    private var hasEnded: Bool { if case .ended = state { true } else { false } }

    private func end() {
        signOut()
        state = .ended
        channel?.closeAfterFlush()
    }
}

extension WebSocketConnection: DrainableConnection {
    func drain() { close(WebSocketCloseCode.goingAway, "the server is going down; reconnect in a moment") }
}
