internal import Base
internal import Core
internal import Reactor
internal import Wire

/// Who signs in, and how; it goes with the connection to the user's home.
struct SignInRequest: Sendable {
    enum Form: Sendable {
        case json
        case binary(readsLZ4: Bool)
    }

    var credential: Credential
    var device: Identifier
    var after: UInt64?
    var form: Form

    var user: Identifier { credential.user }
}

/// How far a client's connection is with signing in: the client is to say who it is, the connection goes to the user's
/// home loop, there the store is asked, and then it is signed in. What the client sends while the store is asked is
/// kept back here.
///
/// One word: what is large lies elsewhere, as most connections are signed in for hours.
struct SignInProgress {
    enum State {
        case fresh
        /// Who it is comes from the client.
        indirect case awaitingClient(Expectation)
        /// The store is being asked; what the client already sends waits.
        indirect case askingStore(Session, waiting: [UInt8])
        case signedIn(Session)
        /// The message that is being taken said who it is: the connection goes to that user's loop.
        indirect case leaving(SignInRequest)
        case ended
    }

    /// What is known before the client has said who it is.
    struct Expectation {
        var device: Identifier?
        var after: UInt64?
        /// The loop's second in which the client's time began.
        var since: UInt32
    }

    private(set) var state = State.fresh

    /// Bytes that may wait for the store's answer before reading stops.
    private static let waitingBytesMax = 64 << 10

    var session: Session? {
        switch state {
        case .signedIn(let session), .askingStore(let session, _): session
        case .fresh, .awaitingClient, .leaving, .ended: nil
        }
    }

    /// Whether it has neither ended nor is to go to another loop.
    var staysHere: Bool {
        switch state {
        case .leaving, .ended: false
        case .fresh, .awaitingClient, .askingStore, .signedIn: true
        }
    }

    /// Bytes that wait for the store's answer.
    var waitingByteCount: Int { if case .askingStore(_, let waiting) = state { waiting.count } else { 0 } }

    var hasEnded: Bool { if case .ended = state { true } else { false } }

    /// Gives the client ten seconds to say who it is.
    mutating func awaitClient(device: Identifier? = nil, after: UInt64? = nil, since: UInt32) {
        state = .awaitingClient(Expectation(device: device, after: after, since: since))
    }

    /// Begins a session and asks the store for its inbox.
    ///
    /// - Parameter unread: what the client sent behind its sign-in.
    /// - Returns: why nothing was begun, if so.
    mutating func askStore(
        for request: SignInRequest, unread: [UInt8], _ form: Session.Form, on channel: Channel, _ node: LoopNode,
        owner: any SessionOwner
    ) -> Refusal? {
        // It may have ended on the way here; what ends from now on finds the session.
        guard !node.context.logins.isEnded(request.credential) else { return .loggedOut }
        var readsLZ4 = false
        if case .binary(let lz4) = request.form { readsLZ4 = lz4 }
        let session = node.hub.signIn(
            request.user, device: request.device, login: LoginMark(request.credential.login),
            span: LoginSpan(request.credential.login), after: request.after, form: form, readsLZ4: readsLZ4,
            outlet: channel, owner: owner)
        guard let session else {
            node.logFullShard(request.user)
            return .fullShard
        }
        state = .askingStore(session, waiting: unread)
        let left = node.hub.secondsLeft(session, at: node.loop.milliseconds) ?? .max
        node.loop.startTimer(channel, seconds: min(left, Limits.heartbeatSeconds))
        return nil
    }

    /// Keeps back what came in, if the store is being asked.
    mutating func keepBack(_ bytes: UnsafeMutableRawBufferPointer, from channel: Channel) -> Bool {
        guard case .askingStore(let session, var waiting) = state else { return false }
        // So that what waits has one owner, and is appended to in place.
        state = .fresh
        waiting.append(contentsOf: bytes)
        if waiting.count > SignInProgress.waitingBytesMax { channel.setReading(false) }
        state = .askingStore(session, waiting: waiting)
        return true
    }

