internal import Base
package import Core
package import Reactor
package import Tokens

/// Everything an operator can decide about a router. Checked by ``validate()`` before anything starts.
package struct Configuration: Sendable {
    /// HTTP and WebSocket.
    package var listen = SocketAddress(host: "127.0.0.1", port: 8080)
    /// The binary protocol over TCP.
    package var tcpListen = SocketAddress(host: "127.0.0.1", port: 8081)
    /// File (PEM) of the certificate chain and of its key; nil: no TLS.
    package var tlsCertificate: String?
    package var tlsKey: String?
    /// Directory of the embedded store; made if it isn't there.
    package var data = "./data"
    /// Event loops; 0: one for each core.
    package var loops = 0
    /// Whether each loop has a descriptor table of its own.
    package var descriptorTables = DescriptorTables.auto
    package var shardsPerLoop = 4
    package var usersPerShardMax = 100_000
    /// Who may read `/metrics` without the API key.
    package var metrics = MetricsAccess.key
    /// Secret of tokens by HS256, HS384 and HS512.
    package var jwtSecret: String?
    /// Files with a public key in PEM for tokens.
    package var jwtKeys: [String] = []
    /// A file with keys for tokens as a JWKS.
    package var jwtKeySet: String?
    /// What tokens must say besides the user.
    package var jwtRules = TokenVerifier.Rules()
    /// Key of the timeline service; nil: it is closed, unless in `dev`.
    package var apiKey: String?
    /// Secret of md5 sessions (`/chat/private`); nil: that sign-in is off.
    package var sessionSecret: String?
    /// Minutes before and after now whose md5 sessions are accepted.
    package var sessionWindowMinutes = 2
    /// For development: a user id is believed without a token, the timeline is open and `/echo` exists.
    package var dev = false
    /// Days after which inbox entries go even if a device didn't confirm them.
    package var retentionDays = 90
    /// Members up to which a group message is written to all their inboxes.
    package var inboxMembersMax = Limits.inboxMembersDefault
    /// Where clients upload media to; nil: nowhere.
    package var media: MediaStorage?

    /// Whether users may search their conversations.
    package var search = true
    /// Whether what happens is kept for the operator's own systems, without a webhook too.
    package var events = false
    /// Days for which events are kept.
    package var eventsDays = 7
    /// Where events are sent to; nil: nowhere.
    package var webhook: WebhookSettings?
    /// Whether events are kept.
    var recordsEvents: Bool { events || webhook != nil }

    /// Who may make an account.
    package var registration = Registration.open
    /// Days for which a login is good.
    package var loginDays = 30
    /// Whether cookies go over TLS only.
    package var secureCookies = false
    /// Whether clients come over TLS, to us or to a proxy.
    var cookiesNeedTLS: Bool { secureCookies || tlsCertificate != nil }
    /// Web origins besides our own whose pages may act by a user's cookie.
    package var origins: [String] = []
    /// What one address, and one user, may do.
    package var traffic = TrafficLimits()
    /// How much memory the process may take.
    package var memory = MemoryLimit.auto

    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    package var trustedProxies: [String] = []

    /// The longest time that a login may be good for.
    static let loginDaysMax = 365
    /// How far clocks may be apart at most.
    static let leewaySecondsMax = 3600
    /// By when, whatever `--login-days` was, every login of before now has ended by itself.
    static func loginsEnd(now: UInt64) -> UInt64 { now + UInt64(loginDaysMax + 1) * 86_400_000 }

    /// What becomes of a private message to somebody who is no contact.
    package var strangers = StrangerPolicy.deliver

    package init() {}

    /// Throws what is wrong, in words for the operator.
    package func validate() throws(ConfigurationError) {
        if dev, !listen.isLoopback || !tcpListen.isLoopback {
            throw ConfigurationError(
                "--dev believes every user id, so it needs loopback listeners: give --listen and --tcp-listen an "
                    + "address like 127.0.0.1:8080, or leave --dev out and set --jwt-secret")
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ConfigurationError("--tls-cert and --tls-key go together: the certificate's chain, and its key")
        }
        guard (0...256).contains(loops) else { throw ConfigurationError("--loops must be 0 (one a core) to 256") }
        guard (1...1024).contains(shardsPerLoop) else {
            throw ConfigurationError("--shards-per-loop must be 1 to 1024")
        }
        guard (1...100_000).contains(usersPerShardMax) else {
            throw ConfigurationError("--shard-limit must be 1 to 100000: larger maps slow their loop down")
        }
        guard (0...60).contains(sessionWindowMinutes) else {
            throw ConfigurationError("--session-window must be 0 to 60 minutes")
        }
        guard (1...36_500).contains(retentionDays) else {
            throw ConfigurationError("--retention must be at least 1 day")
        }
        guard (1...Configuration.loginDaysMax).contains(loginDays) else {
            throw ConfigurationError("--login-days must be 1 to \(Configuration.loginDaysMax)")
        }
        if let wrong = origins.first(where: { !Origins.isOrigin($0) }) {
            throw ConfigurationError(
                "--origins: “\(wrong)” is no web origin: give scheme and host, like https://chat.example")
        }
        guard (1...Limits.groupMembersMax).contains(inboxMembersMax) else {
            throw ConfigurationError("--inbox-members must be 1 to \(Limits.groupMembersMax)")
        }
        if let jwtSecret, jwtSecret.utf8.count < SigningAlgorithm.secretBytesMin {
            throw ConfigurationError("--jwt-secret must have at least 16 bytes: shorter ones can be guessed")
        }
        guard (0...Configuration.leewaySecondsMax).contains(jwtRules.leewaySeconds) else {
            throw ConfigurationError("--jwt-leeway must be 0 to \(Configuration.leewaySecondsMax) seconds")
        }
        if let sessionSecret, sessionSecret.isEmpty { throw ConfigurationError("--session-secret is empty") }
        guard (1...36_500).contains(eventsDays) else {
            throw ConfigurationError("--events-days must be at least 1 day")
        }
        try webhook?.validate()
        try traffic.validate()
        if let apiKey, apiKey.isEmpty { throw ConfigurationError("--api-key is empty") }
    }
}

/// Who may make an account. Whoever has the API key always may.
package enum Registration: String, Sendable, CaseIterable {
    /// Anyone, with an id that has no inbox yet, or that a token proves.
    case open
    /// The same, and anyone may take an id that has an inbox.
    case claim
    /// Nobody else.
    case closed
}

/// Who may read the metrics without the API key.
package enum MetricsAccess: String, Sendable, CaseIterable {
    /// Nobody.
    case key
    /// Programs on this machine that ask for themselves.
    case local
    /// Whoever reaches the listener.
    case open
}

/// What is wrong with a configuration, in words for the operator.
package struct ConfigurationError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
