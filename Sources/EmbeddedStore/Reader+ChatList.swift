internal import Base
package import Store

extension Reader {
    /// A page of a user's conversations.
    ///
    /// Every page walks the user's activity from the newest entry on, since only that tells which entries of a
    /// conversation are outdated; what a walk costs is an entry of 24 bytes a conversation and run. Names, messages and
    /// numbers are read for the page's items alone.
    package mutating func chatList(_ query: ChatListQuery) throws(SQLiteError) -> ChatList {
        try inSnapshot { (reader) throws(SQLiteError) in
            guard let user = try reader.number(of: query.user) else {
                return ChatList(arena: RecordArena(capacity: 0), items: [])
            }
            let candidates = try reader.chats(of: user, query)
            var page = PageBuilder(limit: .max, through: 0)
            var items: [ChatList.Item] = []
            for chat in candidates {
                guard let item = try reader.item(chat, of: user, query.user, &page) else { break }
                items.append(item)
            }
            items.reverse()
            return ChatList(arena: page.arena, items: items)
        }
    }

    /// A conversation that belongs into a page.
    struct Chat {
        let number: UInt64
        let place: UInt64
        let who: Who

        enum Who {
            /// The other's number, or the user's own.
            case other(UInt64)
            case group(Identifier)
        }
    }

    /// The page's conversations, newest first; groups that the user isn't in any more are none of them.
    private func chats(of user: UInt64, _ query: ChatListQuery) throws(SQLiteError) -> [Chat] {
        let end: UInt64 =
            switch query.before {
            case nil: .max
            case .item(let place): place
            case .time(let time): MessageID.first(at: time)
            }
        var seen: Set<UInt64> = []
        var found: [Chat] = []
        try runs.backward(.activity, owner: user, before: UInt64(Int64.max)) { (place, number) throws(SQLiteError) in
            guard seen.insert(number).inserted, place < end else { return true }
            guard found.count < query.limit else { return false }
            if let who = try who(in: number, user, query.user) {
                found.append(Chat(number: number, place: place, who: who))
            }
            return true
        }
        return found
    }

    func who(
        in number: UInt64, _ user: UInt64, _ name: Identifier
    ) throws(SQLiteError) -> Chat.Who? {
        conversationUsers.bind(1, number)
        defer { conversationUsers.reset() }
        guard try conversationUsers.step() else {
            throw SQLiteError(corrupt: "switchboard.db: conversation \(number) is missing")
        }
        guard conversationUsers.isText(1) else {
            let owner = conversationUsers.unsigned(0)
            return .other(owner == user ? conversationUsers.unsigned(1) : owner)
        }
        guard let group = Identifier(conversationUsers.text(1)) else {
            throw SQLiteError(corrupt: "switchboard.db: conversation \(number) has no valid group")
        }
        member.bindCopy(1, group.description)
        member.bindCopy(2, name.description)
        defer { member.reset() }
        return try member.step() ? .group(group) : nil
    }

    /// One item with its last message, which goes into `page`; nil if that is full, unless the message isn't needed.
    mutating func item(
        _ chat: Chat, of user: UInt64, _ name: Identifier, _ page: inout PageBuilder, needsLast: Bool = true
    ) throws(SQLiteError) -> ChatList.Item? {
        let numbers = try positions.conversation(chat.number)
        var hidden: [UInt64: UInt64] = [:]
        if case .other = chat.who { hidden = try held.messages(in: chat.number, hiddenFrom: user) }
        var last: UInt32?
        var begin: UInt64 = 0
        if case .other = chat.who { begin = try erased.lastID(of: user) }
        if let id = try lastID(in: chat.number, numbers, hidden), id > begin {
            if try append(id, seq: 0, place: 0, to: &page) {
                last = page.arena.entries.last?.offset
            } else if needsLast {
                return nil
            }
        }
        var item = ChatList.Item(
            conversation: .privately(name, name), name: nil, last: last, place: chat.place,
            time: MessageID.time(chat.place), unread: 0, cursor: 0, peerCursor: nil)
        let cursor: ReadCursor
        switch chat.who {
        case .group(let group):
            item.conversation = .group(group)
            item.name = try text(self.group, of: group)
            cursor = try CursorTable.cursor(user, chat.number, self.cursor)
        case .other(let other):
            let side = ConversationSide(of: user, with: other)
            let otherName = try self.name(of: other, &page.names)
            item.conversation = ConversationKey(command: 10, sender: name, destination: otherName)
            item.name = try text(accountName, of: otherName)
            if try !contacts.isBlockBetween(name, otherName) {
                let peer = numbers[other == user ? side : side.other].cseq
                item.peerCursor = try place(upTo: peer, in: chat.number, without: hidden)
            }
            cursor = numbers[side]
        }
        item.unread = cursor.unread(head: numbers.head) - UInt64(hidden.values.count { $0 > cursor.cseq })
        item.cursor = try place(upTo: cursor.cseq, in: chat.number, without: hidden)
        return item
    }

    /// The place of the last message up to `cseq` that isn't held back: a cursor that passed held ones doesn't show it.
    private func place(
        upTo cseq: UInt64, in conversation: UInt64, without hidden: [UInt64: UInt64]
    ) throws(SQLiteError) -> UInt64 {
        guard hidden.values.contains(where: { $0 <= cseq }) else { return cseq }
        var place: UInt64 = 0
        try runs.backward(.history, owner: conversation, before: cseq + 1) { (cseq, value) throws(SQLiteError) in
            if hidden[HistoryValue.id(value)] == nil { place = cseq }
            return place == 0
        }
        return place
    }

    /// The last message that isn't held back; nil if there is none.
    private func lastID(
        in conversation: UInt64, _ numbers: ConversationNumbers, _ hidden: [UInt64: UInt64]
    ) throws(SQLiteError) -> UInt64? {
        guard numbers.head > 0 else { return nil }
        guard hidden[numbers.lastID] != nil else { return numbers.lastID }
        var last: UInt64?
        try runs.backward(.history, owner: conversation, before: UInt64(Int64.max)) { (_, value) throws(SQLiteError) in
            let id = HistoryValue.id(value)
            if hidden[id] == nil { last = id }
            return last == nil
        }
        return last
    }

    /// The first column of the row for an id, which is a text.
    func text(_ row: borrowing Statement, of id: Identifier) throws(SQLiteError) -> String? {
        row.bindCopy(1, id.description)
        defer { row.reset() }
        return try row.step() ? row.text(0) : nil
    }
}
