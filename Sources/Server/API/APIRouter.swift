internal import Base
internal import Core
internal import Reactor
internal import Store
internal import Wire

/// A request with the values of its route's placeholders.
struct APIRequest: Sendable {
    let http: HTTPRequest
    /// The segments that stood where the route has `{…}`, in order.
    let parameters: [String]
    /// The loop this runs on.
    let node: NodeHandle
    /// The address at the other end of the connection.
    let peer: String
}

/// Why a call is refused: an HTTP status, and the contract's error code and a sentence for the body.
struct APIError: Error, Sendable {
    let status: HTTPStatus
    let code: ErrorCode
    let message: String
    /// Milliseconds after which the same call may succeed.
    var retryAfter: UInt64?

    /// - Parameter status: where another one fits better than that of the code.
    init(_ code: ErrorCode, _ message: String, status: HTTPStatus? = nil) {
        self.code = code
        self.message = message
        self.status = status ?? HTTPStatus(code)
    }

    /// - Parameter retryAfter: milliseconds after which the same call may succeed.
    static func tooMany(_ what: String, retryAfter: UInt64) -> APIError {
        var error = APIError(.rateLimited, "\(what): try again in \((retryAfter + 999) / 1000) s")
        error.retryAfter = retryAfter
        return error
    }

    init(_ refusal: EnvelopeError) {
        self.init(refusal.code, "\(refusal.reason)")
    }
}

/// The HTTP API: finds the handler of a request. Handlers are `async` and run on the loop that read the request.
struct APIRouter: Sendable {
    typealias Handler = @Sendable (APIRequest) async throws(APIError) -> HTTPResponse

    struct Route: Sendable {
        let method: HTTPMethod
        /// As it was written, with `{…}` where any segment may stand.
        let path: String
        /// Segments; nil where any segment may stand.
        let pattern: [String?]
        let handler: Handler

        init(_ method: HTTPMethod, _ path: String, _ handler: @escaping Handler) {
            self.method = method
            self.path = path
            self.handler = handler
            pattern = path.split(separator: "/").map { $0.hasPrefix("{") ? nil : String($0) }
        }

        /// The placeholders' values if the path fits.
        func match(_ path: [String]) -> [String]? {
            guard path.count == pattern.count else { return nil }
            var values: [String] = []
            for (segment, expected) in zip(path, pattern) {
                if let expected {
                    guard segment == expected else { return nil }
                } else {
                    values.append(segment)
                }
            }
            return values
        }
    }

    /// All there are; the API document describes those that aren't the web chat's files.
    let routes: [Route]
    private let node: NodeHandle
    private let origins: Origins

    /// A response, and the place of its route in the table; nil: there is none.
    struct Answer: Sendable {
        var response: HTTPResponse
        var route: Int?
    }

    init(context: RouterContext, node: NodeHandle) {
        self.node = node
        origins = context.origins
        let parts = [
            OperationsAPI(context: context).routes,
            DocumentAPI.routes,
            TimelineAPI(context: context).routes,
            AccountAPI(context: context).routes,
            ConversationAPI(context: context).routes,
            MessageChangeAPI(context: context).routes,
            GroupAPI(context: context).routes,
            ContactAPI(context: context).routes,
            PresenceAPI(context: context).routes,
            MediaAPI(context: context).routes,
            EventAPI(context: context).routes,
            TokenAPI(context: context).routes,
            SearchAPI(context: context).routes,
            WebChatAPI(media: context.configuration.media).routes,
        ]
        routes = parts.flatMap(\.self)
    }

    /// Answers a request; whatever goes wrong becomes a response.
    func respond(to request: HTTPRequest, from peer: String) async -> Answer {
        var answer = await answer(request, from: peer)
        origins.admit(request, to: &answer.response)
        return answer
    }

