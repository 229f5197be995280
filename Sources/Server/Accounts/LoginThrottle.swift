/// What keeps passwords from being guessed and accounts from being made by the thousand: failures of each account and
/// of each address are limited, and so is what an address registers.
final class LoginThrottle: Sendable {
    private let accounts = Throttle(Allowance(burst: 10, refill: 30_000))
    private let addresses = Throttle(Allowance(burst: 50, refill: 3_000))
    private let registrations = Throttle(Allowance(burst: 1_000, refill: 10_000))

    /// Takes an attempt at a password; it counts unless it is given back.
    ///
    /// - Returns: milliseconds to wait if it isn't allowed.
    func attempt(at account: String, from address: String, now: UInt64) -> UInt64? {
        if let wait = accounts.take(account, now: now) { return wait }
        guard let wait = addresses.take(address, now: now) else { return nil }
        accounts.giveBack(account)
        return wait
    }

    /// Gives an attempt back that succeeded, or came to nothing: only failures count.
    func giveBack(at account: String, from address: String) {
        accounts.giveBack(account)
        addresses.giveBack(address)
    }

    func registration(from address: String, now: UInt64) -> UInt64? { registrations.take(address, now: now) }
}
