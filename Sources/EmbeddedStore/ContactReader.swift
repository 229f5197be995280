internal import Base
internal import Store

/// What stands in `contacts` about one user and another. The raw value is what the database has.
enum ContactState: Int {
    /// The same in the other one's row.
    case contact = 0
    /// The user has asked; the other one's row says ``incoming``.
    case outgoing = 1
    case incoming = 2
    /// The user has asked and was refused, which isn't told; the other one has no row.
    case refused = 3
}

/// Answers questions about contacts and blocks.
///
/// *Thread:* that of the connection.
struct ContactReader: ~Copyable {
    private let state: Statement
    private let rows: Statement
    private let blocked: Statement
    private let blockedByAnyone: Statement
    private let blocks: Statement
    private let held: HeldReader

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let state = try connection.prepare("SELECT state FROM contacts WHERE user = ?1 AND other = ?2")
        let rows = try connection.prepare(
            "SELECT other, state, text, time FROM contacts WHERE user = ?1 ORDER BY other")
        let blocked = try connection.prepare("SELECT 1 FROM user_blocks WHERE user = ?1 AND other = ?2")
        let blockedByAnyone = try connection.prepare("SELECT 1 FROM user_blocks WHERE other = ?1 LIMIT 1")
        let blocks = try connection.prepare("SELECT other FROM user_blocks WHERE user = ?1 ORDER BY other")
        let held = try HeldReader(connection)
        self.state = state
        self.rows = rows
        self.blocked = blocked
        self.blockedByAnyone = blockedByAnyone
        self.blocks = blocks
        self.held = held
    }

    func state(of user: Identifier, to other: Identifier) throws(SQLiteError) -> ContactState? {
        state.bindCopy(1, user.description)
        state.bindCopy(2, other.description)
        defer { state.reset() }
        return try state.step() ? ContactState(rawValue: state.integer(0)) : nil
    }

    func isBlocked(_ user: Identifier, by other: Identifier) throws(SQLiteError) -> Bool {
        blocked.bindCopy(1, other.description)
        blocked.bindCopy(2, user.description)
        defer { blocked.reset() }
        return try blocked.step()
    }

    /// Whether one of the two has blocked the other.
    func isBlockBetween(_ one: Identifier, _ other: Identifier) throws(SQLiteError) -> Bool {
        if try isBlocked(one, by: other) { return true }
        return try isBlocked(other, by: one)
    }

    func relation(of user: Identifier, to other: Identifier) throws(SQLiteError) -> Relation {
        let standing: Standing =
            switch try state(of: user, to: other) {
            case .contact: .contact
            case .outgoing, .refused: .asked
            case .incoming, nil: .stranger
            }
        var relation = Relation(standing: standing)
        blockedByAnyone.bindCopy(1, user.description)
        defer { blockedByAnyone.reset() }
        relation.isBlockedByAnyone = try blockedByAnyone.step()
        if relation.isBlockedByAnyone { relation.isBlocked = try isBlocked(user, by: other) }
        if standing != .contact { (relation.heldMessages, relation.heldBytes) = try held.sum(from: user, to: other) }
        return relation
    }

    func contacts(of user: Identifier) throws(SQLiteError) -> [Contact] {
        rows.bindCopy(1, user.description)
        defer { rows.reset() }
        var found: [Contact] = []
        while try rows.step() {
            guard let other = Identifier(rows.text(0)), let state = ContactState(rawValue: rows.integer(1)) else {
                throw SQLiteError(corrupt: "switchboard.db: a contact of \(user) isn't valid")
            }
            let seen: Contact.State =
                switch state {
                case .contact: .contact
                case .outgoing, .refused: .outgoing
                case .incoming: .incoming
                }
            found.append(Contact(user: other, state: seen, text: rows.text(2), time: rows.unsigned(3)))
        }
        return found
    }

    func blocks(by user: Identifier) throws(SQLiteError) -> [Identifier] {
        blocks.bindCopy(1, user.description)
        defer { blocks.reset() }
        var found: [Identifier] = []
        while try blocks.step() {
            guard let other = Identifier(blocks.text(0)) else {
                throw SQLiteError(corrupt: "switchboard.db: \(user) has blocked somebody without a valid name")
            }
            found.append(other)
        }
        return found
    }
}
