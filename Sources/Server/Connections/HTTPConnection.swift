internal import Base
internal import Logging
internal import Reactor
internal import Wire

/// A connection that speaks HTTP/1.1, until it ends or becomes a WebSocket. *Thread:* its loop's.
final class HTTPConnection: AcceptingDelegate {
    private unowned let node: LoopNode
    private var decoder = HTTPRequestDecoder()
    private var channel: Channel?
    /// Requests are answered in their order: while one is being answered, what comes after it waits here.
    private var isBusy = false
    private var waiting: [UInt8] = []
    private var begun: UInt32 = 0
    /// The instant of the tick in which the request that is being answered was whole.
    private var answerBegun: UInt64 = 0
    private var peer = ""
    /// Whether the client has ended its side; it may still wait for answers (RFC 9112, section 9.6).
    private var isPeerDone = false

    /// Whether a request was taken.
    private var isKnown = false

    /// Seconds for the head of a request to come in, and for all of it; for the next to begin; and for the peer to
    /// take something of an answer.
    private static let headSeconds: UInt32 = 10
    private static let bodySeconds: UInt32 = 60
    private static let idleSeconds: UInt32 = 75
    private static let stallSeconds: UInt32 = 60
    private static let lookSeconds: UInt32 = 10
    /// What is answered however little memory there is: how else would anyone know.
    private static let operations: Set<String> = ["healthz", "readyz", "metrics", "console"]
    /// Pipelined bytes that may wait for an answer before reading stops.
    private static let waitingBytesMax = 64 << 10
    /// What a client is told that speaks HTTP where TLS is spoken.
    static let answerWithoutTLS: StaticString = """
        HTTP/1.1 400 Bad Request\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Length: 50\r
        Connection: close\r
        \r
        This port speaks TLS: use https:// or wss:// here.
        """
    /// Browsers come back over TLS only, for half a year.
    private static let strictTransport = "max-age=15552000"

    init(node: LoopNode) { self.node = node }

