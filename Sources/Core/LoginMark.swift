/// By which login a session was believed, in so few bytes that it costs a session little: enough to tell the sessions
/// of one user apart, and to know when they end.
package struct LoginMark: Sendable, Equatable {
    private let bits: UInt32
    /// Seconds since the Unix epoch; 0: nobody said.
    package let issued: UInt32
    /// The same; ``never`` for a login that doesn't end by itself.
    private let expires: UInt32

    private static let never = UInt32.max

    /// - Parameters:
    ///   - id: of the login.
    ///   - hasAccount: whether a change of the account's password concerns it.
    ///   - issued: seconds since the Unix epoch; 0 if nobody said.
    ///   - expires: milliseconds since the Unix epoch; nil if it doesn't end by itself.
    package init(id: UInt64, hasAccount: Bool, issued: UInt64 = 0, expires: UInt64? = nil) {
        // 2 and 3 stand for those that would be taken for none.
        bits = max(UInt32(truncatingIfNeeded: id) & ~1, 2) | (hasAccount ? 1 : 0)
        self.issued = UInt32(clamping: issued)
        self.expires = expires.map { UInt32(clamping: $0 / 1000 + ($0 % 1000 > 0 ? 1 : 0)) } ?? LoginMark.never
    }

    private init() {
        bits = 0
        issued = 0
        expires = LoginMark.never
    }

    /// Of a session that was believed without a login.
    package static let none = LoginMark()

    /// Whether it was believed by a login at all.
    package var hasLogin: Bool { bits != 0 }

    /// Whether the login is an account's.
    package var hasAccount: Bool { bits & 1 != 0 }

    /// Whether both are of the same login.
    package func isOfSameLogin(as other: LoginMark) -> Bool { bits == other.bits }

    /// Whole seconds until the login ends, 0 when it has; nil if it doesn't end by itself.
    ///
    /// - Parameter milliseconds: now, since the Unix epoch.
    package func secondsLeft(at milliseconds: UInt64) -> UInt64? {
        guard expires != LoginMark.never else { return nil }
        let end = UInt64(expires) * 1000
        return end > milliseconds ? (end - milliseconds + 999) / 1000 : 0
    }
}
