internal import Base
internal import Core
internal import Reactor

/// A connection of a client, in either protocol: what it does about signing in, and in the time after. *Thread:* its
/// loop's.
protocol ClientConnection: ChannelDelegate, SessionOwner, DrainableConnection {
    var node: LoopNode { get }
    /// nil once the connection has ended or gone to another loop.
    var channel: Channel? { get set }
    var signIn: SignInProgress { get set }

    /// Takes what the client sent; the bytes may be changed in place.
    func process(_ bytes: UnsafeMutableRawBufferPointer, _ channel: Channel)
    /// Tells the client why this ends, and ends it.
    func refuse(_ refusal: Refusal)
    func writePing(to channel: Channel)
    /// How often the timer has seen the frame that is coming in; 0 if none is.
    func lookAtUnfinished() -> UInt8
}

extension ClientConnection {
    /// Counts a connection that the router ends.
    func note(_ refusal: Refusal) {
        if signIn.session == nil || refusal.cause.isOfSignIn {
            node.noteRefusedSignIn(refusal.cause)
        } else {
            node.counters.countEndedSession(refusal.cause)
        }
    }

    /// Goes to the loop of the user; another connection object takes the socket over there.
    func goHome(_ request: SignInRequest, _ kind: Arrival.Kind, unread: UnsafeRawBufferPointer) {
        guard let channel else { return }
        guard node.moveHome(channel, unread: unread, kind, request) else { return refuse(.noRoom) }
        self.channel = nil
        signIn.end(node)
    }

    func process(_ unread: [UInt8], _ channel: Channel) {
        guard !unread.isEmpty else { return }
        var unread = unread
        unread.withUnsafeMutableBytes { process($0, channel) }
    }

    /// Ends the connection once everything written is out.
    func end() {
        signIn.end(node)
        channel?.closeAfterFlush()
    }

    func sessionIsReady(_ session: Session) {
        guard let channel, let unread = signIn.finish(session) else { return }
        channel.setReading(true)
        process(unread, channel)
    }

    func sessionFailed(_ session: Session) { refuse(.storeFailed) }

    func drain(retry: UInt64) { refuse(.goingDown(retry: retry)) }

    /// Why this client may not sign in now, if so.
    ///
    /// - Parameter isCounted: whether the sign-in was counted when the connection became a WebSocket.
    func obstacle(isCounted: Bool = false) -> Refusal? {
        if node.context.memory.isTight { return .shortOfMemory }
        guard !isCounted, let peer = channel?.peerAddress else { return nil }
        return node.context.traffic.signIn(peer: peer, now: node.monotonicMilliseconds).map(Refusal.tooManySignIns)
    }

    /// Counts a control frame; false if it isn't to be answered.
    func admitsControl(bytes: Int) -> Bool {
        guard case .signedIn(let session) = signIn.state else { return true }
        switch node.hub.admit(bytes: bytes, from: session) {
        case .taken: return true
        case .refused: return false
        case .ended:
            refuse(.tooHasty)
            return false
        }
    }

    /// Who has ended its side still gets the answers that it is owed.
    func channelPeerEnded(_ channel: Channel) -> Bool {
        switch signIn.state {
        // Asked again when reading goes on.
        case .askingStore: true
        case .signedIn(let session): node.hub.finish(session) { [weak self] in self?.end() }
        case .fresh, .awaitingClient, .leaving, .ended: false
        }
    }

    func channelDrained(_ channel: Channel) {
        if let session = signIn.session { node.hub.drained(session) }
    }

    func channelTimer(_ channel: Channel) -> UInt64? {
        let now = node.loop.second
        if case .awaitingClient(let expectation) = signIn.state {
            if now &- expectation.since < UInt32(Limits.signInSeconds) { return 1 }
            refuse(.late)
            return nil
        }
        if !channel.isPaused, lookAtUnfinished() > Limits.unfinishedLooksMax {
            refuse(.unfinished)
            return nil
        }
        let left = signIn.session.flatMap { node.hub.secondsLeft($0, at: node.loop.milliseconds) } ?? .max
        guard left > 0 else {
            refuse(.expired)
            return nil
        }
        switch Liveness(channel, now: now) {
        case .alive(let seconds): return min(seconds, left)
        case .ping:
            writePing(to: channel)
            return min(Limits.heartbeatSeconds, left)
        case .gone:
            refuse(.silent)
            return nil
        }
    }

    func channelClosed(_ channel: Channel) {
        self.channel = nil
        signIn.end(node)
    }
}
