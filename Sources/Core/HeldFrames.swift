internal import Base
internal import Wire

/// Frames of one session that wait, and their bytes.
struct HeldFrames {
    var frames: [(bytes: Int, take: () -> Void)] = []
    var bytes: Int { frames.reduce(0) { $0 + $1.bytes } }
}

// A message waits for its group or for what its sender is to its destination, a subscribe for its channel's home, while
// that is being loaded; and whatever the session sends next waits behind it: frames keep their order. Nothing more is
// read from the session meanwhile, so what waits is no more than one read brought; and of all sessions together no more
// than `Limits.heldFrameBytesMax`.
extension Hub {
    /// Keeps the session's next frames back until ``release(_:)``.
    func hold(_ session: Session) {
        // A forward's copy may have to wait while the session's frames wait for something else.
        if held[session.handle] == nil { held[session.handle] = HeldFrames() }
        session.outlet.setReading(false)
    }

    /// Takes up what was kept back, in its order; a frame among it may hold the rest again.
    func release(_ session: Session) {
        guard let waiting = held.removeValue(forKey: session.handle), session.state != .closed else { return }
        heldBytes -= waiting.bytes
        for (index, frame) in waiting.frames.enumerated() {
            frame.take()
            if held[session.handle] != nil {
                let rest = waiting.frames[(index + 1)...]
                held[session.handle]?.frames += rest
                heldBytes += rest.reduce(0) { $0 + $1.bytes }
                return
            }
        }
        // While the queue to the disk is long, it is read from when that is shorter.
        if !pausedHandles.contains(session.handle), !isGoingDown { session.outlet.setReading(true) }
    }

    /// Forgets what a session that has ended still had to say.
    func dropHeld(_ handle: UInt64) {
        guard let waiting = held.removeValue(forKey: handle) else { return }
        heldBytes -= waiting.bytes
    }

    /// Keeps a frame back if the session's frames wait; false if they don't.
    func holdBack(json bytes: RawSpan, from session: Session) -> Bool {
        guard !held.isEmpty, held[session.handle] != nil else { return false }
        guard heldBytes + bytes.byteCount <= Limits.heldFrameBytesMax else {
            try? envelope.scan(bytes)
            refuseFrame(.tooMuchWaits, bytes, session)
            return true
        }
        let copy = Array(bytes)
        append(copy.count, to: session) { [unowned self] in take(json: copy.span.bytes, from: session) }
        return true
    }

    /// The same for a binary frame.
    func holdBack(
        _ request: BinaryRequest, flags: BinaryFlags, payload: RawSpan, from session: Session
    ) -> Bool {
        guard !held.isEmpty, held[session.handle] != nil else { return false }
        guard heldBytes + payload.byteCount <= Limits.heldFrameBytesMax else {
            refuseFrame(.tooMuchWaits, request, payload, session)
            return true
        }
        let copy = Array(payload)
        append(copy.count, to: session) { [unowned self] in
            take(request, flags: flags, payload: copy.span.bytes, from: session)
        }
        return true
    }

    private func append(_ bytes: Int, to session: Session, _ take: @escaping () -> Void) {
        heldBytes += bytes
        held[session.handle]?.frames.append((bytes, take))
    }
}

extension EnvelopeError {
    static let tooMuchWaits = EnvelopeError(.overloaded, "too much waits for what is being loaded; try again")
}
