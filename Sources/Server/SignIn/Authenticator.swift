internal import Base
internal import Tokens
internal import Wire

/// Who may sign in as whom. Any thread may ask.
struct Authenticator: Sendable {
    private let webTokens: WebTokens
    private let logins: Logins
    private let sessionSecret: String?
    private let sessionWindowMinutes: Int
    private let apiKey: [UInt8]?
    /// Believes ids; see ``Configuration/dev``.
    private let isDev: Bool

    init(_ configuration: Configuration, _ logins: Logins) throws(ConfigurationError) {
        webTokens = try WebTokens(configuration)
        self.logins = logins
        sessionSecret = configuration.sessionSecret
        sessionWindowMinutes = configuration.sessionWindowMinutes
        apiKey = configuration.apiKey.map { Array($0.utf8) }
        isDev = configuration.dev
    }

    /// Reads the keys of tokens again. If something is wrong with them, nothing changes.
    func reload() throws(ConfigurationError) { try webTokens.reload() }

    /// Who a token speaks for. In development a plain user id is a token too.
    func credential(_ token: String, now: UInt64) -> Credential? {
        let believed: Credential?
        if LoginTokens.looksLikeToken(token) {
            believed = logins.tokens.verify(token, now: now)
        } else if TokenVerifier.looksLikeToken(token) {
            believed = webTokens.verify(token, now: now)
        } else {
            return isDev ? Identifier(token).map { Credential(user: $0) } : nil
        }
        return believed.flatMap { logins.isEnded($0) ? nil : $0 }
    }

    /// The same for a client that says who it is. In development no token is needed, but one that is given must be
    /// right.
    func credential(of user: Identifier, token: String?, now: UInt64) -> Credential? {
        guard let token, !token.isEmpty else { return isDev ? Credential(user: user) : nil }
        if LoginTokens.looksLikeToken(token) || TokenVerifier.looksLikeToken(token) {
            return credential(token, now: now).flatMap { $0.user == user ? $0 : nil }
        }
        return isDev ? Credential(user: user) : nil
    }

    /// Whether `session` is md5(secret + user + yymmddhhmm) in lower-case hex for a minute of the accepted window.
    func allows(_ user: Identifier, session: String, now: UInt64) -> Bool {
        guard let sessionSecret else { return false }
        let given = Array(session.utf8)
        let minute = now / 60_000
        var isValid = false
        for offset in -sessionWindowMinutes...sessionWindowMinutes {
            let stamp = UTCMinute(minutes: Int(minute) + offset).stamp
            let digest = Digests.md5(Array((sessionSecret + user.description + stamp).utf8))
            // No early way out: the time tells nothing of which minute fits.
            if Digests.areEqual(given, Array(Digests.hexadecimal(digest).utf8)) { isValid = true }
        }
        return isValid
    }

    /// Whether a server-to-server call carries the API key. In development none is needed.
    func allowsService(bearer: String?) -> Bool { isDev || isOperator(bearer: bearer) }

    /// Whether it is the API key, in development too.
    func isOperator(bearer: String?) -> Bool {
        guard let apiKey, let bearer else { return false }
        return Digests.areEqual(apiKey, Array(bearer.utf8))
    }
}

/// A minute of the UTC calendar.
struct UTCMinute {
    /// Since the Unix epoch.
    let minutes: Int

    /// `yymmddhhmm`.
    var stamp: String {
        let (year, month, day) = UTCMinute.civil(days: minutes / 1440)
        let inDay = minutes % 1440
        return [year % 100, month, day, inDay / 60, inDay % 60]
            .map { $0 < 10 ? "0\($0)" : "\($0)" }.joined()
    }

    /// Gregorian date of a day since the Unix epoch, by counting whole 400-year eras from 1 March of year 0.
    static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
