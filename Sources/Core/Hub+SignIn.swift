package import Base
internal import Store
internal import Wire

extension Hub {
    /// Signs a connection in. The welcome comes once the store has told the inbox's head; until then the connection
    /// must keep the client's frames back.
    ///
    /// - Parameters:
    ///   - login: what the client was believed by, for ``sessions(of:where:)``.
    ///   - span: how long that counts; see ``secondsLeft(_:at:)``.
    ///   - after: resume behind this inbox entry; nil for live entries only.
    /// - Returns: nil if the user's shard is full.
    package func signIn(
        _ userID: Identifier, device: Identifier, login: LoginMark = .none, span: LoginSpan = LoginSpan(),
        after: UInt64?, form: Session.Form, readsLZ4: Bool, outlet: Outlet, owner: any SessionOwner
    ) -> Session? {
        guard let user = users.findOrAdd(userID) else { return nil }
        let session = Session(
            outlet: outlet, user: user, device: devices.pack(device), login: login, resumingAfter: after, form: form,
            readsLZ4: readsLZ4)
        session.handle = sessions.add(session)
        loginSpans[SlotTable<Session>.slot(session.handle)] = span
        if user.sessions.isEmpty {
            if isLimited { fillCredit(of: user) }
            userCame(userID)
            largeGroups.arrived(user.token)
        }
        user.sessions.add(session)
        let ticket = pending.add(.init(session: session, owner: owner))
        store.attach(userID, device: device, token: user.token, mailbox: node, ticket: ticket)
        return session
    }

    func attached(_ ticket: UInt64, _ result: Result<AttachReply, StoreError>) {
        guard let asked = pending.take(ticket), let session = asked.session, session.state == .attaching else { return }
        guard case .success(let reply) = result else { asked.owner?.sessionFailed(session); return }
        let user = session.user
        user.head = max(user.head, reply.head)
        session.confirmed = reply.confirmed
        writeWelcome(to: session)
        counters.signIns &+= 1
        session.sentThrough = min(session.sentThrough, user.head)
        session.state = session.sentThrough < user.head ? .catchingUp : .live
        asked.owner?.sessionIsReady(session)
        if session.state == .catchingUp { catchUp(session) }
    }

    /// The sessions that a user has here by certain logins.
    package func sessions(of user: Identifier, where isMeant: (LoginMark, LoginSpan) -> Bool) -> [Session] {
        var sessions: [Session] = []
        users.find(user)?.sessions.forEach { if isMeant($0.login, span(of: $0)) { sessions.append($0) } }
        return sessions
    }

    private func span(of session: Session) -> LoginSpan { loginSpans[SlotTable<Session>.slot(session.handle)] }

    /// Seconds until the login ends that a session was believed by; nil if it doesn't end by itself.
    ///
    /// - Parameter milliseconds: now, since the Unix epoch.
    package func secondsLeft(_ session: Session, at milliseconds: UInt64) -> UInt64? {
        span(of: session).secondsLeft(at: milliseconds)
    }

    /// The sessions by certain logins in a piece of the loop, however many users there are: a look at all of them at
    /// once would keep everyone waiting.
    ///
    /// - Parameter start: 0, or where the piece before ended.
    /// - Returns: the sessions, and where the next piece begins; nil after the last one.
    package func sessions(
        from start: Int, where isMeant: (LoginMark) -> Bool
    ) -> (found: [Session], next: Int?) {
        let end = min(start + Hub.sessionsInPiece, sessions.slotCount)
        var found: [Session] = []
        for slot in min(start, end)..<end {
            if let session = sessions[slot: slot], isMeant(session.login) { found.append(session) }
        }
        return (found, end < sessions.slotCount ? end : nil)
    }

    private static let sessionsInPiece = 4096

    /// Ends a session; its connection is gone or going.
    package func signOut(_ session: Session) {
        guard session.state != .closed else { return }
        let user = session.user
        if session.state == .behind { behindCount -= 1 }
        session.state = .closed
        deferredAcks[session.handle] = nil
        readTurns.forget(session.handle)
        dropHeld(session.handle)
        leaving[session.handle] = nil
        endWatches(of: session)
        leaveChannels(session)
        sessions.remove(session.handle)
        user.sessions.remove(session)
        guard user.sessions.isEmpty else { return }
        users.remove(user)
        store.detach(user.id, mailbox: node)
        userLeft(user.id)
    }

    private func writeWelcome(to session: Session) {
        let user = session.user
        if session.form == .json {
            scratch.removeAll()
            scratch.append(#"{"cmd":"welcome","userid":"#)
            scratch.appendJSONString(user.id)
            scratch.append(#","device":"#)
            scratch.appendJSONString(session.device.identifier)
            scratch.append(#","seq":"#)
            scratch.append(decimal: user.head)
            scratch.append(#","confirmed":"#)
            scratch.append(decimal: session.confirmed)
            scratch.append(#","epoch":""#)
            scratch.append(utf8: store.epoch)
            scratch.append(#"","max_frame":"#)
            scratch.append(decimal: UInt64(Limits.frameBytesMax))
            scratch.append(#","heartbeat":"#)
            scratch.append(decimal: Limits.heartbeatSeconds)
            scratch.append(#","time":"#)
            scratch.append(decimal: milliseconds)
            scratch.append(UInt8(ascii: "}"))
            emitJSON(to: session)
        } else {
            emitWelcome(to: session)
        }
    }
}
