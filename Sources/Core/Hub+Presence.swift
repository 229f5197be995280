package import Base
package import Store
internal import Wire

// Who is online: asked for, and told to those who watch. A user's home loop decides; loops with watchers are registered
// there, and know their own sessions' watches.
extension Hub {
    // MARK: Asking

    /// Answers how users stand; the store is asked only about those whom no loop has seen lately.
    func status(of asked: [Identifier], _ session: Session, reference: [UInt8]) {
        withLastSeen(asked) { [unowned self] result in
            guard session.state != .closed else { return }
            switch result {
            case .success(let times):
                // As things stand now: what has changed since the question was told already.
                var written: Set<Identifier> = []
                let states = asked.filter { written.insert($0).inserted }.map { state(of: $0, times) }
                writeStatus(states, to: session, reference: reference)
                if isResuming { watches.told(states, to: session.handle) }
            case .failure(let error):
                let refusal = EnvelopeError(store: error)
                writeError(refusal, cid: RawSpan(), reference: reference.span.bytes, to: session)
            }
        }
    }

    /// How a user stands, on behalf of an HTTP request; `completion` runs on this loop.
    package func status(
        of user: Identifier, completion: @escaping (Result<PresenceChange, StoreError>) -> Void
    ) {
        withLastSeen([user]) { [unowned self] result in completion(result.map { state(of: user, $0) }) }
    }

    /// Calls `body` with the times that only the store knows, at once if there are none.
    private func withLastSeen(
        _ asked: [Identifier], _ body: @escaping (Result<[Identifier: UInt64], StoreError>) -> Void
    ) {
        let unknown = asked.filter { presence.presence(of: $0) == nil }
        guard !unknown.isEmpty else { return body(.success([:])) }
        ask(.lastSeen(unknown)) { result in
            body(
                result.map { answer in
                    guard case .lastSeen(let times) = answer else { preconditionFailure("times are answered by times") }
                    return times
                })
        }
    }

    /// How a user stands: as the watchers here were told, so that nobody hears two things; `lastSeen` is now for one
    /// who is online, and 0 for never.
    private func state(of user: Identifier, _ times: [Identifier: UInt64]) -> PresenceChange {
        var state = watches.state(of: user) ?? presence.state(of: user, now: milliseconds)
        let seen = times[user] ?? 0
        if isResuming, seen >= resume.from { state.isOnline = true }
        state.lastSeen = state.isOnline ? milliseconds : max(state.lastSeen, seen)
        return state
    }