    /// The store has answered: signed in.
    ///
    /// - Returns: what was kept back; nil if the store wasn't asked.
    mutating func finish(_ session: Session) -> [UInt8]? {
        guard case .askingStore(_, let waiting) = state else { return nil }
        state = .signedIn(session)
        return waiting
    }

    /// The client said who it is, for the first time or anew.
    mutating func leave(for request: SignInRequest, _ node: LoopNode) {
        end(node)
        state = .leaving(request)
    }

    /// Ends what there is of a session.
    mutating func end(_ node: LoopNode) {
        let session = session
        state = .ended
        if let session { node.hub.signOut(session) }
    }
}

/// Why a connection ends that signs in, or has signed in, in the words of each protocol.
struct Refusal {
    let code: ErrorCode
    let closeCode: UInt16
    let reason: StaticString
    let cause: RefusalCause
    /// Milliseconds after which the client may come again.
    var retry: UInt64?

    static let fullShard = Refusal(
        code: .overloaded, closeCode: WebSocketCloseCode.overloaded,
        reason: "this part of the server is full; try again later", cause: .fullShard, retry: 5_000)
    static let noRoom = Refusal(
        code: .overloaded, closeCode: WebSocketCloseCode.overloaded, reason: "the server is full; try again later",
        cause: .noRoom, retry: 5_000)
    static let storeFailed = Refusal(
        code: .internal, closeCode: WebSocketCloseCode.internalError,
        reason: "the store is unavailable; try again later", cause: .storeFailed)
    static let shortOfMemory = Refusal(
        code: .overloaded, closeCode: WebSocketCloseCode.overloaded, reason: "the server is short of memory",
        cause: .memory, retry: 10_000)
    static func goingDown(retry: UInt64) -> Refusal {
        Refusal(
            code: .overloaded, closeCode: WebSocketCloseCode.goingAway, reason: "the server is going down",
            cause: .goingDown, retry: retry)
    }
    static func tooManyConnections(retry: UInt64) -> Refusal {
        Refusal(
            code: .rateLimited, closeCode: WebSocketCloseCode.rateLimited,
            reason: "too many connections from this address", cause: .rateLimited, retry: retry)
    }
    static func tooManySignIns(retry: UInt64) -> Refusal {
        Refusal(
            code: .rateLimited, closeCode: WebSocketCloseCode.rateLimited,
            reason: "too many sign-ins from this address", cause: .rateLimited, retry: retry)
    }
    static let tooHasty = Refusal(
        code: .rateLimited, closeCode: WebSocketCloseCode.rateLimited, reason: "too much too fast, again and again",
        cause: .rateLimited, retry: 10_000)
    static let unfinished = Refusal(
        code: .badRequest, closeCode: WebSocketCloseCode.heartbeatTimeout,
        reason: "a frame took too long to come in whole", cause: .unfinished)
    static let late = Refusal(
        code: .unauthorized, closeCode: WebSocketCloseCode.signInTimeout, reason: "no sign-in within 10 s",
        cause: .late)
    static let silent = Refusal(
        code: .unauthorized, closeCode: WebSocketCloseCode.heartbeatTimeout, reason: "no answer to pings",
        cause: .silent)

    static let loggedOut = Refusal(
        code: .unauthorized, closeCode: WebSocketCloseCode.unauthorized, reason: "this login has ended; log in again",
        cause: .loggedOut)

    static let expired = Refusal(
        code: .unauthorized, closeCode: WebSocketCloseCode.unauthorized,
        reason: "the token's time is over; sign in with a new one", cause: .expired)

    /// The answer to a request that was to become a connection.
    var httpFailure: HTTPFailure {
        let status: HTTPStatus =
            switch code {
            case .unauthorized: .unauthorized
            case .rateLimited: .tooManyRequests
            default: .serviceUnavailable
            }
        return HTTPFailure(status, "\(reason)", retryAfter: retry)
    }
}
