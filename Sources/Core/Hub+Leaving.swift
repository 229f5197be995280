// Clients that have ended their side and still wait for answers.

/// A session whose client says nothing more.
struct Leaving {
    /// It is owed no more once so many answers were given.
    var answers: UInt64
    let end: () -> Void
}

extension Hub {
    /// Ends a session whose client has ended its side, once everything that it asked is answered.
    ///
    /// - Parameter end: ends the connection; called at most once, and not if the session ends otherwise.
    /// - Returns: false if nothing is owed, and the session may end now.
    package func finish(_ session: Session, _ end: @escaping () -> Void) -> Bool {
        guard session.state != .closed else { return false }
        let asked = repliesAsked + UInt64(repliesInBatch)
        guard isOwed(session.handle, answers: asked) else { return false }
        leaving[session.handle] = Leaving(answers: asked, end: end)
        return true
    }

    private func isOwed(_ handle: UInt64, answers: UInt64) -> Bool {
        repliesGiven < answers || held[handle] != nil || readTurns.isReading(handle) || deferredAcks[handle] != nil
    }

    /// Ends those who have their answers; once a tick.
    func endAnswered() {
        guard !leaving.isEmpty else { return }
        for (handle, session) in leaving.sorted(by: { $0.key < $1.key })
        where !isOwed(handle, answers: session.answers) {
            leaving[handle] = nil
            session.end()
        }
    }
}
