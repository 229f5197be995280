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
