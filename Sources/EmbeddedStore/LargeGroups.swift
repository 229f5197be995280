package import Base
internal import Synchronization

/// The users who may be owed marks: the members of all groups whose messages lie, or once lay, in their history only.
///
/// There may be others in it as well, never fewer: whoever is in it costs a look into the index at each sign-in.
/// *Thread:* any.
package final class LargeGroupMembers: Sendable {
    private let hashes = Mutex<Set<UInt64>>([])
    /// Saves everyone else the lock as long as there is no large group.
    private let isEmpty = Atomic(true)

    package init() {}

    /// Reads them from the index.
    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let rows = try connection.prepare(
            """
            SELECT DISTINCT user FROM members WHERE group_id IN (
                SELECT peer FROM history_only JOIN conversations ON number = conversation)
            """)
        var users: [Identifier] = []
        while try rows.step() { if let user = Identifier(rows.text(0)) { users.append(user) } }
        insert(users)
    }

    /// Adds members of a large group; to be called before a message with them as its audience can be stored.
    func insert(_ users: some Sequence<Identifier>) {
        let wasEmpty = hashes.withLock { hashes in
            for user in users { hashes.insert(user.hash64) }
            return hashes.isEmpty
        }
        if !wasEmpty { isEmpty.store(false, ordering: .releasing) }
    }

    /// Whether the user may be owed a mark.
    package func mayContain(_ user: Identifier) -> Bool {
        guard !isEmpty.load(ordering: .acquiring) else { return false }
        return hashes.withLock { $0.contains(user.hash64) }
    }
}

/// Up to where groups have messages that lie in their history only, and up to where their members were told.
struct MarkTable {
    /// Groups that have such messages, or had some in a round that failed.
    private(set) var names: Set<Identifier> = []
    /// The last such message by the number of the conversation; all of them, since large groups are few.
    private(set) var heads: [UInt64: UInt64] = [:]
    /// What isn't in the index yet.
    private var told: [TellKey: Told] = [:]
    /// The same in the order of the batches, for ``folded(through:)``.
    private var order: [(key: TellKey, batch: UInt64)] = []
    let members: LargeGroupMembers

    /// Whom what was told of.
    struct TellKey: Hashable {
        var user: UInt64
        var conversation: UInt64
    }

    struct Told {
        var cseq: UInt64
        var batch: UInt64
    }

    init(members: LargeGroupMembers) { self.members = members }

    /// Takes over what the index has.
    mutating func load(_ index: borrowing Connection) throws(SQLiteError) {
        let rows = try index.prepare(
            "SELECT peer, conversation, cseq FROM history_only JOIN conversations ON number = conversation")
        while try rows.step() {
            guard let group = Identifier(rows.text(0)) else {
                throw SQLiteError(corrupt: "switchboard.db: a conversation has no valid group")
            }
            names.insert(group)
            heads[rows.unsigned(1)] = rows.unsigned(2)
        }
    }

    /// Notes a group that has its first such message.
    mutating func add(_ group: Identifier) { names.insert(group) }

    /// Sets the last such message of a conversation, 0 for none; gives what it was.
    mutating func setHead(_ cseq: UInt64, conversation: UInt64) -> UInt64 {
        (cseq == 0 ? heads.removeValue(forKey: conversation) : heads.updateValue(cseq, forKey: conversation)) ?? 0
    }

    /// Up to where a user was told, if the index may not have it.
    func told(_ key: TellKey) -> Told? { told[key] }

    mutating func setTold(_ value: Told?, _ key: TellKey) {
        told[key] = value
        if let value { order.append((key, value.batch)) }
    }

    /// Forgets what the index has.
    mutating func folded(through batch: UInt64) {
        guard let first = order.first, first.batch <= batch else { return }
        let count = order.prefix { $0.batch <= batch }.count
        for (key, _) in order[..<count] where told[key].map({ $0.batch <= batch }) ?? false { told[key] = nil }
        order.removeFirst(count)
    }
}
