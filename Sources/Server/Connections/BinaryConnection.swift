internal import Base
internal import Core
internal import Reactor
internal import Wire

/// A TCP connection that speaks the binary protocol. *Thread:* its loop's.
final class BinaryConnection: ClientConnection, AcceptingDelegate {
    unowned let node: LoopNode
    private var decoder = BinaryFrameDecoder(lengthMax: Limits.frameBytesMax)
    var signIn = SignInProgress()
    var channel: Channel?

    init(node: LoopNode) { self.node = node }

    func channelAccepted(_ channel: Channel) {
        self.channel = channel
        if let refusal = node.arrivalRefusal(channel, from: channel.peerAddress ?? "") {
            return node.mayExplain() ? refuse(refusal) : channel.abort()
        }
        signIn.awaitClient(since: node.loop.second)
        node.loop.startTimer(channel, seconds: 1)
        if node.context.isDraining { channel.abort() }
    }

    /// Signs in a connection whose HELLO was taken on another loop, or on this one.
    func begin(on channel: Channel, _ arrival: Arrival) {
        self.channel = channel
        let refusal = signIn.askStore(
            for: arrival.request, unread: arrival.unread, .binaryTCP, on: channel, node, owner: self)
        if let refusal { refuse(refusal) }
    }

    var bufferedBytes: Int { decoder.ownedByteCount + signIn.waitingByteCount }

    // MARK: Reading

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        if !signIn.keepBack(bytes, from: channel) { process(bytes, channel) }
    }

    func process(_ bytes: UnsafeMutableRawBufferPointer, _ channel: Channel) {
        let span = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes))
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
            if signIn.staysHere { continue }
            if case .leaving(let request) = signIn.state {
                goHome(request, .binaryTCP, unread: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
            }
            return
        }
    }

    private func receive(_ header: BinaryHeader, _ payload: RawSpan) {
        do throws(BinaryError) {
            let request = try BinaryRequest(header, payload: payload)
            switch signIn.state {
            case .signedIn(let session): try receive(request, header, payload, session)
            case .awaitingClient:
                if let obstacle = obstacle() { return refuse(obstacle) }
                signIn.leave(for: try node.signInRequest(of: request, payload), node)
            case .fresh, .askingStore, .leaving, .ended: break
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
            guard admitsControl(bytes: payload.byteCount) else { return }
            session.outlet.prepareToWrite()
            session.outlet.buffer.appendBinaryPong(payload, isWebSocket: false)
        default:
            guard node.hub.receive(request, flags: header.flags, payload: payload, from: session) else {
                return refuse(.tooHasty)
            }
        }
    }

    // MARK: Refusing

    /// A refused SEND is answered and the connection goes on; any other bad frame ends it: the client speaks something
    /// else than we do.
    private func refuse(_ error: BinaryError) {
        let refusal = EnvelopeError(error.code, error.reason)
        guard case .signedIn = signIn.state, let cid = error.cid else {
            if case .awaitingClient = signIn.state {
                node.noteRefusedSignIn(error.code == .unauthorized ? .unauthorized : .malformed)
            }
            return fail(refusal)
        }
        guard let channel else { return }
        node.hub.noteError(error.code)
        channel.prepareToWrite()
        channel.buffer.appendBinaryError(refusal, cid: cid, isWebSocket: false)
    }

    func refuse(_ refusal: Refusal) {
        guard channel != nil, !signIn.hasEnded else { return }
        note(refusal)
        fail(EnvelopeError(refusal.code, refusal.reason), retry: refusal.retry)
    }

    private func fail(_ refusal: EnvelopeError, retry: UInt64? = nil) {
        guard let channel else { return }
        node.hub.noteError(refusal.code)
        channel.prepareToWrite()
        channel.buffer.appendBinaryError(refusal, cid: 0, isWebSocket: false, retry: retry)
        end()
    }

    func lookAtUnfinished() -> UInt8 { decoder.look() }

    func writePing(to channel: Channel) {
        channel.prepareToWrite()
        BinaryHeader(.ping, length: 0).append(to: &channel.buffer)
    }
}
