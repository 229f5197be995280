package import Base

/// Someone who can log in with a password.
package struct Account: Sendable, Equatable {
    package var id: Identifier
    package var name: String
    /// As it was typed.
    package var email: String

    package init(id: Identifier, name: String, email: String) {
        self.id = id
        self.name = name
        self.email = email
    }
}

/// What a login is checked against.
package struct AccountSecret: Sendable {
    package var account: Account
    /// The password's hash, as text that only the layer above understands.
    package var password: String
    /// Grows with each change of the password.
    package var generation: UInt32

    package init(account: Account, password: String, generation: UInt32) {
        self.account = account
        self.password = password
        self.generation = generation
    }
}

/// An account as someone else sees it.
package struct Profile: Sendable {
    package var id: Identifier
    package var name: String
    /// nil if the one who asks may not see it.
    package var email: String?

    package init(id: Identifier, name: String, email: String?) {
        self.id = id
        self.name = name
        self.email = email
    }
}

/// Logins that end before their time.
package enum LoginEnd: Sendable, Equatable {
    /// One of them, which would have ended by itself when it `expires`.
    case login(id: UInt64, expires: UInt64)
    /// All of a user's of an older generation, but for the one that is kept (0: none is).
    case older(user: Identifier, generation: UInt32, kept: UInt64, expires: UInt64)
    /// All of a user's that no account stands behind and that were issued before a time, in seconds since the Unix
    /// epoch.
    case issued(user: Identifier, before: UInt64)
}

/// What a router must know of logins before it believes any.
package struct LoginState: Sendable {
    /// What tokens are signed with: random, made with the store.
    package var key: [UInt8]
    package var ends: [LoginEnd]

    package init(key: [UInt8], ends: [LoginEnd]) {
        self.key = key
        self.ends = ends
    }
}

/// How an account is looked for when someone logs in.
package enum AccountName: Sendable {
    case id(Identifier)
    /// Without regard to case.
    case email(String)
}

/// A change of accounts.
package enum AccountCommand: Sendable {
    /// Fails with `conflict` if the id or the address is another account's, or if the id has an inbox already, unless
    /// `takesInbox`. Answered by the generation of its logins, which is not 0 if the id had an account before.
    case create(Account, password: String, takesInbox: Bool, time: UInt64)
    /// Puts another hash of the same password in the place of `old`. Without effect if that isn't there any more.
    case rehash(Identifier, old: String, new: String)
    /// Puts a new password in the place of `old`, and ends all other logins until `expires`, when none of them is good
    /// any more: answered by that end. Fails with `conflict` if the old one isn't there any more.
    case setPassword(Identifier, old: String, new: String, keeping: UInt64, expires: UInt64)
    /// Ends a login for good: one of a user's, or whoever's it is.
    case end(login: UInt64, of: Identifier?, expires: UInt64, time: UInt64)
    /// Ends all of a user's logins by an account until `expires`, when none of them is good any more, and all others
    /// that were issued before a time, in seconds since the Unix epoch, for good. Answered by these ends; an earlier
    /// time than that of before changes nothing.
    case revoke(Identifier, before: UInt64, expires: UInt64)
}

/// A question about accounts.
package enum AccountQuestion: Sendable {
    /// Answered by a secret; fails with `notFound`.
    case find(AccountName)
    /// Whether an id has an account or an inbox; answered by a flag.
    case isTaken(Identifier)
    /// Accounts whose name begins with a text, without regard to case, or whose id or whole address it is; answered by
    /// profiles as `viewer` may see them.
    case search(String, viewer: Identifier, limit: Int)
}

/// What the store answers to an ``AccountCommand`` or an ``AccountQuestion``.
package enum AccountAnswer: Sendable {
    case done
    /// An account was made; its first logins are of this generation.
    case created(generation: UInt32)
    case flag(Bool)
    case secret(AccountSecret)
    case ended([LoginEnd])
    case profiles([Profile])
}
