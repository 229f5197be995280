internal import Base
internal import Core
internal import Reactor
internal import Store
internal import Wire

/// Accounts: making one, logging in and out, changing the password, finding others (contract, section 5).
struct AccountAPI: Sendable {
    let context: RouterContext

    /// Users that a search finds at most.
    private static let foundMax = 20
    private static let dayMilliseconds: UInt64 = 86_400_000

    var routes: [APIRouter.Route] {
        [
            .init(.post, "/api/register", register),
            .init(.post, "/api/login", login),
            .init(.post, "/api/logout", logout),
            .init(.post, "/api/password", changePassword),
            .init(.get, "/api/me", me),
            .init(.get, "/api/users", search),
        ]
    }

    // MARK: Registering

    private struct RegisterBody: Decodable {
        var email: String
        var name: String
        var password: String
        var id: LooseID?
    }

    private func register(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        try requireOwnPage(request)
        let isOperator = context.authenticator.isOperator(bearer: request.http.bearerToken)
        guard isOperator || context.configuration.registration != .closed else {
            throw APIError(.forbidden, "the operator of this server makes the accounts")
        }
        let body = try request.body(RegisterBody.self)
        let email = try AccountRules.email(body.email)
        let name = try AccountRules.name(body.name)
        let password = try AccountRules.newPassword(body.password)
        let id = try body.id?.validated("id")
        if !isOperator, let wait = context.throttle.registration(from: address(request), now: milliseconds) {
            throw tooMany(wait)
        }
        let takesInbox =
            isOperator || context.configuration.registration == .claim
            || (id != nil && (try? signedInUser(request, context)) == id)
        // What fails later anyway needn't cost a hash. This also waits for what was stored before to be seen.
        if let id, !takesInbox, try await isTaken(id, request) {
            throw APIError(.conflict, "this id is taken, or has messages already")
        }
        guard try await secret(.email(email), request) == nil else {
            throw APIError(.conflict, "there is an account with this e-mail address")
        }
        let account = Account(id: id ?? AccountRules.randomID(), name: name, email: email)
        let hash = try await work { PasswordHash(of: password).text }
        let command = AccountCommand.create(
            account, password: hash, takesInbox: takesInbox, time: Clock.realtimeMilliseconds)
        guard case .account(.created(let generation)) = try await request.node.perform(.account(command)) else {
            preconditionFailure("a new account is answered by its generation")
        }
        return loggedIn(account, generation: generation, status: .created)
    }

    // MARK: Logging in and out

    private struct LoginBody: Decodable {
        var email: String?
        var id: LooseID?
        var password: String
    }

    private func login(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        try requireOwnPage(request)
        let body = try request.body(LoginBody.self)
        let password = try AccountRules.password(body.password)
        let name: AccountName
        switch (body.email, body.id) {
        case (let email?, nil): name = .email(try AccountRules.email(email))
        case (nil, let id?): name = .id(try id.validated("id"))
        default: throw APIError(.badRequest, "give either email or id")
        }
        guard let secret = try await checked(name, password, request) else {
            throw APIError(.unauthorized, "no such account, or another password")
        }
        if try passwordHash(secret).isOutdated { await rehash(secret, password, request) }
        return loggedIn(secret.account, generation: secret.generation, status: .ok)
    }

    /// The account if this is its password. Unknown accounts take as long, and count as much.
    private func checked(
        _ name: AccountName, _ password: String, _ request: APIRequest
    ) async throws(APIError) -> AccountSecret? {
        let secret = try await secret(name, request)
        let account = secret.map { "id " + $0.account.id.description } ?? name.typed
        let address = address(request)
        if let wait = context.throttle.attempt(at: account, from: address, now: milliseconds) { throw tooMany(wait) }
        let hash = try secret.map(passwordHash) ?? .ofNobody
        let isRight: Bool
        do throws(APIError) {
            isRight = try await work { hash.matches(password) }
        } catch {
            context.throttle.giveBack(at: account, from: address)
            throw error
        }
        guard isRight, let secret else { return nil }
        context.throttle.giveBack(at: account, from: address)
        return secret
    }

    /// Brings a hash up to date. If that fails now, the next login tries again.
    private func rehash(_ secret: AccountSecret, _ password: String, _ request: APIRequest) async {
        guard let hash = try? await work({ PasswordHash(of: password).text }) else { return }
        let command = AccountCommand.rehash(secret.account.id, old: secret.password, new: hash)
        _ = try? await request.node.perform(.account(command))
    }

    private func logout(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let cookie = request.http.cookie(SessionCookie.name)
        let isByCookie = cookie != nil && (request.http.bearerToken ?? cookie) == cookie
        var response: HTTPResponse
        do throws(APIError) {
            try await end(try signedInCredential(request, context), request)
            response = .emptyObject
        } catch {
            // A browser can't take back a cookie that is worth nothing any more; this can.
            guard error.code == .unauthorized else { throw error }
            response = .failure(error)
        }
        if isByCookie { add(SessionCookie.clear(isSecure: context.configuration.cookiesNeedTLS), to: &response) }
        return response
    }

    private func end(_ credential: Credential, _ request: APIRequest) async throws(APIError) {
        // Who was believed without a login has none that could end.
        guard let login = credential.login else { return }
        let now = Clock.realtimeMilliseconds
        let command = AccountCommand.end(
            login: login.id, of: credential.user, expires: login.expires ?? UInt64(Int64.max), time: now)
        try await context.carryOut(command, on: request.node, now: now)
        let mark = LoginMark(login)
        await context.endSessions(of: credential.user) { other, _ in other == mark }
    }

    // MARK: The password