    func channelAccepted(_ channel: Channel) {
        self.channel = channel
        begun = node.loop.second
        let peer = channel.peerAddress ?? ""
        self.peer = peer
        if let refusal = node.arrivalRefusal(channel, from: peer) {
            node.noteRefusedSignIn(refusal.cause)
            return node.mayExplain() ? respond(.failure(refusal.httpFailure), keepAlive: false, isHead: false)
                : channel.abort()
        }
        node.loop.startTimer(channel, seconds: UInt64(HTTPConnection.lookSeconds))
    }

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        if isBusy || !waiting.isEmpty {
            waiting.append(contentsOf: bytes)
            if waiting.count > HTTPConnection.waitingBytesMax { channel.setReading(false) }
        } else {
            process(UnsafeRawBufferPointer(bytes), channel)
        }
    }

    private func process(_ bytes: UnsafeRawBufferPointer, _ channel: Channel) {
        if decoder.isIdle { begun = node.loop.second }
        let span = RawSpan(_unsafeBytes: bytes)
        var offset = 0
        while true {
            switch decoder.next(span, &offset) {
            case .needMore: return
            case .expectContinue:
                channel.prepareToWrite()
                HTTPResponse.writeContinue(to: &channel.buffer)
            case .failure(let failure):
                node.counters.countRequest(route: nil, failure.status, nanoseconds: 0)
                respond(.failure(failure), keepAlive: false, isHead: false)
                return
            case .request(let request):
                let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                if let endpoint = WebSocketEndpoint(request) {
                    upgrade(request, endpoint, rest, channel)
                    return
                }
                guard answer(request) else { return }
                if isBusy {
                    waiting.append(contentsOf: rest)
                    return
                }
            }
        }
    }

    // MARK: Answering

    /// Returns whether the connection goes on.
    private func answer(_ request: HTTPRequest) -> Bool {
        if !isKnown, node.context.memory.isTight, !HTTPConnection.operations.contains(request.path.first ?? "") {
            let failure = Refusal.shortOfMemory.httpFailure
            respond(.failure(failure), keepAlive: false, isHead: request.method == .head)
            return false
        }
        isKnown = true
        isBusy = true
        let api = node.api
        let peer = peer
        let bound = LoopBound(self)
        answerBegun = node.loop.instant
        Task(executorPreference: node.loop.executor) {
            let answer = await api.respond(to: request, from: peer)
            bound.onLoop.finish(request, answer)
        }
        return true
    }

    private func finish(_ request: HTTPRequest, _ answer: APIRouter.Answer) {
        let nanoseconds = Clock.monotonicNanoseconds &- answerBegun
        let status = answer.response.status
        node.counters.countRequest(route: answer.route, status, nanoseconds: nanoseconds)
        node.context.log.http.debug(
            "answered",
            metadata: [
                "method": "\(request.method.rawValue)", "route": "\(routeName(answer))",
                "status": .stringConvertible(status.rawValue), "microseconds": .stringConvertible(nanoseconds / 1_000),
            ])
        guard let channel else { return }
        let keepAlive = request.keepAlive && !node.context.isDraining
        respond(answer.response, keepAlive: keepAlive, isHead: request.method == .head)
        isBusy = false
        guard keepAlive else { return }
        goOn(channel)
    }

    /// What the request's path was found by; never the path itself, which says who talks to whom.
    private func routeName(_ answer: APIRouter.Answer) -> String {
        answer.route.map { node.api.routes[$0].path } ?? "none"
    }

    /// Takes up what came in meanwhile, unless the client doesn't take its answers.
    private func goOn(_ channel: Channel) {
        guard !isBusy, channel.pendingBytes <= Limits.unreadAnswersMax else { return }
        let rest = waiting
        waiting = []
        if !isPeerDone { channel.setReading(true) }
        if !rest.isEmpty { rest.withUnsafeBytes { process($0, channel) } }
        if isPeerDone, !isBusy { channel.closeAfterFlush() }
    }

    func channelDrained(_ channel: Channel) { goOn(channel) }

    func channelPeerEnded(_ channel: Channel) -> Bool {
        isPeerDone = true
        if !isBusy, waiting.isEmpty { channel.closeAfterFlush() }
        return true
    }

    private func respond(_ response: HTTPResponse, keepAlive: Bool, isHead: Bool) {
        guard let channel else { return }
        var response = response
        // In development the host is this machine, whose other servers would be meant too.
        if node.context.tls != nil, !node.context.configuration.dev {
            try? response.headers.add("Strict-Transport-Security", HTTPConnection.strictTransport)
        }
        channel.prepareToWrite()
        response.write(to: &channel.buffer, keepAlive: keepAlive, isHead: isHead)
        if !keepAlive { channel.closeAfterFlush() }
    }

    // MARK: Becoming a WebSocket

    private func upgrade(
        _ request: HTTPRequest, _ endpoint: WebSocketEndpoint, _ rest: UnsafeRawBufferPointer, _ channel: Channel
    ) {
        do throws(HTTPFailure) {
            guard !node.context.isDraining else { throw HTTPFailure(.serviceUnavailable, "the server is going down") }
            let response = try WebSocketHandshake.accept(request)
            if node.context.memory.isTight { throw Refusal.shortOfMemory.httpFailure }
            let wait = node.context.traffic.upgrade(request, channel, peer: peer, now: node.monotonicMilliseconds)
            if let wait { throw Refusal.tooManySignIns(retry: wait).httpFailure }
            switch try node.admit(request, endpoint) {
            case .echo:
                let connection = EchoConnection()
                channel.delegate = connection
                connection.begin(on: channel, answering: response, rest)
            case .firstFrame(let device, let after):
                let connection = WebSocketConnection(node: node)
                channel.delegate = connection
                connection.awaitSignIn(on: channel, answering: response, device: device, after: after, rest)
            case .user(let request):
                guard node.moveHome(channel, unread: rest, .upgrading(response), request) else {
                    throw Refusal.noRoom.httpFailure
                }
                self.channel = nil
            }
            node.counters.countUpgrade(.switchingProtocols, nanoseconds: 0)
        } catch {
            node.noteRefusedUpgrade(error)
            var response = HTTPResponse.failure(error)
            if error.status == .upgradeRequired {
                try? response.headers.add("Upgrade", "websocket")
                try? response.headers.add("Sec-WebSocket-Version", "13")
            }
            respond(response, keepAlive: false, isHead: false)
        }
    }

    // MARK: Time

    func channelTimer(_ channel: Channel) -> UInt64? {
        let now = node.loop.second
        if channel.isBlocked {
            guard now &- channel.lastSent < HTTPConnection.stallSeconds else {
                channel.abort()
                return nil
            }
            return UInt64(HTTPConnection.lookSeconds)
        }
        if isBusy || !waiting.isEmpty { return UInt64(HTTPConnection.lookSeconds) }
        let (since, limit) = currentLimit(channel)
        let passed = now &- since
        guard passed < limit else {
            if decoder.isIdle {
                channel.abort()
            } else {
                let failure = HTTPFailure(.requestTimeout, "the request took too long")
                node.counters.countRequest(route: nil, failure.status, nanoseconds: 0)
                respond(.failure(failure), keepAlive: false, isHead: false)
            }
            return nil
        }
        return UInt64(min(limit - passed, HTTPConnection.lookSeconds))
    }

    /// What the client is to do next, since when and for how long.
    private func currentLimit(_ channel: Channel) -> (since: UInt32, seconds: UInt32) {
        if decoder.hasHead { return (begun, HTTPConnection.bodySeconds) }
        if !decoder.isIdle || !isKnown { return (begun, HTTPConnection.headSeconds) }
        return (max(channel.lastReceived, channel.lastSent), HTTPConnection.idleSeconds)
    }

    var bufferedBytes: Int { waiting.count + decoder.ownedByteCount }

    func channelClosed(_ channel: Channel) { self.channel = nil }
}

extension HTTPConnection: DrainableConnection {
    /// A connection that waits for a request ends now, one that is being answered ends after its answer.
    func drain(retry: UInt64) {
        guard !isBusy, let channel else { return }
        channel.closeAfterFlush()
    }
}
