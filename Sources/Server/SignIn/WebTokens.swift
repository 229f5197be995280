internal import Base
internal import Reactor
internal import Synchronization
internal import Tokens

/// The JWTs that are believed, by keys that the operator may change while the router runs. *Thread:* any; the lock is
/// held for a copy of two words.
final class WebTokens: Sendable {
    private let configuration: Configuration
    private let verifier: Mutex<TokenVerifier?>

    init(_ configuration: Configuration) throws(ConfigurationError) {
        self.configuration = configuration
        verifier = Mutex(try configuration.tokenVerifier())
    }

    /// Reads the files of the keys again. If one of them is wrong, nothing changes.
    func reload() throws(ConfigurationError) {
        let fresh = try configuration.tokenVerifier()
        verifier.withLock { $0 = fresh }
    }

    /// Who a token speaks for; nil if it isn't believed.
    func verify(_ token: String, now: UInt64) -> Credential? {
        guard let verified = verifier.withLock({ $0 })?.verify(token, now: now) else { return nil }
        let login = Login(id: verified.id, generation: nil, expires: verified.expires, issued: verified.issued)
        return Credential(user: verified.user, login: login)
    }
}

extension Configuration {
    /// Whether keys come from files, which may be read again.
    var hasKeyFiles: Bool { !jwtKeys.isEmpty || jwtKeySet != nil }

    /// nil: no tokens are believed.
    fileprivate func tokenVerifier() throws(ConfigurationError) -> TokenVerifier? {
        var keys: [VerificationKey] = []
        if let jwtSecret {
            keys.append(try checked("--jwt-secret") { () throws(TokenKeyError) in
                try VerificationKey(secret: Array(jwtSecret.utf8))
            })
        }
        for path in jwtKeys {
            let text = try KeyFile.read(path, "--jwt-key")
            keys.append(try checked("--jwt-key \(path)") { () throws(TokenKeyError) in
                try VerificationKey(pem: text)
            })
        }
        if let path = jwtKeySet {
            let text = try KeyFile.read(path, "--jwt-jwks")
            keys += try checked("--jwt-jwks \(path)") { () throws(TokenKeyError) in try JSONWebKeySet.keys(text) }
        }
        return keys.isEmpty ? nil : TokenVerifier(keys: keys, rules: jwtRules)
    }

    private func checked<Value>(
        _ option: String, _ body: () throws(TokenKeyError) -> Value
    ) throws(ConfigurationError) -> Value {
        do throws(TokenKeyError) {
            return try body()
        } catch {
            throw ConfigurationError("\(option): \(error)")
        }
    }
}

/// A file that holds keys.
package enum KeyFile {
    private static let bytesMax = 1 << 20

    /// Its bytes.
    ///
    /// - Parameter option: what named the file.
    package static func read(_ path: String, _ option: String) throws(ConfigurationError) -> [UInt8] {
        do throws(Errno) {
            return try SmallFile.read(path, bytesMax: bytesMax)
        } catch {
            throw ConfigurationError("\(option): can't read \(path): \(error)")
        }
    }
}
