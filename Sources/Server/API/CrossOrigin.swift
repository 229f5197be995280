internal import Wire

// Pages of other origins (CORS): those of `--origins` may call the API and read its answers, by cookie or token.
extension Origins {
    /// Fields that a page may send, besides those that every page may.
    private static let requestFields = "Authorization, Content-Type, If-None-Match"
    /// Fields of an answer that its script may read.
    private static let answerFields = "ETag, Retry-After"
    /// How long a browser may remember what it was told.
    private static let seconds = "600"

    /// Lets a page of another allowed origin read an answer of the API; no other page, and never by a wildcard.
    ///
    /// Answers differ by origin as soon as one is allowed, so a cache has to know, whoever asked.
    func admit(_ request: HTTPRequest, to response: inout HTTPResponse) {
        guard hasAllowed, request.path.first == "api" else { return }
        try? response.headers.add("Vary", "Origin")
        guard let origin = request.headers.first("Origin"), isAllowed(origin) else { return }
        try? response.headers.add("Access-Control-Allow-Origin", origin)
        try? response.headers.add("Access-Control-Allow-Credentials", "true")
        if request.method != .options {
            try? response.headers.add("Access-Control-Expose-Headers", Origins.answerFields)
        }
    }

    /// The answer to a browser that asks before a page's call; nil if this isn't such a question.
    ///
    /// - Parameter methods: those of the path.
    func preflight(_ request: HTTPRequest, methods: [HTTPMethod]) -> HTTPResponse? {
        guard request.method == .options, request.path.first == "api", !methods.isEmpty,
            let origin = request.headers.first("Origin"),
            request.headers.first("Access-Control-Request-Method") != nil
        else { return nil }
        guard isAllowed(origin) else {
            return .failure(APIError(.forbidden, "pages of this origin may not call this server: see --origins"))
        }
        var response = HTTPResponse(.noContent)
        let names = methods.map(\.rawValue).joined(separator: ", ")
        try? response.headers.add("Access-Control-Allow-Methods", names)
        try? response.headers.add("Access-Control-Allow-Headers", Origins.requestFields)
        try? response.headers.add("Access-Control-Max-Age", Origins.seconds)
        return response
    }
}
