internal import Base
internal import Store

/// Of each large group with messages lately, the members who are signed in on this loop: found once, and then kept up
/// with who comes and goes, so that a message looks nobody up.
struct LargeGroupMembers {
    private struct Entry {
        var version: UInt64
        /// Attachment tokens. Of those who left some may still be here, and mean nobody.
        var tokens: [UInt32] = []
        /// Arrivals that were looked at.
        var arrivals: Int
    }

    private var entries: [Identifier: Entry] = [:]
    /// Tokens of users who came, the last ones of all that were counted.
    private var arrivals: [UInt32] = []
    private var arrivalCount = 0

    /// Groups kept; above it all are found anew.
    private static let groupsMax = 4_096
    /// Arrivals that are looked at one by one. Fewer than a slot has generations: while a token can come back, nobody
    /// who left is taken for the user who has it now.
    private static let arrivalsMax = 512

    /// Notes a user who wasn't signed in before.
    mutating func arrived(_ token: UInt32) {
        arrivalCount += 1
        guard !entries.isEmpty else { return }
        if arrivals.count >= 2 * LargeGroupMembers.arrivalsMax {
            arrivals.removeFirst(LargeGroupMembers.arrivalsMax)
        }
        arrivals.append(token)
    }

    /// The tokens of the group's members on this loop.
    mutating func tokens(of group: Group, _ users: UserTable, isHere: (Identifier) -> Bool) -> [UInt32] {
        let index = entries.index(forKey: group.id)
        let missed = index.map { arrivalCount - entries[$0].value.arrivals } ?? .max
        guard let index, entries[index].value.version == group.version, missed <= LargeGroupMembers.arrivalsMax else {
            return find(group, users, isHere)
        }
        guard missed > 0 else { return entries[index].value.tokens }
        for token in arrivals.suffix(missed) {
            guard let user = users.user(token: token), group.members[user.id] != nil else { continue }
            entries.values[index].tokens.append(token)
        }
        entries.values[index].arrivals = arrivalCount
        return entries[index].value.tokens
    }

    private mutating func find(_ group: Group, _ users: UserTable, _ isHere: (Identifier) -> Bool) -> [UInt32] {
        if entries.count >= LargeGroupMembers.groupsMax { entries.removeAll() }
        if entries.isEmpty { arrivals.removeAll() }
        var entry = Entry(version: group.version, arrivals: arrivalCount)
        for member in group.members.keys where isHere(member) {
            if let user = users.find(member) { entry.tokens.append(user.token) }
        }
        entries[group.id] = entry
        return entry.tokens
    }

    /// Forgets those who were found to have left.
    mutating func keep(_ tokens: [UInt32], of group: Group) { entries[group.id]?.tokens = tokens }
}
