internal import Base
internal import Reactor
internal import Wire

/// Who makes a call of the application's API: the one place where calls of users are signed in.
///
/// - Throws: `unauthorized` if the request has no token that is valid now.
func signedInUser(_ request: APIRequest, _ context: RouterContext) throws(APIError) -> Identifier {
    let now = Clock.realtimeMilliseconds
    guard let token = request.http.bearerToken, let user = context.authenticator.user(token: token, now: now) else {
        throw APIError(.unauthorized, "send a token as: Authorization: Bearer TOKEN")
    }
    return user
}
