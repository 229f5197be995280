internal import Base
internal import Wire

/// How many frames and bytes each user's sessions may send together in a second; 0 for any number.
package struct FrameAllowance: Sendable {
    package var frames: Int
    package var bytes: Int
    let frameBurst: Int32
    let byteBurst: Int32

    package static let unlimited = FrameAllowance(frames: 0, bytes: 0, frameBurst: .max, byteBurst: .max)

    var isLimited: Bool { frames > 0 || bytes > 0 }

    /// - Parameters:
    ///   - frameBurst: what may come together, and what may come beyond that before the session is ended.
    ///   - byteBurst: the same for bytes; at least a frame of the largest size.
    package init(frames: Int, bytes: Int, frameBurst: Int, byteBurst: Int) {
        self.frames = frames
        self.bytes = bytes
        self.frameBurst = frames > 0 ? Int32(clamping: frameBurst) : .max
        self.byteBurst = bytes > 0 ? Int32(clamping: byteBurst) : .max
    }
}

/// What is left of a user's allowance. A frame costs a subtraction; the clock is asked only when nothing is left.
struct FrameCredit {
    /// Below zero is debt: what came although it was refused, and the rest of a frame that was let through.
    var frames: Int32
    var bytes: Int32
    /// When it was filled up last: the low bits of the hub's milliseconds.
    private var filled: UInt32

    init(_ allowance: FrameAllowance, now: UInt64) {
        frames = allowance.frameBurst
        bytes = allowance.byteBurst
        filled = UInt32(truncatingIfNeeded: now)
    }

    /// Pays for a frame; false if there was debt before.
    @inline(__always)
    mutating func pay(bytes count: Int) -> Bool {
        let debt = frames | bytes
        frames &-= 1
        bytes &-= Int32(truncatingIfNeeded: count)
        return debt >= 0
    }

    /// Adds what time has brought.
    mutating func fill(_ allowance: FrameAllowance, now: UInt64) {
        let now = UInt32(truncatingIfNeeded: now)
        let passed = Int(now &- filled)
        let newFrames = allowance.frames * passed / 1000
        let newBytes = allowance.bytes * passed / 1000
        guard allowance.frames == 0 || newFrames > 0, allowance.bytes == 0 || newBytes > 0 else { return }
        filled = now
        frames = allowance.frames > 0 ? Int32(min(Int(allowance.frameBurst), Int(frames) + newFrames)) : .max
        bytes = allowance.bytes > 0 ? Int32(min(Int(allowance.byteBurst), Int(bytes) + newBytes)) : .max
    }

    /// Milliseconds until the debt is paid.
    func wait(_ allowance: FrameAllowance) -> UInt64 {
        let frameWait = allowance.frames > 0 ? max(0, -Int(frames)) * 1000 / allowance.frames : 0
        let byteWait = allowance.bytes > 0 ? max(0, -Int(bytes)) * 1000 / allowance.bytes : 0
        return UInt64(max(frameWait, byteWait)) + 1
    }

    /// Whether whoever has so much debt won't listen to reason.
    func isHopeless(_ allowance: FrameAllowance) -> Bool {
        frames < -allowance.frameBurst || bytes < -allowance.byteBurst
    }
}

/// What becomes of a frame.
package enum FrameVerdict: Equatable, Sendable {
    case taken
    /// Too much too fast: milliseconds until the next one is taken.
    case refused(retry: UInt64)
    /// It went on and on: the session is to end.
    case ended
}

extension Hub {
    /// Counts a frame that is the connection's own business.
    package func admit(bytes: Int, from session: Session) -> FrameVerdict {
        pays(session.user, bytes: bytes) ? .taken : settle(session.user, bytes: bytes)
    }

    /// Lets a user pay for a frame; false if there was debt before.
    @inline(__always)
    func pays(_ user: User, bytes: Int) -> Bool {
        !isLimited || credits[SlotTable<User>.slot(user.token)].pay(bytes: bytes)
    }

    /// Gives a user that has come all that is allowed.
    func fillCredit(of user: User) {
        let slot = SlotTable<User>.slot(user.token)
        let full = FrameCredit(allowance, now: milliseconds)
        if slot >= credits.count { credits += Array(repeating: full, count: slot + 1 - credits.count) }
        credits[slot] = full
    }

    /// Looks whether time has paid the debt that a user had before the frame.
    @inline(never)
    func settle(_ user: User, bytes: Int) -> FrameVerdict {
        let slot = SlotTable<User>.slot(user.token)
        var credit = credits[slot]
        credit.frames &+= 1
        credit.bytes &+= Int32(truncatingIfNeeded: bytes)
        credit.fill(allowance, now: milliseconds)
        let isPaid = credit.pay(bytes: bytes)
        credits[slot] = credit
        if isPaid { return .taken }
        return credit.isHopeless(allowance) ? .ended : .refused(retry: credit.wait(allowance))
    }
}

extension EnvelopeError {
    static let hasty = EnvelopeError(.rateLimited, "too much too fast; wait before the next frame")
}
