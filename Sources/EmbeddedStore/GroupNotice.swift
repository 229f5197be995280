internal import Base
internal import Store
internal import Wire

/// What the members of a group are told of a change: all who are in it afterwards, who was put out, and
/// who did it: nobody's own changes are holes in the inbox. In a large group a change is told to whom it is about, to
/// who did it, and to those who rule; only that it was made is told to all.
struct GroupNotice {
    enum Name: String {
        case invited = "group.invited"
        case removed = "group.removed"
        case role = "group.role"
        case renamed = "group.renamed"
    }

    let name: Name
    let group: Group
    /// Whom it is about; nil for all members.
    var user: Identifier?
    var role: GroupRole?
    let actor: Identifier

    init(_ name: Name, _ group: Group, user: Identifier? = nil, role: GroupRole? = nil, by actor: Identifier) {
        self.name = name
        self.group = group
        self.user = user
        self.role = role
        self.actor = actor
    }

    var notice: Notice {
        let isForAll = !group.isLarge || (name == .invited && user == nil)
        var recipients = Set(
            isForAll ? Array(group.members.keys) : group.members.filter { $0.value.rules }.map(\.key))
        recipients.insert(actor)
        if let user { recipients.insert(user) }
        return Notice(
            actor: actor, subject: .group(group.id), recipients: recipients.sorted(), members: members)
    }

    /// What a mark says: the group has messages up to `cseq` that aren't in the inbox.
    static func changed(_ group: Identifier, cseq: UInt64) -> [UInt8] {
        var output = OutputBuffer()
        output.append(#""name":"group.changed","conv":"#)
        output.appendJSONString(group)
        output.append(#","cseq":"#)
        output.append(decimal: cseq)
        return Array(output.unsafeBytes)
    }

    private var members: [UInt8] {
        var output = OutputBuffer()
        output.append(#""name":""#)
        output.append(utf8: name.rawValue)
        output.append(#"","conv":"#)
        output.appendJSONString(group.id)
        output.append(#","group":"#)
        output.appendJSONString(group.name)
        if let user {
            output.append(#","user":"#)
            output.appendJSONString(user)
        }
        if let role {
            output.append(#","role":""#)
            output.append(utf8: role.rawValue)
            output.append(UInt8(ascii: "\""))
        }
        return Array(output.unsafeBytes)
    }
}
