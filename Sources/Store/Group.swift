package import Base

/// What a member may do; the names are those of the contract.
package enum GroupRole: String, Sendable, CaseIterable {
    case admin, moderator, member, silent

    /// Whether it decides about other members.
    package var rules: Bool { self == .admin || self == .moderator }
}

/// A group and its members as they stood at one version. Immutable, so any number of threads may share it.
package final class Group: Sendable {
    package let id: Identifier
    package let name: String
    /// Grows with every change.
    package let version: UInt64
    package let members: [Identifier: GroupRole]
    /// Whether its messages are written to its history only, and not to every member's inbox.
    package let isLarge: Bool
    /// The members in the form that a message record wants; made once per version, and empty for a large group.
    package let recipientNames: [UInt8]

    package init(
        id: Identifier, name: String, version: UInt64, members: [Identifier: GroupRole],
        inboxMembersMax: Int = Limits.inboxMembersDefault
    ) {
        self.id = id
        self.name = name
        self.version = version
        self.members = members
        isLarge = members.count > inboxMembersMax
        recipientNames = isLarge ? [] : RecordArena.recipientNames(members.keys.sorted())
    }

    /// The members in the form of a record, also of a large group; for what is rare.
    var allNames: [UInt8] { isLarge ? RecordArena.recipientNames(members.keys) : recipientNames }
}

/// What can be done to a group, and by whom. Answered by the group as it is then. What would leave members without an
/// admin who had one fails with `conflict`.
package enum GroupCommand: Sendable {
    /// Fails with `conflict` if the id is taken.
    case create(id: Identifier, name: String, members: [Identifier: GroupRole], by: Identifier)
    /// Adds a member or changes its role. Fails with `notFound` if there is no such group.
    case setMember(group: Identifier, user: Identifier, role: GroupRole, by: Identifier)
    /// Fails with `notFound` if the user isn't a member.
    case removeMember(group: Identifier, user: Identifier, by: Identifier)
    /// Fails with `notFound` if there is no such group.
    case rename(group: Identifier, name: String, by: Identifier)
}

/// A group as one of its members finds it in a list.
package struct OwnGroup: Sendable {
    package let id: Identifier
    package let name: String
    package let role: GroupRole

    package init(id: Identifier, name: String, role: GroupRole) {
        self.id = id
        self.name = name
        self.role = role
    }
}
