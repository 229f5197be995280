internal import Base
internal import Store

/// Changes accounts within a transaction of the directory.
///
/// *Thread:* that of the fold.
struct Accounts: ~Copyable {
    private var reader: AccountReader
    private let create: Statement
    private let rehash: Statement
    private let setPassword: Statement
    private let end: Statement
    private let forget: Statement
    private let outdate: Statement
    private let revoke: Statement
    private let revoked: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let reader = try AccountReader(connection)
        let create = try connection.prepare(
            """
            INSERT INTO accounts(
                id, name, name_key, email, email_key, password, created, generation, kept, older_expire)
            VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce((SELECT generation FROM erased WHERE id = ?1), 0), 0, 0)
            RETURNING generation
            """)
        let rehash = try connection.prepare("UPDATE accounts SET password = ?3 WHERE id = ?1 AND password = ?2")
        let setPassword = try connection.prepare(
            "UPDATE accounts SET password = ?2, generation = ?3, kept = ?4, older_expire = ?5 WHERE id = ?1")
        let end = try connection.prepare("INSERT OR REPLACE INTO ended_logins VALUES(?1, ?2, ?3)")
        let forget = try connection.prepare("DELETE FROM ended_logins WHERE expires <= ?1")
        let outdate = try connection.prepare(
            "UPDATE accounts SET generation = ?2, kept = 0, older_expire = ?3 WHERE id = ?1")
        let revoke = try connection.prepare(
            """
            INSERT INTO revoked_users VALUES(?1, ?2)
            ON CONFLICT(user) DO UPDATE SET issued_before = max(issued_before, excluded.issued_before)
            """)
        let revoked = try connection.prepare("SELECT issued_before FROM revoked_users WHERE user = ?1")
        self.outdate = outdate
        self.revoke = revoke
        self.revoked = revoked
        self.reader = reader
        self.create = create
        self.rehash = rehash
        self.setPassword = setPassword
        self.end = end
        self.forget = forget
    }

    mutating func change(_ command: AccountCommand) throws(SQLiteError) -> Result<AccountAnswer, StoreError> {
        switch command {
        case .create(let account, let password, let takesInbox, let time):
            try add(account, password, takesInbox: takesInbox, time: time)
        case .rehash(let id, let old, let new):
            try replace(old, by: new, of: id)
        case .setPassword(let id, let old, let new, let kept, let expires):
            try change(old, to: new, of: id, keeping: kept, expires: expires)
        case .end(let login, let user, let expires, let time):
            try end(login, of: user, expires: expires, time: time)
        case .revoke(let user, let before, let expires):
            try revoke(user, before: before, expires: expires)
        }
    }

    private mutating func add(
        _ account: Account, _ password: String, takesInbox: Bool, time: UInt64
    ) throws(SQLiteError) -> Result<AccountAnswer, StoreError> {
        if try reader.secret(.email(account.email)) != nil {
            return .failure(.conflict("there is an account with this e-mail address"))
        }
        if try reader.secret(.id(account.id)) != nil { return .failure(.conflict("this id is taken")) }
        if !takesInbox, try reader.hasInbox(account.id) {
            return .failure(.conflict("this id has messages already: only who proves it with a token may take it"))
        }
        create.bindCopy(1, account.id.description)
        create.bindCopy(2, account.name)
        create.bindCopy(3, AccountReader.key(account.name))
        create.bindCopy(4, account.email)
        create.bindCopy(5, AccountReader.key(account.email))
        create.bindCopy(6, password)
        create.bind(7, time)
        defer { create.reset() }
        guard try create.step() else { throw SQLiteError(corrupt: "switchboard.db: an account wasn't written") }
        let generation = UInt32(truncatingIfNeeded: create.integer(0))
        _ = try create.step()
        return .success(.created(generation: generation))
    }

    private func replace(
        _ old: String, by new: String, of id: Identifier
    ) throws(SQLiteError) -> Result<AccountAnswer, StoreError> {
        rehash.bindCopy(1, id.description)
        rehash.bindCopy(2, old)
        rehash.bindCopy(3, new)
        try rehash.run()
        return .success(.done)
    }

    private func change(
        _ old: String, to new: String, of id: Identifier, keeping kept: UInt64, expires: UInt64
    ) throws(SQLiteError) -> Result<AccountAnswer, StoreError> {
        guard let secret = try reader.secret(.id(id)) else { return .failure(.notFound) }
        guard secret.password == old else { return .failure(.conflict("the password was changed meanwhile")) }
        let generation = secret.generation + 1
        setPassword.bindCopy(1, id.description)
        setPassword.bindCopy(2, new)
        setPassword.bind(3, UInt64(generation))
        setPassword.bind(4, kept)
        setPassword.bind(5, expires)
        try setPassword.run()
        return .success(.ended([.older(user: id, generation: generation, kept: kept, expires: expires)]))
    }

    private func end(
        _ login: UInt64, of user: Identifier?, expires: UInt64, time: UInt64
    ) throws(SQLiteError) -> Result<AccountAnswer, StoreError> {
        forget.bind(1, time)
        try forget.run()
        end.bind(1, login)
        end.bindCopy(2, user?.description ?? "")
        end.bind(3, expires)
        try end.run()
        return .success(.ended([.login(id: login, expires: expires)]))
    }

    private func revoke(
        _ user: Identifier, before: UInt64, expires: UInt64
    ) throws(SQLiteError) -> Result<AccountAnswer, StoreError> {
        revoke.bindCopy(1, user.description)
        revoke.bind(2, before)
        try revoke.run()
        revoked.bindCopy(1, user.description)
        defer { revoked.reset() }
        guard try revoked.step() else { throw SQLiteError(corrupt: "switchboard.db: a row just written is missing") }
        var ends = [LoginEnd.issued(user: user, before: revoked.unsigned(0))]
        if let secret = try reader.secret(.id(user)) {
            let generation = secret.generation + 1
            outdate.bindCopy(1, user.description)
            outdate.bind(2, UInt64(generation))
            outdate.bind(3, expires)
            try outdate.run()
            ends.append(.older(user: user, generation: generation, kept: 0, expires: expires))
        }
        return .success(.ended(ends))
    }
}

