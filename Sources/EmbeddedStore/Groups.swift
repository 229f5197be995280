internal import Base
package import Store

/// Changes groups, each change in a transaction of its own on the connection that also folds.
///
/// *Thread:* that of the fold.
package struct Groups: ~Copyable {
    private let create: Statement
    private let version: Statement
    private let setMember: Statement
    private let removeMember: Statement
    private let reader: Reader

    package init(_ connection: borrowing Connection) throws(SQLiteError) {
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

    /// Does one command; what was changed is durable when this returns.
    package func perform(
        _ command: GroupCommand, on connection: borrowing Connection
    ) -> Result<Group, StoreError> {
        do {
            var result: Result<Group, StoreError> = .failure(.notFound)
            try connection.transaction { () throws(SQLiteError) in result = try change(command) }
            return result
        } catch {
            // After a failed sync the change may be there all the same once the store is opened again.
            return .failure(error.isFatal ? .unknownOutcome(error.description) : .unavailable(error.description))
        }
    }

    private func change(_ command: GroupCommand) throws(SQLiteError) -> Result<Group, StoreError> {
        let id: Identifier
        switch command {
        case .load(let group): id = group
        case .create(let group, let name, let members):
            create.bindCopy(1, group.description)
            create.bindCopy(2, name)
            guard try hasRow(create) else { return .failure(.conflict("the group \(group) exists already")) }
            for (user, role) in members { try set(user, role, in: group) }
            id = group
        case .setMember(let group, let user, let role):
            guard try advance(group) else { return .failure(.notFound) }
            try set(user, role, in: group)
            id = group
        case .removeMember(let group, let user):
            removeMember.bindCopy(1, group.description)
            removeMember.bindCopy(2, user.description)
            guard try hasRow(removeMember), try advance(group) else { return .failure(.notFound) }
            id = group
        }
        guard let group = try reader.group(id) else { return .failure(.notFound) }
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
