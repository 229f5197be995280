internal import Base
internal import Wire

// A message waits for its group or for what its sender is to its destination, a subscribe for its channel's home, while
// that is being loaded; and whatever the session sends next waits behind it: frames keep their order. Nothing more is
// read from the session meanwhile, so what waits is no more than one read brought.
extension Hub {
    /// Keeps the session's next frames back until ``release(_:)``.
    func hold(_ session: Session) {
        // A forward's copy may have to wait while the session's frames wait for something else.
        if held[session.handle] == nil { held[session.handle] = [] }
        session.outlet.setReading(false)
    }

    /// Takes up what was kept back, in its order; a frame among it may hold the rest again.
    func release(_ session: Session) {
        guard let frames = held.removeValue(forKey: session.handle), session.state != .closed else { return }
        for (index, frame) in frames.enumerated() {
            frame()
            if held[session.handle] != nil {
                held[session.handle]? += frames[(index + 1)...]
                return
            }
        }
        session.outlet.setReading(true)
    }

    /// Keeps a frame back if the session's frames wait; false if they don't.
    func holdBack(json bytes: RawSpan, from session: Session) -> Bool {
        guard !held.isEmpty, held[session.handle] != nil else { return false }
        let copy = Array(bytes)
        held[session.handle]?.append { [unowned self] in receive(json: copy.span.bytes, from: session) }
        return true
    }

    /// The same for a binary frame.
    func holdBack(
        _ request: BinaryRequest, flags: BinaryFlags, payload: RawSpan, from session: Session
    ) -> Bool {
        guard !held.isEmpty, held[session.handle] != nil else { return false }
        let copy = Array(payload)
        held[session.handle]?.append { [unowned self] in
            receive(request, flags: flags, payload: copy.span.bytes, from: session)
        }
        return true
    }
}
