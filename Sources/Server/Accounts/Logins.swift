internal import Base
internal import Core
internal import Store
internal import Synchronization

/// The logins of this router: the key that they are signed with, and which of them were ended before their time.
/// *Thread:* any; the lock is taken when someone signs in, and for each call of the API.
final class Logins: Sendable {
    let tokens: LoginTokens

    private struct Generation {
        var current: UInt32
        /// The login that changed the password, which goes on.
        var kept: UInt64
        var expires: UInt64
    }

    private struct Ended {
        /// Logins by id, and when they would have ended by themselves.
        var logins: [UInt64: UInt64] = [:]
        var generations: [Identifier: Generation] = [:]
        /// Before which second what no account stands behind isn't believed any more.
        var issuedBefore: [Identifier: UInt64] = [:]
        /// Entries at which those are forgotten that nobody would believe any more.
        var sweepAt = Ended.sweepMin

        static let sweepMin = 1024
        var count: Int { logins.count + generations.count + issuedBefore.count }
    }

    private let ended = Mutex(Ended())

    /// - Parameter state: what the store knew when it was opened.
    init(_ state: LoginState) {
        tokens = LoginTokens(key: state.key)
        for end in state.ends { self.end(end, now: 0) }
    }

    /// The token of a new login of an account.
    func make(_ user: Identifier, generation: UInt32, expires: UInt64) -> String {
        // 0 is the id of none.
        tokens.mint(user, Login(id: UInt64.random(in: 1 ... .max), generation: generation, expires: expires))
    }

    /// Whether a credential, which was right once, was ended.
    func isEnded(_ credential: Credential) -> Bool {
        guard let login = credential.login else { return false }
        return ended.withLock { ended in
            if ended.logins[login.id] != nil { return true }
            guard let generation = login.generation else {
                return ended.issuedBefore[credential.user].map { login.issued < $0 } ?? false
            }
            guard let known = ended.generations[credential.user] else { return false }
            return generation < known.current && login.id != known.kept
        }
    }

    /// Whether there are so many ends that the operator may add no more: each takes memory until it is forgotten.
    var areFull: Bool { ended.withLock { $0.count >= Logins.endsMax } }

    private static let endsMax = 1_000_000

    /// Takes note of what the store has made durable.
    ///
    /// - Parameter now: milliseconds since the Unix epoch; what ended by itself before is forgotten now and then.
    func end(_ end: LoginEnd, now: UInt64) {
        ended.withLock { ended in
            switch end {
            case .login(let id, let expires): ended.logins[id] = expires
            case .older(let user, let generation, let kept, let expires):
                ended.generations[user] = Generation(current: generation, kept: kept, expires: expires)
            case .issued(let user, let before): ended.issuedBefore[user] = before
            }
            guard ended.count >= ended.sweepAt else { return }
            ended.logins = ended.logins.filter { $0.value > now }
            ended.generations = ended.generations.filter { $0.value.expires > now }
            ended.sweepAt = max(Ended.sweepMin, ended.count * 2)
        }
    }
}

extension LoginMark {
    init(_ login: Login?) {
        guard let login else { self = .none; return }
        self.init(id: login.id, hasAccount: login.generation != nil)
    }
}

extension LoginSpan {
    init(_ login: Login?) { self.init(issued: login?.issued ?? 0, expires: login?.expires) }
}
