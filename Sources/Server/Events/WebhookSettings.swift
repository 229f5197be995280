/// Where events are sent to.
package struct WebhookSettings: Sendable {
    /// `http://…` or `https://…`.
    package var url: String
    /// What bodies are signed with.
    package var secret: String
    /// Certificates that the receiver's is checked against, a PEM file; nil: those of the system.
    package var certificates: String?
    /// Seconds of failure after which no more is sent.
    package var patienceSeconds = 86_400

    package init(url: String, secret: String) {
        self.url = url
        self.secret = secret
    }

    /// Throws what is wrong, in words for the operator.
    func validate() throws(ConfigurationError) {
        let scheme = url.hasPrefix("https://") ? 8 : url.hasPrefix("http://") ? 7 : 0
        guard scheme > 0, url.utf8.count > scheme, url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ConfigurationError("--webhook-url must be an address like https://example.com/events")
        }
        guard secret.utf8.count >= 16 else {
            throw ConfigurationError("--webhook-secret must have at least 16 bytes: shorter ones can be guessed")
        }
        guard (1...31_536_000).contains(patienceSeconds) else {
            throw ConfigurationError("--webhook-patience must be 1 second to a year (31536000)")
        }
    }
}
