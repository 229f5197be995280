internal import Base
internal import Core
internal import Reactor
internal import Wire

/// A WebSocket connection of a client: JSON in text messages, the binary protocol in binary ones.
/// *Thread:* its loop's.
final class WebSocketConnection: ClientConnection {
    unowned let node: LoopNode
    private var decoder = WebSocketDecoder(role: .server)
    var signIn = SignInProgress()
    var channel: Channel?

    init(node: LoopNode) { self.node = node }

    var bufferedBytes: Int { decoder.ownedByteCount + signIn.waitingByteCount }

    // MARK: Beginning

    /// Signs in a connection that has come to its user's loop.
    ///
    /// - Parameter response: what the upgrade is still to be answered with.
    func begin(on channel: Channel, answering response: HTTPResponse?, _ arrival: Arrival) {
        self.channel = channel
        let form: Session.Form = if case .json = arrival.request.form { .json } else { .binaryWebSocket }
        let refusal = signIn.askStore(
            for: arrival.request, unread: arrival.unread, form, on: channel, node, owner: self)
        guard let response else {
            if let refusal { refuse(refusal) }
            return
        }
        channel.prepareToWrite()
        if let refusal {
            note(refusal)
            HTTPResponse.failure(refusal.httpFailure).write(to: &channel.buffer, keepAlive: false)
            end()
        } else {
            response.write(to: &channel.buffer, keepAlive: true)
        }
    }

    /// Answers an upgrade that doesn't say who it is; the first message must.
    func awaitSignIn(
        on channel: Channel, answering response: HTTPResponse, device: Identifier?, after: UInt64?,
        _ rest: UnsafeRawBufferPointer
    ) {
        self.channel = channel
        signIn.awaitClient(device: device, after: after, since: node.loop.second)
        channel.prepareToWrite()
        response.write(to: &channel.buffer, keepAlive: true)
        // The HTTP connection's timer goes on as this one's.
        process(Array(rest), channel)
    }

    // MARK: Reading

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        if !signIn.keepBack(bytes, from: channel) { process(bytes, channel) }
    }

    func process(_ bytes: UnsafeMutableRawBufferPointer, _ channel: Channel) {
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
                guard admitsControl(bytes: payload.count) else { break }
                channel.prepareToWrite()
                decoder.withControl(payload, in: span.bytes) { channel.buffer.appendFrame(.pong, $0) }
            case .pong(let payload): _ = admitsControl(bytes: payload.count)
            case .close(let code, _): return close(code ?? WebSocketCloseCode.normal, "")
            case .failure(let failure): return close(failure.closeCode, failure.reason)
            }
            if signIn.staysHere { continue }
            // A whole message was just taken, so the decoder holds nothing that would have to travel along.
            if case .leaving(let request) = signIn.state {
                goHome(request, .webSocket, unread: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            }
            return
        }
    }

    private func receive(_ kind: WebSocketMessageKind, _ payload: RawSpan) {
        switch signIn.state {
        case .signedIn(let session) where kind == .text:
            if !node.hub.receive(json: payload, from: session) { refuse(.tooHasty) }
        case .signedIn(let session): receiveBinary(payload, session)
        case .awaitingClient(let expectation) where kind == .text: receiveConnect(payload, expectation)
        case .awaitingClient: receiveHello(payload)
        case .fresh, .askingStore, .leaving, .ended: break
        }
    }
}

// MARK: - Signing in by the first message

extension WebSocketConnection {
    private func receiveConnect(_ payload: RawSpan, _ expectation: SignInProgress.Expectation) {
        if let obstacle = obstacle(isCounted: true) { return refuse(obstacle) }
        let envelope = Envelope()
        do throws(EnvelopeError) {
            try envelope.scan(payload)
            guard envelope.command == .connect, let token = try envelope.string(.token, in: payload) else {
                node.noteRefusedSignIn(.malformed)
                return close(WebSocketCloseCode.unauthorized, "the first message must be connect with a token")
            }
            guard let credential = node.context.authenticator.credential(token, now: node.loop.milliseconds) else {
                node.noteRefusedSignIn(.unauthorized)
                return close(WebSocketCloseCode.unauthorized, "the token is wrong or out of date")
            }
            let device = try envelope.identifier(.device, in: payload) ?? expectation.device ?? .defaultDevice
            let after = try envelope.unsigned(.after, in: payload) ?? expectation.after
            signIn.leave(
                for: SignInRequest(credential: credential, device: device, after: after, form: .json), node)
        } catch {
            node.noteRefusedSignIn(.malformed)
            close(WebSocketCloseCode.unauthorized, error.reason)
        }
    }

    private func receiveHello(_ message: RawSpan) {
        guard let channel else { return }
        if let obstacle = obstacle(isCounted: true) { return refuse(obstacle) }
        do throws(BinaryError) {
            let header = try BinaryHeader(message: message)
            let payload = message.extracting(BinaryHeader.byteCount..<message.byteCount)
            let request = try BinaryRequest(header, payload: payload)
            signIn.leave(for: try node.signInRequest(of: request, payload), node)
        } catch {
            node.noteRefusedSignIn(error.code == .unauthorized ? .unauthorized : .malformed)
            node.hub.noteError(error.code)
            channel.prepareToWrite()
            channel.buffer.appendBinaryError(EnvelopeError(error.code, error.reason), cid: 0, isWebSocket: true)
            close(WebSocketCloseCode.unauthorized, error.reason)
        }
    }
}

// MARK: - The binary protocol in binary messages

extension WebSocketConnection {
    private func receiveBinary(_ message: RawSpan, _ session: Session) {
        do throws(BinaryError) {
            let header = try BinaryHeader(message: message)
            let payload = message.extracting(BinaryHeader.byteCount..<message.byteCount)
            let request = try BinaryRequest(header, payload: payload)
            switch request {
            // Signs in anew, as whom and where the HELLO says; from then on the session is spoken to in binary.
            case .hello:
                if let obstacle = obstacle() { return refuse(obstacle) }
                signIn.leave(for: try node.signInRequest(of: request, payload), node)
            case .ping:
                guard admitsControl(bytes: payload.byteCount) else { return }
                session.outlet.prepareToWrite()
                session.outlet.buffer.appendBinaryPong(payload, isWebSocket: true)
            default:
                guard node.hub.receive(request, flags: header.flags, payload: payload, from: session) else {
                    return refuse(.tooHasty)
                }
            }
        } catch {
            node.hub.noteError(error.code)
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

// MARK: - Ending

extension WebSocketConnection {
    func refuse(_ refusal: Refusal) {
        guard channel != nil, !signIn.hasEnded else { return }
        note(refusal)
        close(refusal.closeCode, refusal.reason, retry: refusal.retry)
    }

    /// Sends a close frame and ends the connection once it is out.
    private func close(_ code: UInt16, _ reason: StaticString, retry: UInt64? = nil) {
        guard let channel, !signIn.hasEnded else { return }
        channel.prepareToWrite()
        channel.buffer.appendCloseFrame(code, reason: reason, retry: retry)
        end()
    }

    func lookAtUnfinished() -> UInt8 { decoder.look() }

    func writePing(to channel: Channel) {
        channel.prepareToWrite()
        channel.buffer.appendFrameHeader(.ping, payloadBytes: 0)
    }
}
