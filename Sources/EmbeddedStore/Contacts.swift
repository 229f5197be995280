internal import Base
internal import Store

/// Changes contacts, requests and blocks within a transaction of the directory, and tells those whom it concerns.
///
/// *Thread:* that of the fold.
struct Contacts: ~Copyable {
    private let put: Statement
    private let delete: Statement
    private let refuse: Statement
    private let count: Statement
    private let block: Statement
    private let unblock: Statement
    private let blockCount: Statement
    private let reader: ContactReader
    private let held: HeldMessages

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let put = try connection.prepare("INSERT OR REPLACE INTO contacts VALUES(?1, ?2, ?3, ?4, ?5)")
        let delete = try connection.prepare("DELETE FROM contacts WHERE user = ?1 AND other = ?2")
        let refuse = try connection.prepare(
            "UPDATE contacts SET state = \(ContactState.refused.rawValue) WHERE user = ?1 AND other = ?2")
        let count = try connection.prepare("SELECT count(*) FROM contacts WHERE user = ?1")
        let block = try connection.prepare("INSERT OR IGNORE INTO user_blocks VALUES(?1, ?2)")
        let unblock = try connection.prepare("DELETE FROM user_blocks WHERE user = ?1 AND other = ?2")
        let blockCount = try connection.prepare("SELECT count(*) FROM user_blocks WHERE user = ?1")
        let reader = try ContactReader(connection)
        let held = try HeldMessages(connection)
        self.put = put
        self.delete = delete
        self.refuse = refuse
        self.count = count
        self.block = block
        self.unblock = unblock
        self.blockCount = blockCount
        self.reader = reader
        self.held = held
    }

    func change(
        _ command: ContactCommand, _ pending: inout PendingRecords, now: UInt64
    ) throws(SQLiteError) -> Result<Relation, StoreError> {
        switch command {
        case .request(let user, let other, let text, let isImplied):
            return try request(by: user, to: other, text, isImplied: isImplied, &pending, now: now)
        case .accept(let user, let asker): return try accept(by: user, from: asker, &pending, now: now)
        case .reject(let user, let asker):
            guard try reject(by: user, from: asker) else { return .failure(.notFound) }
            return .success(try reader.relation(of: user, to: asker))
        case .remove(let user, let other):
            guard try reader.state(of: user, to: other) == .contact else { return .failure(.notFound) }
            try remove(user, other)
            try remove(other, user)
            try pending.add(ContactNotice(.removed, by: user, other).notice(to: [user, other]))
            return .success(try reader.relation(of: user, to: other))
        case .block(let user, let other):
            guard try number(blockCount, of: user) < Limits.contactsMax else { return .failure(Contacts.tooMany) }
            try run(block, user, other)
            _ = try reject(by: user, from: other)
            return .success(try reader.relation(of: user, to: other))
        case .unblock(let user, let other):
            try run(unblock, user, other)
            return .success(try reader.relation(of: user, to: other))
        }
    }

    private static let tooMany = StoreError.conflict("there are too many contacts, requests or blocks already")

    private func request(
        by user: Identifier, to other: Identifier, _ text: String, isImplied: Bool, _ pending: inout PendingRecords,
        now: UInt64
    ) throws(SQLiteError) -> Result<Relation, StoreError> {
        let relation = try reader.relation(of: user, to: other)
        guard !relation.isBlocked else { return .success(relation) }
        switch try reader.state(of: user, to: other) {
        case .contact, .outgoing: return .success(relation)
        case .refused where isImplied: return .success(relation)
        case .incoming: return try accept(by: user, from: other, &pending, now: now)
        case .refused, nil: break
        }
        // Whoever was refused has a row that stays in that state: the two are one request.
        if try reader.state(of: other, to: user) == .refused {
            return try join(by: user, with: other, &pending, now: now)
        }
        guard try number(count, of: user) < Limits.contactsMax, try number(count, of: other) < Limits.contactsMax else {
            return .failure(Contacts.tooMany)
        }
        try put(user, other, .outgoing, text, now)
        try put(other, user, .incoming, text, now)
        try pending.add(ContactNotice(.request, by: user, other, text: text).notice(to: [other]))
        return .success(try reader.relation(of: user, to: other))
    }

    private func accept(
        by user: Identifier, from asker: Identifier, _ pending: inout PendingRecords, now: UInt64
    ) throws(SQLiteError) -> Result<Relation, StoreError> {
        switch try reader.state(of: user, to: asker) {
        case .contact: return .success(try reader.relation(of: user, to: asker))
        case .incoming: return try join(by: user, with: asker, &pending, now: now)
        case .outgoing, .refused, nil: return .failure(.notFound)
        }
    }

    /// Makes contacts of the two and releases what was held.
    private func join(
        by user: Identifier, with asker: Identifier, _ pending: inout PendingRecords, now: UInt64
    ) throws(SQLiteError) -> Result<Relation, StoreError> {
        try put(user, asker, .contact, "", now)
        try put(asker, user, .contact, "", now)
        try pending.add(ContactNotice(.accepted, by: user, asker).notice(to: [user, asker]))
        try held.release(user, asker, &pending)
        return .success(try reader.relation(of: user, to: asker))
    }

    /// False if nobody asked. Who asked isn't told, and doesn't ask again by messages that are held.
    private func reject(by user: Identifier, from asker: Identifier) throws(SQLiteError) -> Bool {
        switch try reader.state(of: user, to: asker) {
        case .incoming:
            try run(refuse, asker, user)
            try remove(user, asker)
            return true
        case .contact, .outgoing, .refused: return false
        case nil: return try reader.state(of: asker, to: user) == .refused
        }
    }

    private func put(
        _ user: Identifier, _ other: Identifier, _ state: ContactState, _ text: String, _ time: UInt64
    ) throws(SQLiteError) {
        put.bindCopy(1, user.description)
        put.bindCopy(2, other.description)
        put.bind(3, state.rawValue)
        put.bindCopy(4, text)
        put.bind(5, time)
        try put.run()
    }

    private func remove(_ user: Identifier, _ other: Identifier) throws(SQLiteError) { try run(delete, user, other) }

    private func run(
        _ statement: borrowing Statement, _ user: Identifier, _ other: Identifier
    ) throws(SQLiteError) {
        statement.bindCopy(1, user.description)
        statement.bindCopy(2, other.description)
        try statement.run()
    }

    private func number(_ count: borrowing Statement, of user: Identifier) throws(SQLiteError) -> Int {
        count.bindCopy(1, user.description)
        defer { count.reset() }
        return try count.step() ? count.integer(0) : 0
    }
}
