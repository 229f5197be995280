/// By which login a session was believed, in so few bytes that it costs a session nothing: enough to tell the
/// sessions of one user apart.
package struct LoginMark: Sendable, Equatable {
    private let bits: UInt32

    private init(bits: UInt32) { self.bits = bits }

    /// - Parameters:
    ///   - id: of the login.
    ///   - hasAccount: whether a change of the account's password concerns it.
    package init(id: UInt64, hasAccount: Bool) {
        // 2 and 3 stand for those that would be taken for none.
        bits = max(UInt32(truncatingIfNeeded: id) & ~1, 2) | (hasAccount ? 1 : 0)
    }

    /// Of a session that was believed without a login.
    package static let none = LoginMark(bits: 0)

    /// Whether the login is an account's.
    package var hasAccount: Bool { bits & 1 != 0 }
}

/// When a login began and when it ends.
package struct LoginSpan: Sendable, Equatable {
    /// Seconds since the Unix epoch; 0: nobody said.
    package let issued: UInt32
    /// The same; ``never`` for a login that doesn't end by itself.
    private let expires: UInt32

    private static let never = UInt32.max

    /// - Parameters:
    ///   - issued: seconds since the Unix epoch; 0 if nobody said.
    ///   - expires: milliseconds since the Unix epoch; nil if it doesn't end by itself.
    package init(issued: UInt64 = 0, expires: UInt64? = nil) {
        self.issued = UInt32(clamping: issued)
        self.expires = expires.map { UInt32(clamping: $0 / 1000 + ($0 % 1000 > 0 ? 1 : 0)) } ?? LoginSpan.never
    }

    /// Whole seconds until the login ends, 0 when it has; nil if it doesn't end by itself.
    ///
    /// - Parameter milliseconds: now, since the Unix epoch.
    package func secondsLeft(at milliseconds: UInt64) -> UInt64? {
        guard expires != LoginSpan.never else { return nil }
        let end = UInt64(expires) * 1000
        return end > milliseconds ? (end - milliseconds + 999) / 1000 : 0
    }
}

/// The spans of sessions' logins, by the slot of the session. They are rarely looked at, and a session has no byte left
/// that it could grow by for less than sixteen.
struct LoginSpans {
    /// As long as the last slot needs that ever had a span worth noting.
    private var spans: [LoginSpan] = []

    subscript(slot: Int) -> LoginSpan {
        get { slot < spans.count ? spans[slot] : LoginSpan() }
        set {
            if slot >= spans.count {
                if newValue == LoginSpan() { return }
                spans.append(contentsOf: repeatElement(LoginSpan(), count: slot + 1 - spans.count))
            }
            spans[slot] = newValue
        }
    }
}
