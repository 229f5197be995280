internal import Base
package import Store
internal import Wire

// What isn't stored and goes to whoever is online: typing.
extension Hub {
    /// Passes on the typing event that lies in ``message``.
    func typing(
        from sender: Identifier, to destination: Identifier, isGroup: Bool, _ session: Session, reference: [UInt8]
    ) {
        if !isGroup {
            if let admission = admissionInMemory(of: sender, session.user, to: destination) {
                return typing(
                    message.unsafeBytes, from: sender, to: destination, admission, session, reference: reference)
            }
            let event = Array(message.unsafeBytes)
            // It doesn't ask for anything: only messages do.
            return withRelation(of: sender, to: destination) { [unowned self] result in
                guard session.state != .closed else { return }
                let admission = result.map { self.admission(by: $0) ?? .held }
                event.withUnsafeBytes {
                    typing(
                        $0, from: sender, to: destination, Admission(admission), session, reference: reference)
                }
            }
        }
        let event = Array(message.unsafeBytes)
        withGroup(destination) { [unowned self] result in
            switch result {
            case .failure(let refusal):
                writeError(refusal, cid: RawSpan(), reference: reference.span.bytes, to: session)
            case .success(let group) where group.members[sender] == nil:
                let refusal = EnvelopeError(.notMember, "only members of a group may send to it")
                writeError(refusal, cid: RawSpan(), reference: reference.span.bytes, to: session)
            case .success(let group):
                bus.broadcast(BusFrame(audience: .members(group), origin: sender, event: event))
                writeOK(reference: reference.span.bytes, to: session)
            }
        }
    }

    private func typing(
        _ event: UnsafeRawBufferPointer, from sender: Identifier, to destination: Identifier, _ admission: Admission,
        _ session: Session, reference: [UInt8]
    ) {
        switch admission {
        case .refused(let refusal):
            return writeError(refusal, cid: RawSpan(), reference: reference.span.bytes, to: session)
        case .held: break
        case .delivered:
            let hash = destination.hash64
            let home = topology.node(hash: hash)
            if home == node {
                users.find(destination, hash: hash)?.sessions.forEach { emitEvent(event, to: $0) }
            } else {
                let audience = BusFrame.Audience.user(destination)
                bus.send(BusFrame(audience: audience, origin: sender, event: Array(event)), to: home)
            }
        }
        writeOK(reference: reference.span.bytes, to: session)
    }

    /// Takes mail of another loop, or of this one.
    package func handle(_ mail: BusMail) {
        switch mail {
        case .interest(let interest): handle(interest)
        case .channel(let mail): handle(mail)
        }
    }

    /// Takes a frame that another loop (or this one) put on the bus.
    package func handle(_ frame: BusFrame) {
        frame.event.withUnsafeBytes { event in
            switch frame.audience {
            case .user(let id): users.find(id)?.sessions.forEach { emitEvent(event, to: $0) }
            case .members(let group):
                for member in group.members.keys where member != frame.origin {
                    users.find(member)?.sessions.forEach { emitEvent(event, to: $0) }
                }
            }
        }
    }

    /// Writes a live event, unless the session's socket has more than enough to do: it isn't stored, so it is lost.
    func emitEvent(_ event: UnsafeRawBufferPointer, to session: Session) {
        guard session.state == .live, session.outlet.pendingBytes <= Limits.sessionOutputBytesMax else {
            counters.droppedEvents &+= 1
            return
        }
        emitJSON(RawSpan(_unsafeBytes: event), to: session)
    }
}
