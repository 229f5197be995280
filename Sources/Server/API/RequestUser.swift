internal import Base
internal import Reactor
internal import Wire

extension APIRequest {
    /// Whose request this is: bearer token; in development the user's plain id.
    func user(_ context: RouterContext) throws(APIError) -> Identifier {
        let now = Clock.realtimeMilliseconds
        guard let token = http.bearerToken, let user = context.authenticator.user(token: token, now: now) else {
            throw APIError(.unauthorized, "send a token as: Authorization: Bearer TOKEN")
        }
        return user
    }
}
