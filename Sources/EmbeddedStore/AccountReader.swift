internal import Base
internal import Store

/// Answers questions about accounts. *Thread:* that of its connection.
struct AccountReader: ~Copyable {
    private let byID: Statement
    private let byEmail: Statement
    private let byName: Statement
    private let inbox: Statement
    private var positions: Positions
    private let contacts: ContactReader

    static let invalid = "switchboard.db: an account has no valid id"

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let columns = "SELECT id, name, email, password, generation FROM accounts WHERE"
        let byID = try connection.prepare("\(columns) id = ?1")
        let byEmail = try connection.prepare("\(columns) email_key = ?1")
        let byName = try connection.prepare(
            "\(columns) name_key >= ?1 AND name_key < ?2 ORDER BY name_key, id LIMIT ?3")
        let inbox = try connection.prepare(
            "SELECT number, head FROM users LEFT JOIN erased ON id = name WHERE name = ?1")
        let positions = try Positions(connection)
        let contacts = try ContactReader(connection)
        self.contacts = contacts
        self.byID = byID
        self.byEmail = byEmail
        self.byName = byName
        self.inbox = inbox
        self.positions = positions
    }

    /// What names and addresses are compared by.
    static func key(_ text: String) -> String { text.lowercased() }

    /// nil: what was asked for isn't there.
    mutating func answer(_ question: AccountQuestion) throws(SQLiteError) -> AccountAnswer? {
        switch question {
        case .find(let name): try secret(name).map { .secret($0) }
        case .isTaken(let id): .flag(try isTaken(id))
        case .search(let text, let viewer, let limit): .profiles(try search(text, viewer, limit))
        }
    }

    /// An account and its secret; nil if there is none.
    func secret(_ name: AccountName) throws(SQLiteError) -> AccountSecret? {
        switch name {
        case .id(let id):
            byID.bindCopy(1, id.description)
            defer { byID.reset() }
            return try byID.step() ? secret(byID) : nil
        case .email(let email):
            byEmail.bindCopy(1, AccountReader.key(email))
            defer { byEmail.reset() }
            return try byEmail.step() ? secret(byEmail) : nil
        }
    }

    private mutating func isTaken(_ id: Identifier) throws(SQLiteError) -> Bool {
        if try secret(.id(id)) != nil { return true }
        return try hasInbox(id)
    }

    /// Whether anything was ever stored for an id, or since its user was erased.
    mutating func hasInbox(_ id: Identifier) throws(SQLiteError) -> Bool {
        inbox.bindCopy(1, id.description)
        defer { inbox.reset() }
        guard try inbox.step() else { return false }
        guard !inbox.isNull(1) else { return true }
        positions.begin()
        return try positions.user(inbox.unsigned(0), .head) > inbox.unsigned(1)
    }

    private func search(_ text: String, _ viewer: Identifier, _ limit: Int) throws(SQLiteError) -> [Profile] {
        var found: [Account] = []
        if let id = Identifier(text), let secret = try secret(.id(id)) { found.append(secret.account) }
        if let secret = try secret(.email(text)) { found.append(secret.account) }
        let prefix = AccountReader.key(text)
        byName.bindCopy(1, prefix)
        byName.bindCopy(2, prefix + "\u{10FFFF}")
        byName.bind(3, limit)
        defer { byName.reset() }
        while try byName.step() { found.append(try secret(byName).account) }
        var seen: Set<Identifier> = []
        var profiles: [Profile] = []
        for account in found where profiles.count < limit && seen.insert(account.id).inserted {
            profiles.append(try profile(of: account, for: viewer))
        }
        return profiles
    }

    /// An account as a user may see it; nil if there is none.
    func profile(of user: Identifier, for viewer: Identifier) throws(SQLiteError) -> Profile? {
        guard let secret = try secret(.id(user)) else { return nil }
        return try profile(of: secret.account, for: viewer)
    }

    private func profile(of account: Account, for viewer: Identifier) throws(SQLiteError) -> Profile {
        let showsEmail = try showsEmail(of: account.id, to: viewer)
        return Profile(id: account.id, name: account.name, email: showsEmail ? account.email : nil)
    }

    /// Whether a user may see another one's e-mail address: the one place that decides it.
    func showsEmail(of user: Identifier, to viewer: Identifier) throws(SQLiteError) -> Bool {
        if user == viewer { return true }
        return try contacts.state(of: viewer, to: user) == .contact
    }

    private func secret(_ rows: borrowing Statement) throws(SQLiteError) -> AccountSecret {
        guard let id = Identifier(rows.text(0)) else { throw SQLiteError(corrupt: AccountReader.invalid) }
        return AccountSecret(
            account: Account(id: id, name: rows.text(1), email: rows.text(2)), password: rows.text(3),
            generation: UInt32(truncatingIfNeeded: rows.integer(4)))
    }
}
