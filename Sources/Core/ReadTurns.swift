internal import Base
internal import Store
internal import Wire

/// Whose reads run and whose wait. A session has one at a time: answers then come in the order of the questions, and
/// the pages of all that a client asks for at once don't lie in memory together.
struct ReadTurns {
    private struct Turns {
        var isRunning = true
        var waiting: [() -> Void] = []
    }

    /// Reads of one session that wait; what it asks for beyond is refused.
    private static let waitingMax = 256

    /// Sessions that have asked, by handle.
    private var sessions: [UInt64: Turns] = [:]

    /// Whether a session may read now; else `read` is kept for its turn.
    ///
    /// - Throws: `overloaded` if too many wait already.
    mutating func begin(_ handle: UInt64, _ read: @escaping () -> Void) throws(EnvelopeError) -> Bool {
        guard var turns = sessions.removeValue(forKey: handle) else {
            sessions[handle] = Turns()
            return true
        }
        defer { sessions[handle] = turns }
        guard turns.waiting.count < ReadTurns.waitingMax else {
            throw EnvelopeError(.overloaded, "too many reads at once; wait for answers")
        }
        turns.waiting.append(read)
        return false
    }

    /// Ends a read. The next one waits for ``next(_:)``.
    mutating func end(_ handle: UInt64) {
        guard var turns = sessions.removeValue(forKey: handle) else { return }
        turns.isRunning = false
        if !turns.waiting.isEmpty { sessions[handle] = turns }
    }

    /// The read whose turn it is, which the caller starts; nil if one runs or none waits.
    mutating func next(_ handle: UInt64) -> (() -> Void)? {
        guard var turns = sessions.removeValue(forKey: handle) else { return nil }
        defer { sessions[handle] = turns }
        guard !turns.isRunning else { return nil }
        turns.isRunning = true
        return turns.waiting.removeFirst()
    }

    /// Whether a read of this session runs or waits.
    func isReading(_ handle: UInt64) -> Bool { sessions[handle].map { $0.isRunning || !$0.waiting.isEmpty } ?? false }

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
                    readTurns.end(session.handle)
                    readNext(session)
                }))
            store.read(query, mailbox: node, ticket: ticket)
        }
        do throws(EnvelopeError) {
            if try readTurns.begin(session.handle, read) { read() }
        } catch {
            refused(error)
        }
    }

    /// Starts the session's next read, once its peer takes what was answered.
    func readNext(_ session: Session) {
        guard session.state != .closed else { return }
        if session.outlet.pendingBytes > Limits.unreadAnswersMax { session.outlet.flushNow() }
        guard session.state != .closed, session.outlet.pendingBytes <= Limits.unreadAnswersMax else { return }
        readTurns.next(session.handle)?()
    }
}
