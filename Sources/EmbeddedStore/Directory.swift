internal import Base
package import Store

/// Changes what is known about users and groups, each change in a transaction of its own on the connection that also
/// folds.
///
/// *Thread:* that of the fold.
package struct Directory: ~Copyable {
    private let groups: Groups
    private let contacts: Contacts
    private var accounts: Accounts
    private let events: EventDelivery
    private var pending: PendingRecords

    package init(
        _ connection: borrowing Connection, options: FoldOptions = FoldOptions(),
        largeGroupMembers: LargeGroupMembers = LargeGroupMembers()
    ) throws(SQLiteError) {
        let groups = try Groups(connection, options, largeGroupMembers)
        let contacts = try Contacts(connection)
        let accounts = try Accounts(connection)
        let events = try EventDelivery(connection)
        let pending = try PendingRecords(connection)
        self.groups = groups
        self.contacts = contacts
        self.accounts = accounts
        self.events = events
        self.pending = pending
    }

    /// Does one command; what was changed is durable when this returns.
    package mutating func perform(
        _ command: DirectoryCommand, on connection: borrowing Connection, now: UInt64
    ) -> Result<DirectoryAnswer, StoreError> {
        do {
            var result: Result<DirectoryAnswer, StoreError> = .failure(.notFound)
            pending.begin()
            try connection.transaction { () throws(SQLiteError) in
                result = try change(command, now: now)
            }
            pending.commit()
            return result
        } catch {
            // After a failed sync the change may be there all the same once the store is opened again.
            return .failure(error.isFatal ? .unknownOutcome(error.description) : .unavailable(error.description))
        }
    }

    /// The notices of the commands so far, once; to be given to the journal.
    package mutating func takeNotices() -> RecordArena? { pending.take() }

    private mutating func change(
        _ command: DirectoryCommand, now: UInt64
    ) throws(SQLiteError) -> Result<DirectoryAnswer, StoreError> {
        switch command {
        case .group(let command): return try groups.change(command, &pending).map { .group($0) }
        case .contact(let command):
            return try contacts.change(command, &pending, now: now).map { .relation($0) }
        case .account(let command): return try accounts.change(command).map { .account($0) }
        case .eventsDelivered(let number):
            try events.note(through: number)
            return .success(.done)
        }
    }
}
