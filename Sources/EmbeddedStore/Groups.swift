internal import Base
internal import Store

/// Changes groups within a transaction of the directory, and tells the members.
///
/// *Thread:* that of the fold.
struct Groups: ~Copyable {
    private let conversation: Statement
    private let create: Statement
    private let version: Statement
    private let setMember: Statement
    private let removeMember: Statement
    private let rename: Statement
    /// Members besides one, and the admins among them.
    private let others: Statement
    private let role: Statement
    private let reader: Reader
    private let largeGroupMembers: LargeGroupMembers

    init(
        _ connection: borrowing Connection, _ options: FoldOptions, _ largeGroupMembers: LargeGroupMembers
    ) throws(SQLiteError) {
        let conversation = try connection.prepare("SELECT 1 FROM conversations WHERE owner = 0 AND peer = ?1")
        let create = try connection.prepare("INSERT OR IGNORE INTO groups VALUES(?1, ?2, 1) RETURNING version")
        let version = try connection.prepare(
            "UPDATE groups SET version = version + 1 WHERE id = ?1 RETURNING version")
        let setMember = try connection.prepare("INSERT OR REPLACE INTO members VALUES(?1, ?2, ?3)")
        let removeMember = try connection.prepare(
            "DELETE FROM members WHERE group_id = ?1 AND user = ?2 RETURNING user")
        let rename = try connection.prepare(
            "UPDATE groups SET version = version + 1, name = ?2 WHERE id = ?1 RETURNING version")
        let others = try connection.prepare(
            "SELECT count(*), coalesce(sum(role = 'admin'), 0) FROM members WHERE group_id = ?1 AND user <> ?2")
        let role = try connection.prepare("SELECT role FROM members WHERE group_id = ?1 AND user = ?2")
        let reader = try Reader(connection, options: options)
        self.conversation = conversation
        self.create = create
        self.version = version
        self.setMember = setMember
        self.removeMember = removeMember
        self.rename = rename
        self.others = others
        self.role = role
        self.reader = reader
        self.largeGroupMembers = largeGroupMembers
    }

    func change(
        _ command: GroupCommand, _ pending: inout PendingRecords
    ) throws(SQLiteError) -> Result<Group, StoreError> {
        switch command {
        case .create(let id, let name, let members, let actor):
            // What the timeline says in a group of its own isn't there for whoever takes its id.
            conversation.bindCopy(1, id.description)
            guard try !hasRow(conversation) else {
                return .failure(.conflict("messages were sent to a group \(id) already"))
            }
            create.bindCopy(1, id.description)
            create.bindCopy(2, name)
            guard try hasRow(create) else { return .failure(.conflict("the group \(id) exists already")) }
            for (user, role) in members { try set(user, role, in: id) }
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(.invited, group, by: actor).notice)
            }
        case .setMember(let id, let user, let role, let actor):
            let before = try self.role(of: user, in: id)
            if before == .admin, role != .admin, let refusal = try refusal(toLose: user, of: id) {
                return .failure(refusal)
            }
            guard try advance(id) else { return .failure(.notFound) }
            try set(user, role, in: id)
            let name: GroupNotice.Name = before == nil ? .invited : .role
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(name, group, user: user, role: role, by: actor).notice)
                if name == .invited { try pending.addReadToTheEnd(user, of: id) }
            }
        case .removeMember(let id, let user, let actor):
            if try role(of: user, in: id) == .admin, let refusal = try refusal(toLose: user, of: id) {
                return .failure(refusal)
            }
            removeMember.bindCopy(1, id.description)
            removeMember.bindCopy(2, user.description)
            guard try hasRow(removeMember), try advance(id) else { return .failure(.notFound) }
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(.removed, group, user: user, by: actor).notice)
            }
        case .rename(let id, let name, let actor):
            rename.bindCopy(1, id.description)
            rename.bindCopy(2, name)
            guard try hasRow(rename) else { return .failure(.notFound) }
            return try finish(id) { (group) throws(SQLiteError) in
                try pending.add(GroupNotice(.renamed, group, by: actor).notice)
            }
        }
    }

    /// Why an admin can't go: it is the last one, and there are other members.
    private func refusal(toLose admin: Identifier, of group: Identifier) throws(SQLiteError) -> StoreError? {
        defer { others.reset() }
        others.bindCopy(1, group.description)
        others.bindCopy(2, admin.description)
        guard try others.step(), others.integer(0) > 0, others.integer(1) == 0 else { return nil }
        return .conflict("this is the group's last admin; make another member one first")
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

    private func role(of user: Identifier, in group: Identifier) throws(SQLiteError) -> GroupRole? {
        defer { role.reset() }
        role.bindCopy(1, group.description)
        role.bindCopy(2, user.description)
        return try role.step() ? GroupRole(rawValue: role.text(0)) : nil
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
