package import Base
internal import Store

/// What an erasure takes away, counted.
package struct ErasurePlan: Sendable, Equatable {
    package var hasAccount = false
    /// Contacts and requests.
    package var contacts = 0
    package var blocks = 0
    package var groups = 0
    /// Private conversations.
    package var conversations = 0
    /// Messages that the user sent, and whose content goes.
    package var messages = 0
    package var devices = 0
    /// Entries that wait in the inbox.
    package var inbox: UInt64 = 0
}

/// Erases users from the data directory of a router that is stopped.
///
/// First one transaction ends all that the user's id has, and notes that the rest is to be done; then the content of
/// what the user sent goes, step by step, and the files are written anew. Whoever opens the store next finishes what
/// was interrupted.
package enum UserErasure {
    /// What erasing a user would take away; nil if nothing is known of the id.
    package static func plan(
        of user: Identifier, in path: String, inboxMembersMax: Int
    ) throws(StoreOpenError) -> ErasurePlan? {
        let directory = try StoppedStore.open(path, inboxMembersMax: inboxMembersMax)
        return try explaining(path) { () throws(SQLiteError) in try plan(of: user, directory) }
    }

    /// Erases a user; false if nothing is known of the id. Nothing is left to do when it returns.
    ///
    /// - Parameter loginsExpire: when no login of before is good any more, milliseconds since the Unix epoch.
    package static func erase(
        _ user: Identifier, in path: String, inboxMembersMax: Int, loginsExpire: UInt64
    ) throws(StoreOpenError) -> Bool {
        guard try begin(user, in: path, inboxMembersMax: inboxMembersMax, loginsExpire: loginsExpire) else {
            return false
        }
        // Whoever opens the store finishes it.
        _ = try StoppedStore.open(path, inboxMembersMax: inboxMembersMax)
        return true
    }

    /// Does the part after which there is no way back; false if nothing is known of the id.
    package static func begin(
        _ user: Identifier, in path: String, inboxMembersMax: Int, loginsExpire: UInt64
    ) throws(StoreOpenError) -> Bool {
        let directory = try StoppedStore.open(path, inboxMembersMax: inboxMembersMax)
        return try explaining(path) { () throws(SQLiteError) in
            guard try plan(of: user, directory) != nil else { return false }
            var removal = try UserRemoval(user, directory.index, inboxMembersMax: inboxMembersMax)
            try removal.run(loginsExpire: loginsExpire)
            return true
        }
    }

    /// Whether a user was erased and nothing has come for the id since.
    package static func isErased(_ user: Identifier, in path: String) throws(StoreOpenError) -> Bool {
        try explaining(path) { () throws(SQLiteError) in
            let connection = try Connection(path: path + "/switchboard.db", options: ConnectionOptions())
            let row = try connection.prepare("SELECT 1 FROM erased WHERE id = ?1")
            row.bindCopy(1, user.description)
            return try row.step()
        }
    }

    /// Does what is left to do of all erasures. If the files can't be written anew, for want of space, that stays left.
    static func finish(_ directory: borrowing DataDirectory) throws(SQLiteError) {
        do {
            var content = try SentContent(directory.index)
            try content.finish()
        }
        guard (try? FileCompaction.run(directory)) != nil else { return }
        let connection = try Connection(path: directory.index, options: ConnectionOptions())
        try connection.execute("UPDATE erased SET unfinished = 0 WHERE unfinished")
        try connection.checkpoint(truncating: true)
    }

    private static func explaining<Value>(
        _ path: String, _ body: () throws(SQLiteError) -> Value
    ) throws(StoreOpenError) -> Value {
        do {
            return try body()
        } catch {
            throw StoreOpenError("can't use the store in \(path): \(error.description)")
        }
    }

    private static func plan(
        of user: Identifier, _ directory: borrowing DataDirectory
    ) throws(SQLiteError) -> ErasurePlan? {
        let connection = try Connection(path: directory.index, options: ConnectionOptions())
        let reader = try Reader(connection)
        var positions = try Positions(connection)
        func count(_ sql: String, _ number: UInt64) throws(SQLiteError) -> Int {
            let rows = try connection.prepare("SELECT count(*) FROM \(sql)")
            rows.bindCopy(1, user.description)
            rows.bind(2, number)
            return try rows.step() ? rows.integer(0) : 0
        }
        let number = try reader.number(of: user) ?? 0
        let before = try reader.erased.lastID(of: number)
        var plan = ErasurePlan()
        plan.hasAccount = try count("accounts WHERE id = ?1 AND ?2 >= 0", number) > 0
        plan.contacts = try count("contacts WHERE user = ?1 AND ?2 >= 0", number)
        plan.blocks = try count("user_blocks WHERE user = ?1 AND ?2 >= 0", number)
        plan.groups = try count("members WHERE user = ?1 AND ?2 >= 0", number)
        guard number > 0 else { return plan == ErasurePlan() ? nil : plan }
        plan.devices = try count("devices WHERE ?1 <> '' AND user = ?2", number)
        plan.conversations = try count("conversations WHERE ?1 <> '' AND (owner = ?2 OR peer = ?2)", number)
        plan.messages = try count("messages WHERE ?1 <> '' AND sender = ?2 AND kind = 1 AND id > \(before)", number)
        positions.begin()
        plan.inbox = try positions.user(number, .head) - (try positions.user(number, .floor))
        let isNew = try count("erased WHERE id = ?1 AND user = ?2", number) == 0
        let isEmpty = plan.messages == 0 && plan.inbox == 0 && plan.devices == 0 && !plan.hasAccount
        return !isNew && isEmpty && plan.contacts + plan.blocks + plan.groups == 0 ? nil : plan
    }
}