    private struct PasswordBody: Decodable {
        var old: String
        var new: String
    }

    private func changePassword(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let credential = try signedInCredential(request, context)
        let body = try request.body(PasswordBody.self)
        let old = try AccountRules.password(body.old), new = try AccountRules.newPassword(body.new)
        guard try await secret(.id(credential.user), request) != nil else {
            throw APIError(.notFound, "you have no account here, and so no password")
        }
        guard let secret = try await checked(.id(credential.user), old, request) else {
            throw APIError(.forbidden, "the old password is wrong")
        }
        let hash = try await work { PasswordHash(of: new).text }
        let now = Clock.realtimeMilliseconds
        let own = credential.login.flatMap { $0.generation == nil ? nil : $0 }
        let command = AccountCommand.setPassword(
            credential.user, old: secret.password, new: hash, keeping: own?.id ?? 0,
            expires: Configuration.loginsEnd(now: now))
        try await context.carryOut(command, on: request.node, now: now)
        let mark = LoginMark(own)
        await context.endSessions(of: credential.user) { other, _ in other.hasAccount && other != mark }
        return .emptyObject
    }

    // MARK: Looking

    private func me(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        var output = OutputBuffer()
        if let account = try await secret(.id(user), request)?.account {
            output.append(Profile(account))
        } else {
            output.append(Profile(id: user, name: user.description, email: nil))
        }
        return .json(output)
    }

    private func search(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        let text = try TextField.userSearch.validated(request.http.query("q") ?? "")
        let question = AccountQuestion.search(text, viewer: user, limit: AccountAPI.foundMax)
        guard case .account(.profiles(let profiles)) = try await request.node.ask(.account(question)) else {
            preconditionFailure("a search is answered by profiles")
        }
        var output = OutputBuffer()
        output.append("[")
        for (index, profile) in profiles.enumerated() {
            if index > 0 { output.append(",") }
            output.append(profile)
        }
        output.append("]")
        return .json(output)
    }
}

// MARK: - Parts

extension AccountAPI {
    /// A page of another origin could otherwise log its visitors in as someone else.
    private func requireOwnPage(_ request: APIRequest) throws(APIError) {
        guard context.origins.allow(request.http) else {
            throw APIError(.forbidden, "a page of another origin can't do this: see --origins")
        }
    }

    private func address(_ request: APIRequest) -> String {
        context.addresses.key(of: request.http, peer: request.peer)
    }

    private var milliseconds: UInt64 { Clock.monotonicNanoseconds / 1_000_000 }

    private func tooMany(_ wait: UInt64) -> APIError { .tooMany("too many attempts", retryAfter: wait) }

    /// Does what takes long on a thread for it.
    private func work<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws(APIError) -> Value {
        guard let value = await context.passwords.run(body) else {
            var error = APIError(.overloaded, "too many people log in at once: try again in a moment")
            error.retryAfter = 2_000
            throw error
        }
        return value
    }

    private func passwordHash(_ secret: AccountSecret) throws(APIError) -> PasswordHash {
        guard let hash = PasswordHash(text: secret.password) else {
            throw APIError(.internal, "this account's password can't be read")
        }
        return hash
    }

    private func secret(_ name: AccountName, _ request: APIRequest) async throws(APIError) -> AccountSecret? {
        do throws(APIError) {
            guard case .account(.secret(let secret)) = try await request.node.ask(.account(.find(name))) else {
                preconditionFailure("an account is answered by its secret")
            }
            return secret
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    private func isTaken(_ id: Identifier, _ request: APIRequest) async throws(APIError) -> Bool {
        guard case .account(.flag(let isTaken)) = try await request.node.ask(.account(.isTaken(id))) else {
            preconditionFailure("a yes or no is answered by a flag")
        }
        return isTaken
    }

    /// `{"user","token","expires"}` and the cookie, for a new login.
    private func loggedIn(_ account: Account, generation: UInt32, status: HTTPStatus) -> HTTPResponse {
        let lifetime = UInt64(context.configuration.loginDays) * AccountAPI.dayMilliseconds
        let expires = Clock.realtimeMilliseconds + lifetime
        let token = context.logins.make(account.id, generation: generation, expires: expires)
        var output = OutputBuffer()
        output.append(#"{"user":"#)
        output.append(Profile(account))
        output.append(#","token":"#)
        output.appendJSONString(token)
        output.append(#","expires":"#)
        output.append(decimal: expires)
        output.append("}")
        var response = HTTPResponse.json(output, status: status)
        let cookie = SessionCookie.set(
            token, seconds: lifetime / 1000, isSecure: context.configuration.cookiesNeedTLS)
        add(cookie, to: &response)
        try? response.headers.add("Cache-Control", "no-store")
        return response
    }

    private func add(_ cookie: String, to response: inout HTTPResponse) {
        try? response.headers.add("Set-Cookie", cookie)
    }
}

extension Profile {
    fileprivate init(_ account: Account) { self.init(id: account.id, name: account.name, email: account.email) }
}

extension AccountName {
    /// What failures of an account that isn't there are counted by; can be no `id …` of one that is.
    fileprivate var typed: String {
        switch self {
        case .id(let id): "unknown " + id.description
        case .email(let email): "unknown " + email.lowercased()
        }
    }
}

extension OutputBuffer {
    /// Appends `{"id","name","email"}`, without an address that isn't to be seen.
    fileprivate mutating func append(_ profile: Profile) {
        append(#"{"id":"#)
        appendJSONString(profile.id)
        append(#","name":"#)
        appendJSONString(profile.name)
        if let email = profile.email {
            append(#","email":"#)
            appendJSONString(email)
        }
        append("}")
    }
}
