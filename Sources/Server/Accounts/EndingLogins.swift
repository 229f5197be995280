internal import Base
internal import Core
internal import Reactor
internal import Store

// Logins end durably first, then for every sign-in, then for the sessions that they began. A session that begins
// meanwhile looks after the second step, so that none is missed.
extension RouterContext {
    /// Ends logins for good: what the store has made durable is in force before this returns.
    func carryOut(_ command: AccountCommand, on node: NodeHandle, now: UInt64) async throws(APIError) {
        guard case .account(.ended(let ends)) = try await node.perform(.account(command)) else {
            preconditionFailure("the end of a login is answered by it")
        }
        for end in ends { logins.end(end, now: now) }
    }

    /// Ends a user's sessions by certain logins.
    func endSessions(
        of user: Identifier, where isMeant: @escaping @Sendable (LoginMark, LoginSpan) -> Bool
    ) async {
        await home(of: user).run { node in
            node.end(node.hub.sessions(of: user, where: isMeant))
        }
    }

    /// Ends everyone's sessions by certain logins, piece by piece.
    func endSessions(where isMeant: @escaping @Sendable (LoginMark) -> Bool) async {
        for node in nodes {
            var next: Int? = 0
            while let start = next {
                next = await node.run { node in
                    let (sessions, next) = node.hub.sessions(from: start, where: isMeant)
                    node.end(sessions)
                    return next
                }
            }
        }
    }
}

extension LoopNode {
    fileprivate func end(_ sessions: [Session]) {
        for session in sessions {
            ((session.outlet as? Channel)?.delegate as? any ClientConnection)?.refuse(.loggedOut)
        }
    }
}