    private func answer(_ request: HTTPRequest, from peer: String) async -> Answer {
        var allowed: Set<HTTPMethod> = []
        for (index, route) in routes.enumerated() {
            guard let parameters = route.match(request.path) else { continue }
            let isHead = request.method == .head && route.method == .get
            guard route.method == request.method || isHead else {
                allowed.insert(route.method)
                if route.method == .get { allowed.insert(.head) }
                continue
            }
            do throws(APIError) {
                let call = APIRequest(http: request, parameters: parameters, node: node, peer: peer)
                return Answer(response: try await route.handler(call), route: index)
            } catch {
                return Answer(response: .failure(error), route: index)
            }
        }
        return Answer(response: refusal(of: request, allowed: allowed.sorted { $0.rawValue < $1.rawValue }))
    }

    /// The answer where no route takes the method, or none is at the path.
    private func refusal(of request: HTTPRequest, allowed: [HTTPMethod]) -> HTTPResponse {
        if let preflight = origins.preflight(request, methods: allowed) { return preflight }
        guard !allowed.isEmpty else { return .failure(APIError(.notFound, "there is nothing at this path")) }
        let names = allowed.map(\.rawValue).joined(separator: ", ")
        var response = HTTPResponse.error(.methodNotAllowed, code: .badRequest, message: "this path takes \(names)")
        try? response.headers.add("Allow", names)
        return response
    }
}

extension HTTPStatus {
    /// The status that fits an error code.
    init(_ code: ErrorCode) {
        self =
            switch code {
            case .badRequest: .badRequest
            case .unauthorized: .unauthorized
            case .forbidden, .notMember, .silenced, .blocked: .forbidden
            case .notFound: .notFound
            case .tooLarge: .contentTooLarge
            case .rateLimited: .tooManyRequests
            case .overloaded: .serviceUnavailable
            case .conflict: .conflict
            case .unsupported: .notImplemented
            case .internal: .internalServerError
            }
    }
}

extension ErrorCode {
    /// The error code that fits a status which the codec gave.
    init(_ status: HTTPStatus) {
        self =
            switch status {
            case .unauthorized: .unauthorized
            case .forbidden: .forbidden
            case .notFound: .notFound
            case .contentTooLarge, .uriTooLong, .headerFieldsTooLarge: .tooLarge
            case .serviceUnavailable: .overloaded
            case .tooManyRequests: .rateLimited
            case .notImplemented, .versionNotSupported, .upgradeRequired: .unsupported
            default: .badRequest
            }
    }
}

extension HTTPResponse {
    /// `{"error":{"code","message"}}`
    static func error(_ status: HTTPStatus, code: ErrorCode, message: String) -> HTTPResponse {
        var body = OutputBuffer()
        body.append(#"{"error":{"code":""#)
        body.append(utf8: code.rawValue)
        body.append(#"","message":"#)
        body.appendJSONString(message)
        body.append("}}")
        return json(body, status: status)
    }

    static func failure(_ error: APIError) -> HTTPResponse {
        self.error(error.status, code: error.code, message: error.message).retrying(after: error.retryAfter)
    }

    private func retrying(after milliseconds: UInt64?) -> HTTPResponse {
        guard let milliseconds else { return self }
        var response = self
        try? response.headers.add("Retry-After", String((milliseconds + 999) / 1000))
        return response
    }

    static func failure(_ failure: HTTPFailure) -> HTTPResponse {
        error(failure.status, code: ErrorCode(failure.status), message: failure.reason)
            .retrying(after: failure.retryAfter)
    }

    /// A response with a JSON body that is written already.
    static func json(_ body: borrowing OutputBuffer, status: HTTPStatus = .ok) -> HTTPResponse {
        json(Array(body.unsafeBytes), status: status)
    }

    /// The same with bytes that are shared with whoever keeps them.
    static func json(_ body: [UInt8], status: HTTPStatus = .ok) -> HTTPResponse {
        var response = HTTPResponse(status, body: body)
        try? response.headers.add("Content-Type", "application/json")
        return response
    }

    static let emptyObject: HTTPResponse = {
        var body = OutputBuffer()
        body.append("{}")
        return json(body)
    }()
}
