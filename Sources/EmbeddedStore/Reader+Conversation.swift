internal import Base
internal import Store

/// Up to where the members of groups have read. *Thread:* that of the connection.
struct GroupReaders: ~Copyable {
    private let select: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        select = try connection.prepare(
            """
            SELECT m.user, c.cseq FROM members m JOIN users u ON u.name = m.user
            JOIN cursors c ON c.user = u.number AND c.conversation = ?2
            WHERE m.group_id = ?1 AND c.cseq > 0 ORDER BY m.user
            """)
    }

    /// The members who have read something, by their ids.
    func all(of group: Identifier, in conversation: UInt64) throws(SQLiteError) -> [ConversationView.Reader] {
        defer { select.reset() }
        select.bindCopy(1, group.description)
        select.bind(2, conversation)
        var found: [ConversationView.Reader] = []
        while try select.step() {
            guard let user = Identifier(select.text(0)) else {
                throw SQLiteError(corrupt: "switchboard.db: group \(group) has a member without a valid name")
            }
            found.append(ConversationView.Reader(user: user, cseq: select.unsigned(1)))
        }
        return found
    }
}

extension Reader {
    /// One conversation, also one in which nothing was said yet.
    mutating func conversation(
        _ key: ConversationKey, for viewer: Identifier, withReaders: Bool
    ) throws(SQLiteError) -> ConversationView {
        try inSnapshot { (reader) throws(SQLiteError) in
            guard let user = try reader.number(of: viewer), let number = try reader.number(of: key),
                let who = try reader.who(in: number, user, viewer)
            else { return try reader.emptyConversation(key, for: viewer, withReaders: withReaders) }
            var page = PageBuilder(limit: .max, through: 0)
            let chat = Chat(number: number, place: 0, who: who)
            let item = try reader.item(chat, of: user, viewer, &page, needsLast: false)
            guard let item else { throw SQLiteError(corrupt: "switchboard.db: a page has no room for one message") }
            var readers: [ConversationView.Reader]?
            switch key {
            case .group(let group): if withReaders { readers = try reader.groupReaders.all(of: group, in: number) }
            case .privately:
                let other = key.destination(of: viewer)
                readers = item.peerCursor.map { $0 > 0 ? [ConversationView.Reader(user: other, cseq: $0)] : [] }
            }
            readers?.removeAll { $0.user == viewer }
            return ConversationView(arena: page.arena, item: item, readers: withReaders ? readers : nil)
        }
    }

    private func emptyConversation(
        _ key: ConversationKey, for viewer: Identifier, withReaders: Bool
    ) throws(SQLiteError) -> ConversationView {
        let name =
            if case .group(let id) = key {
                try text(group, of: id)
            } else {
                try text(accountName, of: key.destination(of: viewer))
            }
        let item = ChatList.Item(
            conversation: key, name: name, last: nil, place: 0, time: 0, unread: 0, cursor: 0, peerCursor: nil)
        return ConversationView(arena: RecordArena(capacity: 0), item: item, readers: withReaders ? [] : nil)
    }
}

extension ConversationKey {
    /// The other one of a private conversation; a group is its own.
    fileprivate func destination(of user: Identifier) -> Identifier {
        switch self {
        case .privately(let first, let second): first == user ? second : first
        case .group(let id): id
        }
    }
}
