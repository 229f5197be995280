internal import WebChat
internal import Wire

/// The web chat and the operator's page (contract, section 5): pages and their modules, from the program itself. Open
/// to everyone, since there is nothing in them that the source doesn't show.
struct WebChatAPI: Sendable {
    /// Nothing but the router's own files runs, is shown or is asked, media of its users excepted, and markup can't be
    /// made from text.
    private let contentPolicy: String

    init(media: MediaStorage?) {
        let upload = media.map { " " + $0.origins.upload } ?? ""
        let show = media.map { " " + $0.origins.show } ?? ""
        contentPolicy = """
            default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:\(show); \
            media-src 'self'\(show); \
            connect-src 'self'\(upload); base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
            require-trusted-types-for 'script'; trusted-types 'none'
            """
    }

    var routes: [APIRouter.Route] {
        (WebChat.files + OperatorConsole.files).map { file in
            .init(.get, file.path) { request throws(APIError) in response(file, to: request.http) }
        }
    }

    private func response(_ file: WebFile, to request: HTTPRequest) -> HTTPResponse {
        var response = HTTPResponse.file(file, to: request)
        try? response.headers.add("Content-Security-Policy", contentPolicy)
        try? response.headers.add("Referrer-Policy", "no-referrer")
        return response
    }
}

extension HTTPResponse {
    /// A file of the program. A client asks each time whether its copy still holds: after an update no module meets one
    /// of another version.
    static func file(_ file: WebFile, to request: HTTPRequest) -> HTTPResponse {
        let known = request.headers.list("If-None-Match")
        let isKnown = known.contains { $0 == "*" || $0 == file.entityTag || $0 == "W/" + file.entityTag }
        var response = HTTPResponse(isKnown ? .notModified : .ok, body: isKnown ? [] : file.body)
        let fields = [
            ("Content-Type", file.contentType), ("ETag", file.entityTag), ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        for (name, value) in fields { try? response.headers.add(name, value) }
        return response
    }
}
