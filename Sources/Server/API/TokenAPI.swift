internal import Base
internal import Core
internal import Reactor
internal import Store
internal import Tokens
internal import Wire

/// Tokens that are to be worth nothing before their time, for the operator's own systems.
struct TokenAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] { [.init(.post, "/api/tokens/revoke", revoke)] }

    private struct RevokeBody: Decodable {
        var user: LooseID?
        /// Seconds since the Unix epoch.
        var before: Double?
        var jti: String?
        /// The same.
        var exp: Double?
    }

    private func revoke(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        guard context.authenticator.allowsService(bearer: request.http.bearerToken) else {
            throw APIError(.unauthorized, "send the API key as: Authorization: Bearer KEY")
        }
        let body = try request.body(RevokeBody.self)
        guard !context.logins.areFull else {
            throw APIError(.overloaded, "so many tokens are revoked that no more can be kept in mind")
        }
        switch (body.user, body.jti) {
        case (let user?, nil) where body.exp == nil:
            return try await revokeAll(of: user.validated("user"), before: body.before, request)
        case (nil, let jti?) where body.before == nil: return try await revoke(jti, expires: body.exp, request)
        default: throw APIError(.badRequest, "give either user, with before or without, or jti and exp")
        }
    }

    /// All of a user's that were issued before a time; without one, until now.
    private func revokeAll(
        of user: Identifier, before: Double?, _ request: APIRequest
    ) async throws(APIError) -> HTTPResponse {
        let now = Clock.realtimeMilliseconds
        // `iat` is in whole seconds: what was issued in this one is revoked too.
        let next = now / 1000 + 1
        // The clock of who signs may be ahead; a later time would keep the user out for long.
        let last = next + UInt64(context.configuration.jwtRules.leewaySeconds)
        let time = before?.rounded(.up) ?? Double(next)
        guard time >= 0 else { throw APIError(.badRequest, "before must be seconds since 1970") }
        let limit = UInt64(min(time, Double(last)))
        let command = AccountCommand.revoke(user, before: limit, expires: Configuration.loginsEnd(now: now))
        try await context.carryOut(command, on: request.node, now: now)
        await context.endSessions(of: user) { mark, span in
            mark != .none && (mark.hasAccount || span.issued < limit)
        }
        var output = OutputBuffer()
        output.append(#"{"user":"#)
        output.appendJSONString(user)
        output.append(#","before":"#)
        output.append(decimal: limit)
        output.append("}")
        return .json(output)
    }

    /// All with a `jti`, which are over by themselves at `exp`.
    private func revoke(
        _ jti: String, expires: Double?, _ request: APIRequest
    ) async throws(APIError) -> HTTPResponse {
        guard TokenClaims.idBytes.contains(jti.utf8.count) else {
            throw APIError(.badRequest, "jti must have 1 to 1024 bytes")
        }
        guard let expires, (0...TokenClaims.timeMax).contains(expires) else {
            throw APIError(.badRequest, "exp must be the token's, in seconds since 1970")
        }
        let now = Clock.realtimeMilliseconds
        // Until the leeway is over too, and that of an operator who makes it longer tomorrow.
        let end = UInt64(expires.rounded(.up)) * 1000 + UInt64(Configuration.leewaySecondsMax) * 1000
        if end > now {
            let id = TokenVerifier.id(ofTokenNamed: jti)
            let command = AccountCommand.end(login: id, of: nil, expires: end, time: now)
            try await context.carryOut(command, on: request.node, now: now)
            let mark = LoginMark(id: id, hasAccount: false)
            await context.endSessions { $0 == mark }
        }
        var output = OutputBuffer()
        output.append(#"{"jti":"#)
        output.appendJSONString(jti)
        output.append("}")
        return .json(output)
    }
}
