internal import Base
internal import Store
internal import Wire

/// What the members of a group are told of a change: all who are in it afterwards, who was put out, and
/// who did it: nobody's own changes are holes in the inbox.
struct GroupNotice {
    enum Name: String {
        case invited = "group.invited"
        case removed = "group.removed"
        case role = "group.role"
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
        var recipients = Set(group.members.keys)
        recipients.insert(actor)
        if let user { recipients.insert(user) }
        return Notice(
            actor: actor, subject: .group(group.id), recipients: recipients.sorted(), members: members)
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
