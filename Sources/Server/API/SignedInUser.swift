internal import Base
internal import Reactor
internal import Wire

/// Who makes a call of the application's API: the one place where calls of users are signed in.
///
/// - Throws: `unauthorized` if the request has no token that is valid now, and `forbidden` if a page of another origin
///   tries to act by the cookie.
func signedInUser(_ request: APIRequest, _ context: RouterContext) throws(APIError) -> Identifier {
    try signedInCredential(request, context).user
}

/// The same, with the login that the request is believed by.
func signedInCredential(_ request: APIRequest, _ context: RouterContext) throws(APIError) -> Credential {
    let now = Clock.realtimeMilliseconds
    let token: String
    if let bearer = request.http.bearerToken {
        token = bearer
    } else if let cookie = request.http.cookie(SessionCookie.name) {
        try requireOwnPage(request.http, context)
        token = cookie
    } else {
        throw APIError(.unauthorized, "log in, or send a token as: Authorization: Bearer TOKEN")
    }
    let monotonic = Clock.monotonicNanoseconds / 1_000_000
    guard let credential = context.authenticator.credential(token, now: now) else {
        let wait = context.traffic.refusedToken(request.http, peer: request.peer, now: monotonic)
        if let wait { throw .tooMany("too many refused tokens from this address", retryAfter: wait) }
        throw APIError(.unauthorized, "the token is wrong or out of date")
    }
    let wait = context.traffic.request(of: credential.user, bytes: request.http.body.count, now: monotonic)
    if let wait { throw .tooMany("too many requests of this user", retryAfter: wait) }
    return credential
}

/// A browser sends the cookie along for every page that asks: it counts for pages of ours only, and what changes
/// something must be JSON, which no form can send.
private func requireOwnPage(_ request: HTTPRequest, _ context: RouterContext) throws(APIError) {
    guard context.origins.allow(request) else {
        throw APIError(.forbidden, "a page of another origin can't act by the cookie: send a token, or see --origins")
    }
    if request.method == .get || request.method == .head { return }
    let type = request.headers.first("Content-Type")?.split(separator: ";").first ?? ""
    guard type.lowercased().filter({ $0 != " " }) == "application/json" else {
        throw APIError(
            .badRequest, "with the cookie this call needs Content-Type: application/json",
            status: .unsupportedMediaType)
    }
}
