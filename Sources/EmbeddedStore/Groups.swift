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
    private let reader: Reader

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let create = try connection.prepare("INSERT OR IGNORE INTO groups VALUES(?1, ?2, 1) RETURNING version")
        let version = try connection.prepare(
            "UPDATE groups SET version = version + 1 WHERE id = ?1 RETURNING version")
        let setMember = try connection.prepare("INSERT OR REPLACE INTO members VALUES(?1, ?2, ?3)")
        let removeMember = try connection.prepare(
            "DELETE FROM members WHERE group_id = ?1 AND user = ?2 RETURNING user")
        let reader = try Reader(connection)
        self.create = create
        self.version = version
        self.setMember = setMember
        self.removeMember = removeMember
        self.reader = reader
    }

    func change(
        _ command: GroupCommand, _ pending: inout PendingRecords
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
            guard let before = try reader.group(id), try advance(id) else { return .failure(.notFound) }
            try set(user, role, in: id)
            let name: GroupNotice.Name = before.members[user] == nil ? .invited : .role
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(name, group, user: user, role: role, by: actor).notice)
                if name == .invited { try pending.addReadToTheEnd(user, of: id) }
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
