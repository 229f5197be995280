internal import Core
internal import Store

/// A place up to which a client says to have read.
struct ReadPlace {
    var user: Int
    var conversation: String
    var cseq: UInt64
    /// The conversation's end as far as anybody had seen it then.
    var known: UInt64
}

/// Whose cursor it is.
struct ReadKey: Hashable {
    var user: Int
    var conversation: String
}

/// Where a cursor may be: every read that was sent may have come through, what was answered has.
struct ReadRange {
    var answered: UInt64 = 0
    var sent: UInt64 = 0
}

// What users have read, and what chat lists make of it.
extension Checker {
    func readSent(_ place: ReadPlace) {
        let key = ReadKey(user: place.user, conversation: place.conversation)
        reads[key, default: ReadRange()].sent = max(reads[key]?.sent ?? 0, place.cseq)
    }

    func readAnswered(_ place: ReadPlace) {
        let key = ReadKey(user: place.user, conversation: place.conversation)
        let reached = min(place.cseq, place.known)
        reads[key, default: ReadRange()].answered = max(reads[key]?.answered ?? 0, reached)
    }

    /// Somebody was told of a read.
    func readTold(_ reader: String, _ conversation: String, _ cseq: UInt64, to user: Int) {
        guard let index = userNames.firstIndex(of: reader) else { return broken("a read has a reader: \(reader)") }
        let isOwn = conversation.split(separator: ":").contains { $0 == userNames[user] }
        expect(isOwn || !conversation.contains(":"), "a read reaches only its conversation: \(conversation)")
        let sent = reads[ReadKey(user: index, conversation: conversation)]?.sent ?? 0
        expect(cseq <= sent, "a read was said by its reader: \(cseq) of \(conversation), \(reader) said \(sent)")
    }

    /// Checks a user's chat list, when everything that was stored has been seen.
    func finishChatList(_ list: ChatList, _ user: Int) {
        let name = userNames[user]
        let privately = conversations.keys.filter { conversation in
            conversation.contains(":") && conversation.split(separator: ":").contains { $0 == name }
        }
        let listed = list.items.map(\.conversation.name)
        expect(
            Set(listed.filter { $0.contains(":") }) == Set(privately) && Set(listed).count == listed.count,
            "a chat list has every conversation once: \(name) has \(listed), spoke in \(privately.sorted())")
        expect(
            zip(list.items, list.items.dropFirst()).allSatisfy { $0.place < $1.place },
            "a chat list is in the order of what happened: \(name)")
        for item in list.items { finish(item, user) }
    }

    private func finish(_ item: ChatList.Item, _ user: Int) {
        let conversation = item.conversation.name
        let range = reads[ReadKey(user: user, conversation: conversation)] ?? ReadRange()
        expect(
            item.cursor >= range.answered,
            "a read that was answered is durable: \(userNames[user]) in \(conversation), \(item.cursor)")
        // Who came into a group begins at its end without saying so.
        if conversation.contains(":") {
            expect(item.cursor <= range.sent, "only the reader reads: \(userNames[user]) in \(conversation)")
        }
        let unread = (conversations[conversation] ?? [:]).count { cseq, number in
            cseq > item.cursor && messages[number].sender != user
        }
        expect(
            item.unread == UInt64(unread),
            "unread is what others said behind the cursor: \(item.unread) of \(unread) for \(userNames[user]) in "
                + "\(conversation) after \(item.cursor)")
    }
}