extension LoginState {
    private static let keyBytes = 32

    /// Reads what was known, and makes the key of a new store.
    ///
    /// - Parameter now: what ended by itself before is left out; milliseconds since the Unix epoch.
    init(_ connection: borrowing Connection, now: UInt64) throws(SQLiteError) {
        var key: [UInt8] = []
        let known = try connection.prepare("SELECT value FROM meta WHERE key = 'login_key'")
        if try known.step() { key = Array(known.bytes(0)) }
        known.reset()
        if key.isEmpty {
            var random = SystemRandomNumberGenerator()
            key = (0..<LoginState.keyBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let digits = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            try connection.execute("INSERT INTO meta VALUES('login_key', X'\(digits)')")
        }
        guard key.count == LoginState.keyBytes else {
            throw SQLiteError(corrupt: "switchboard.db: the key of the logins hasn't \(LoginState.keyBytes) bytes")
        }
        var ends: [LoginEnd] = []
        let logins = try connection.prepare("SELECT login, expires FROM ended_logins WHERE expires > ?1")
        logins.bind(1, now)
        while try logins.step() { ends.append(.login(id: logins.unsigned(0), expires: logins.unsigned(1))) }
        // Who was erased comes first: a new account of the same id may have ended logins of its own.
        let older = try connection.prepare(
            """
            SELECT id, generation, 0, expires FROM erased WHERE expires > ?1 UNION ALL
            SELECT id, generation, kept, older_expire FROM accounts WHERE older_expire > 0 AND older_expire > ?1
            """)
        older.bind(1, now)
        while try older.step() {
            guard let user = Identifier(older.text(0)) else { throw SQLiteError(corrupt: AccountReader.invalid) }
            ends.append(
                .older(
                    user: user, generation: UInt32(truncatingIfNeeded: older.integer(1)), kept: older.unsigned(2),
                    expires: older.unsigned(3)))
        }
        let revoked = try connection.prepare("SELECT user, issued_before FROM revoked_users")
        while try revoked.step() {
            guard let user = Identifier(revoked.text(0)) else { throw SQLiteError(corrupt: AccountReader.invalid) }
            ends.append(.issued(user: user, before: revoked.unsigned(1)))
        }
        self.init(key: key, ends: ends)
    }
}
