package import Base
internal import Store
package import Wire

/// Whose reads run and whose wait: the pages of all that a client asks for at once would lie in memory together.
struct ReadTurns {
    private struct Turns {
        var running = 0
        var waiting: [() -> Void] = []
    }

    /// Reads of one session that run side by side.
    private static let runningMax = 4
    /// Reads of one session that wait; what it asks for beyond is refused.
    private static let waitingMax = 256

    /// Sessions that have asked, by handle.
    private var sessions: [UInt64: Turns] = [:]

    /// Whether a session may read now; else `read` is kept for its turn.
    ///
    /// - Throws: `overloaded` if too many wait already.
    mutating func begin(_ handle: UInt64, _ read: @escaping () -> Void) throws(EnvelopeError) -> Bool {
        var turns = sessions.removeValue(forKey: handle) ?? Turns()
        defer { sessions[handle] = turns }
        if turns.running < ReadTurns.runningMax {
            turns.running += 1
            return true
        }
        guard turns.waiting.count < ReadTurns.waitingMax else {
            throw EnvelopeError(.overloaded, "too many reads at once; wait for answers")
        }
        turns.waiting.append(read)
        return false
    }

    /// Ends a read; returns the one whose turn has come, which runs in its place.
    mutating func end(_ handle: UInt64) -> (() -> Void)? {
        guard var turns = sessions.removeValue(forKey: handle) else { return nil }
        if !turns.waiting.isEmpty {
            let next = turns.waiting.removeFirst()
            sessions[handle] = turns
            return next
        }
        turns.running -= 1
        if turns.running > 0 { sessions[handle] = turns }
        return nil
    }

    /// Forgets a session that has ended.
    mutating func forget(_ handle: UInt64) { sessions[handle] = nil }
}

extension Hub {
    /// Reads a page for a session when it is its turn. Neither is called once the session has ended.
    ///
    /// - Parameters:
    ///   - refused: called at once if too many of the session's reads wait.
    ///   - completion: called with the page.
    func readInTurn(
        _ query: ReadQuery, _ session: Session, refused: (EnvelopeError) -> Void,
        completion: @escaping (Result<Page, StoreError>) -> Void
    ) {
        let read: () -> Void = { [unowned self] in
            let ticket = pending.add(
                .init(page: { [unowned self] result in
                    guard session.state != .closed else { return }
                    completion(result)
                    if session.state != .closed { readTurns.end(session.handle)?() }
                }))
            store.read(query, mailbox: node, ticket: ticket)
        }
        do throws(EnvelopeError) {
            if try readTurns.begin(session.handle, read) { read() }
        } catch {
            refused(error)
        }
    }
}
