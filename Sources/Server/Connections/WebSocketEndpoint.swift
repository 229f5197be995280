internal import Base
internal import Reactor
internal import Wire

/// The endpoints of the contract's section 2.
enum WebSocketEndpoint {
    /// `/chat?id=U&token=T`
    case chat
    /// `/chat/private?userId=U&session=S`
    case chatPrivate
    /// `/ws`: bearer header, cookie, `?token=`, or a first frame.
    case ws
    /// `/echo`: for conformance suites, with `--dev`.
    case echo

    init?(_ request: HTTPRequest) {
        switch request.path {
        case ["chat"]: self = .chat
        case ["chat", "private"]: self = .chatPrivate
        case ["ws"]: self = .ws
        case ["echo"]: self = .echo
        default: return nil
        }
    }
}

/// What an upgrade request amounts to.
enum Admission {
    case echo
    /// Who it is comes in the first frame.
    case firstFrame(device: Identifier?, after: UInt64?)
    case user(SignInRequest)
}

extension LoopNode {
    /// Decides who an upgrade request is from; throws 401 and the like, to be answered before the upgrade.
    func admit(_ request: HTTPRequest, _ endpoint: WebSocketEndpoint) throws(HTTPFailure) -> Admission {
        if case .echo = endpoint {
            guard context.configuration.dev else { throw HTTPFailure(.notFound, "there is no such endpoint") }
            return .echo
        }
        let after = try resumePoint(request)
        guard let credential = try credential(of: request, endpoint) else {
            return .firstFrame(device: try device(request), after: after)
        }
        let device = try device(request) ?? .defaultDevice
        return .user(SignInRequest(credential: credential, device: device, after: after, form: .json))
    }

    /// nil: the endpoint takes a first frame, and the request says nothing about who it is.
    private func credential(
        of request: HTTPRequest, _ endpoint: WebSocketEndpoint
    ) throws(HTTPFailure) -> Credential? {
        let authenticator = context.authenticator
        let now = loop.milliseconds
        switch endpoint {
        case .chat:
            let user = try identifier(request, "id")
            guard let credential = authenticator.credential(of: user, token: request.query("token"), now: now) else {
                throw HTTPFailure(.unauthorized, "token is missing, wrong, out of date or another user's")
            }
            return credential
        case .chatPrivate:
            let user = try identifier(request, "userId")
            guard authenticator.allows(user, session: request.query("session") ?? "", now: now) else {
                throw HTTPFailure(.unauthorized, "session is missing, wrong or out of date")
            }
            return Credential(user: user)
        case .ws, .echo:
            guard let token = try token(of: request) else { return nil }
            guard let credential = authenticator.credential(token, now: now) else {
                throw HTTPFailure(.unauthorized, "the token is wrong or out of date")
            }
            return credential
        }
    }

    /// Bearer header, cookie or query, in this order.
    private func token(of request: HTTPRequest) throws(HTTPFailure) -> String? {
        if let bearer = request.bearerToken { return bearer }
        if let cookie = request.cookie(SessionCookie.name) {
            // A browser sends the cookie for any page that asks: only our own may.
            guard context.origins.allow(request) else {
                throw HTTPFailure(.forbidden, "sign-in by cookie from another origin")
            }
            return cookie
        }
        return request.query("token")
    }

    private func identifier(_ request: HTTPRequest, _ name: String) throws(HTTPFailure) -> Identifier {
        guard let text = request.query(name), let identifier = Identifier(text) else {
            throw HTTPFailure(.badRequest, "\(name) is missing or is no user id")
        }
        return identifier
    }

    private func device(_ request: HTTPRequest) throws(HTTPFailure) -> Identifier? {
        guard let text = request.query("device") else { return nil }
        guard let device = Identifier(text) else { throw HTTPFailure(.badRequest, "device is no device id") }
        return device
    }

    private func resumePoint(_ request: HTTPRequest) throws(HTTPFailure) -> UInt64? {
        guard let text = request.query("after") else { return nil }
        guard let after = UInt64(text) else { throw HTTPFailure(.badRequest, "after is no inbox number") }
        return after
    }
}

extension Identifier {
    /// The device of a client that doesn't name one.
    static let defaultDevice: Identifier = {
        guard let device = Identifier("default") else { preconditionFailure("a valid id") }
        return device
    }()
}

extension HTTPRequest {
    /// The credential of `Authorization: Bearer …` (RFC 6750, section 2.1).
    var bearerToken: String? {
        guard let header = headers.first("Authorization") else { return nil }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }
}