    private func writeStatus(_ states: [PresenceChange], to session: Session, reference: [UInt8] = []) {
        scratch.removeAll()
        scratch.append(#"{"cmd":"status","users":{"#)
        for (index, state) in states.enumerated() {
            if index > 0 { scratch.append(UInt8(ascii: ",")) }
            scratch.appendJSONString(state.user)
            scratch.append(UInt8(ascii: ":"))
            scratch.appendStatus(state)
        }
        scratch.append(UInt8(ascii: "}"))
        scratch.appendReference(reference.span.bytes)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    // MARK: Watching

    /// Adds watches of a session and answers how those users stand; refuses all of them if they are too many.
    func watch(_ users: [Identifier], _ session: Session, reference: [UInt8]) throws(EnvelopeError) {
        let news = watches.news(Set(users), for: session.handle)
        guard watches.count(of: session.handle) + news <= Limits.watchedUsersMax else {
            throw EnvelopeError(.tooLarge, "a session may watch at most 1,000 users")
        }
        guard watches.count + news <= Limits.watchesPerLoopMax else {
            throw EnvelopeError(.overloaded, "too many users are watched here; try again later")
        }
        for user in users where watches.add(presence.state(of: user, now: milliseconds), for: session.handle) {
            bus.send(.interest(.watch(user, by: node)), to: topology.node(of: user))
        }
        status(of: users, session, reference: reference)
    }

    /// Ends watches of a session: of these users, or all.
    func unwatch(_ users: [Identifier]?, _ session: Session, reference: [UInt8]) {
        if let users {
            for user in users where watches.remove(user, for: session.handle) { tellUnwatched(user) }
        } else {
            endWatches(of: session)
        }
        writeOK(reference: reference.span.bytes, to: session)
    }

    func endWatches(of session: Session) {
        guard !watches.isEmpty else { return }
        for user in watches.removeAll(for: session.handle) { tellUnwatched(user) }
    }

    private func tellUnwatched(_ user: Identifier) {
        bus.send(.interest(.unwatch(user, by: node)), to: topology.node(of: user))
    }

    // MARK: Home

    /// Takes what another loop (or this one) told for good.
    func handle(_ interest: Interest) {
        switch interest {
        case .watch(let user, let by):
            if isResuming, users.find(user) == nil, presence.presence(of: user) == nil {
                return watchResuming(user, by: by)
            }
            var left: UInt64?
            if case .left(let since) = presence.presence(of: user) { left = since }
            let state = watched.add(
                user, for: by, hasSession: users.find(user) != nil, left: left, now: milliseconds)
            bus.send(.interest(.presence(state)), to: by)
        case .unwatch(let user, let by): watched.remove(user, for: by)
        case .presence(let change): watches.take(change)
        }
    }

    // MARK: After a start

    /// Whether clients that lost their connections by a restart may still be on their way back.
    private var isResuming: Bool { milliseconds < resume.until }

    /// Counts users who were online when the process before this one was stopped as online for a while, unless that is
    /// long ago.
    package func beginResuming(at now: UInt64, stopped: UInt64) {
        guard stopped <= now, now - stopped < Limits.restartMilliseconds else { return }
        resume = (from: stopped, until: now + Limits.resumeMilliseconds)
    }

    /// Registers a watch of a user of whom this process knows nothing yet.
    private func watchResuming(_ user: Identifier, by watcher: MailboxIndex) {
        let state = watched.add(user, for: watcher, hasSession: false, left: nil, now: milliseconds)
        ask(.lastSeen([user])) { [unowned self] result in
            var told = state
            if case .success(.lastSeen(let times)) = result, let seen = times[user], seen >= resume.from, isResuming {
                told = watched.resume(user, since: seen, until: resume.until, now: milliseconds)
            } else if watched.isWatched(user), users.find(user) != nil {
                told.isOnline = true
            }
            bus.send(.interest(.presence(told)), to: watcher)
        }
    }

    /// The user's first session has come.
    func userCame(_ user: Identifier) {
        counters.usersCame &+= 1
        presence.set(user, isOnline: true, now: milliseconds)
        if recordsArrivals { currentBatch.appendArrival(user: user, time: milliseconds) }
        guard !watched.isEmpty else { return }
        let change = PresenceChange(user: user, isOnline: true, lastSeen: 0)
        for node in watched.come(user) { bus.send(.interest(.presence(change)), to: node) }
    }

    /// The user's last session has ended.
    func userLeft(_ user: Identifier) {
        counters.usersLeft &+= 1
        presence.set(user, isOnline: false, now: milliseconds)
        currentBatch.appendSeen(user: user, time: milliseconds)
        if watched.isWatched(user) { watched.drop(user, at: milliseconds, now: milliseconds) }
    }

    /// Tells loops of users who didn't come back, and sessions of users whom they watch.
    func tellPresence() {
        // Those whom it would be told are leaving too, and all of them may be back in a moment.
        guard !isGoingDown else { return }
        for (change, nodes) in watched.gone(now: milliseconds) {
            for node in nodes { bus.send(.interest(.presence(change)), to: node) }
        }
        for handle in watches.due(now: milliseconds) {
            // A slow one waits, and is told then how things stand then.
            guard let session = sessions[handle], session.outlet.pendingBytes <= Limits.sessionOutputBytesMax else {
                continue
            }
            let changes = watches.takeChanges(for: handle)
            guard !changes.isEmpty else { continue }
            writeStatus(changes.map { state(of: $0.user, [:]) }, to: session)
        }
    }
}

extension OutputBuffer {
    /// Appends `{"online":true,"last_seen":1}`.
    package mutating func appendStatus(_ state: PresenceChange) {
        append(state.isOnline ? #"{"online":true,"last_seen":"# : #"{"online":false,"last_seen":"#)
        append(decimal: state.lastSeen)
        append(UInt8(ascii: "}"))
    }
}
