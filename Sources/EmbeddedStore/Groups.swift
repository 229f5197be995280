internal import Base
internal import Store

/// Changes groups within a transaction of the directory, and tells the members.
///
/// *Thread:* that of the fold.
struct Groups: ~Copyable {
    private let create: Statement
    private let version: Statement
    private let setMember: Statement
    private let removeMember: Statement
    private let role: Statement
    private let reader: Reader
    private let largeGroupMembers: LargeGroupMembers

    init(
        _ connection: borrowing Connection, _ options: FoldOptions, _ largeGroupMembers: LargeGroupMembers
    ) throws(SQLiteError) {
        let create = try connection.prepare("INSERT OR IGNORE INTO groups VALUES(?1, ?2, 1) RETURNING version")
        let version = try connection.prepare(
            "UPDATE groups SET version = version + 1 WHERE id = ?1 RETURNING version")
        let setMember = try connection.prepare("INSERT OR REPLACE INTO members VALUES(?1, ?2, ?3)")
        let removeMember = try connection.prepare(
            "DELETE FROM members WHERE group_id = ?1 AND user = ?2 RETURNING user")
        let role = try connection.prepare("SELECT role FROM members WHERE group_id = ?1 AND user = ?2")
        let reader = try Reader(connection, options: options)
        self.create = create
        self.version = version
        self.setMember = setMember
        self.removeMember = removeMember
        self.role = role
        self.reader = reader
        self.largeGroupMembers = largeGroupMembers
    }

    func change(
        _ command: GroupCommand, _ pending: inout PendingNotices
    ) throws(SQLiteError) -> Result<Group, StoreError> {
        switch command {
        case .create(let id, let name, let members, let actor):
            create.bindCopy(1, id.description)
            create.bindCopy(2, name)
            guard try hasRow(create) else { return .failure(.conflict("the group \(id) exists already")) }
            for (user, role) in members { try set(user, role, in: id) }
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(.invited, group, by: actor).notice)
            }
        case .setMember(let id, let user, let role, let actor):
            let isMember = try isMember(user, of: id)
            guard try advance(id) else { return .failure(.notFound) }
            try set(user, role, in: id)
            let name: GroupNotice.Name = isMember ? .role : .invited
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(name, group, user: user, role: role, by: actor).notice)
            }
        case .removeMember(let id, let user, let actor):
            removeMember.bindCopy(1, id.description)
            removeMember.bindCopy(2, user.description)
            guard try hasRow(removeMember), try advance(id) else { return .failure(.notFound) }
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(.removed, group, user: user, by: actor).notice)
            }
        }
    }

    /// The group as it is after a change, which `tell` has told of.
    private func finish(
        _ id: Identifier, _ tell: (Group) throws(SQLiteError) -> Void
    ) throws(SQLiteError) -> Result<Group, StoreError> {
        guard let group = try reader.group(id) else { return .failure(.notFound) }
        // A group may become large with each of its members; they must be known before this is answered.
        if group.isLarge { largeGroupMembers.insert(group.members.keys) }
        try tell(group)
        return .success(group)
    }

    /// Runs a statement to its end; a change with RETURNING is only complete then.
    private func hasRow(_ statement: borrowing Statement) throws(SQLiteError) -> Bool {
        defer { statement.reset() }
        let found = try statement.step()
        if found { _ = try statement.step() }
        return found
    }

    private func isMember(_ user: Identifier, of group: Identifier) throws(SQLiteError) -> Bool {
        role.bindCopy(1, group.description)
        role.bindCopy(2, user.description)
        return try hasRow(role)
    }

    private func advance(_ group: Identifier) throws(SQLiteError) -> Bool {
        version.bindCopy(1, group.description)
        return try hasRow(version)
    }

    private func set(_ user: Identifier, _ role: GroupRole, in group: Identifier) throws(SQLiteError) {
        setMember.bindCopy(1, group.description)
        setMember.bindCopy(2, user.description)
        setMember.bindCopy(3, role.rawValue)
        try setMember.run()
    }
}
