package import Base
internal import EmbeddedStore
internal import Reactor

/// Erases users from a stopped router's data directory.
package enum UserEraser {
    /// What an erasure takes away, in a few words for each kind; nil if nothing is known of the id.
    package static func plan(of user: Identifier, in path: String, inboxMembersMax: Int) throws -> [String]? {
        guard let plan = try UserErasure.plan(of: user, in: path, inboxMembersMax: inboxMembersMax) else { return nil }
        return [
            plan.hasAccount ? "the account, and all of its logins" : "no account",
            "contacts and requests: \(plan.contacts)",
            "blocks: \(plan.blocks)",
            "groups that are left: \(plan.groups)",
            "devices: \(plan.devices)",
            "entries in the inbox: \(plan.inbox)",
            "private conversations: \(plan.conversations)",
            "messages whose content goes: \(plan.messages)",
        ]
    }

    /// Erases a user; false if nothing is known of the id.
    package static func erase(_ user: Identifier, in path: String, inboxMembersMax: Int) throws -> Bool {
        // Until then, whatever --login-days was, every login of before has ended by itself.
        let lifetime = UInt64(Configuration.loginDaysMax + 1) * 86_400_000
        return try UserErasure.erase(
            user, in: path, inboxMembersMax: inboxMembersMax, loginsExpire: Clock.realtimeMilliseconds + lifetime)
    }

    /// Whether a user was erased before.
    package static func isErased(_ user: Identifier, in path: String) throws -> Bool {
        try UserErasure.isErased(user, in: path)
    }
}
