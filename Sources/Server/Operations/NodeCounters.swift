internal import Base
internal import Logging
internal import Wire

/// Why a client isn't signed in, or isn't any more: what the router decided, not what the client did.
enum RefusalCause: String, Sendable, CaseIterable {
    /// The credential is missing, wrong or out of date.
    case unauthorized
    /// A page of another origin with the cookie.
    case forbidden
    case malformed
    case fullShard = "full_shard"
    /// No descriptors left.
    case noRoom = "no_room"
    case storeFailed = "store_failed"
    case goingDown = "going_down"
    /// No sign-in in time.
    case late
    /// No answer to pings.
    case silent
    /// The login was ended.
    case loggedOut = "logged_out"
    /// The token's time is over.
    case expired
    /// Too many connections or sign-ins of one address, or frames of one user.
    case rateLimited = "rate_limited"
    /// The process is near its limit of memory.
    case memory
    /// A frame didn't come in whole in time.
    case unfinished

    /// What an HTTP status says about an upgrade.
    init(_ status: HTTPStatus) {
        self =
            switch status {
            case .unauthorized: .unauthorized
            case .forbidden: .forbidden
            case .serviceUnavailable: .noRoom
            case .tooManyRequests: .rateLimited
            default: .malformed
            }
    }

    /// Whether a session that isn't welcomed yet ends by it, though there is one.
    var isOfSignIn: Bool { self == .storeFailed }

    fileprivate var index: Int { RefusalCause.allCases.firstIndex(of: self) ?? 0 }
}

extension LoopNode {
    /// Counts a client that isn't signed in.
    func noteRefusedSignIn(_ cause: RefusalCause) {
        counters.countRefusedSignIn(cause)
        context.log.connections.debug("a sign-in is refused", metadata: ["reason": "\(cause.rawValue)"])
    }

    /// Counts a request that doesn't become a WebSocket.
    func noteRefusedUpgrade(_ failure: HTTPFailure) {
        counters.countUpgrade(failure.status, nanoseconds: 0)
        let isGoingDown = failure.status == .serviceUnavailable && context.isDraining
        noteRefusedSignIn(isGoingDown ? .goingDown : RefusalCause(failure.status))
    }
}

/// What a loop's connections have done besides chatting: plain numbers that only the loop writes. *Thread:* its loop's.
struct NodeCounters: Sendable {
    private var refusedSignIns = Array(repeating: 0 as UInt64, count: RefusalCause.allCases.count)
    private var endedSessions = Array(repeating: 0 as UInt64, count: RefusalCause.allCases.count)
    /// By the route's place in the table of routes; behind them what has no route.
    private(set) var http: [RouteCounters]

    /// - Parameter routes: how many routes there are.
    init(routes: Int) {
        http = Array(repeating: RouteCounters(), count: routes + 2)
    }

    func refusedSignIns(_ cause: RefusalCause) -> UInt64 { refusedSignIns[cause.index] }
    func endedSessions(_ cause: RefusalCause) -> UInt64 { endedSessions[cause.index] }

    mutating func countRefusedSignIn(_ cause: RefusalCause) { refusedSignIns[cause.index] &+= 1 }
    mutating func countEndedSession(_ cause: RefusalCause) { endedSessions[cause.index] &+= 1 }

    /// Counts an answer to a request; nil: no route was found.
    mutating func countRequest(route: Int?, _ status: HTTPStatus, nanoseconds: UInt64) {
        http[route ?? http.count - 2].count(status, nanoseconds)
    }

    /// Counts an answer to a request that was to become a WebSocket.
    mutating func countUpgrade(_ status: HTTPStatus, nanoseconds: UInt64) {
        http[http.count - 1].count(status, nanoseconds)
    }
}

/// The requests of one route.
struct RouteCounters: Sendable {
    /// Few statuses each, the most frequent one mostly first.
    private(set) var statuses: [(status: UInt16, count: UInt64)] = []
    private(set) var seconds: Histogram?

    mutating func count(_ status: HTTPStatus, _ nanoseconds: UInt64) {
        if let index = statuses.firstIndex(where: { $0.status == status.rawValue }) {
            statuses[index].count &+= 1
        } else {
            statuses.append((status.rawValue, 1))
        }
        if seconds == nil { seconds = Histogram(.seconds) }
        seconds?.record(nanoseconds)
    }

    mutating func add(_ other: RouteCounters) {
        for (status, count) in other.statuses {
            if let index = statuses.firstIndex(where: { $0.status == status }) {
                statuses[index].count += count
            } else {
                statuses.append((status, count))
            }
        }
        guard let more = other.seconds else { return }
        var sum = seconds ?? Histogram(.seconds)
        sum.add(more)
        seconds = sum
    }
}
