/// Whose inbox tells of what.
struct MarkKey: Hashable {
    var user: Int
    var conversation: String
}

// Groups that are too large for their members' inboxes: pushes to whoever is live, and marks for the rest.
extension Checker {
    /// Takes a message that was pushed without a place in the inbox.
    func takePush(_ entry: SeenEntry, _ connection: ClientConnection) {
        let user = connection.device.user
        see(entry, by: user, inInbox: false, askedAt: connection.view.moment)
        guard let number = SentMessage.number(in: entry.text), let group = messages[number].group else {
            return broken("only a group's messages come without a seq: \(entry.text.prefix(40))")
        }
        expect(messages[number].sender != user, "one's own messages have a seq: message \(number)")
        expect(
            memberships[group][messages[number].oldestMembership...].contains { $0.count > inboxMembersMax },
            "a message without a seq is of a large group: message \(number)")
        let last = connection.view.pushed.updateValue(entry.cseq, forKey: entry.conversation) ?? 0
        expect(
            entry.cseq > last, "pushes of a group come in cseq order, each once: \(entry.cseq) after \(last)")
    }

    /// Takes a notification that tells of a group's messages.
    func mark(_ entry: SeenEntry, of user: Int) {
        expect(entry.sender == userNames[user], "a mark is the user's own: \(entry.text) by \(entry.sender)")
        marks[MarkKey(user: user, conversation: entry.conversation), default: [:]][entry.seq] = entry.cseq
    }

    /// Marks tell of something new each, and of nothing that there isn't.
    func finishMarks() {
        for (key, marks) in marks {
            let places = marks.sorted { $0.key < $1.key }.map(\.value)
            for (place, next) in zip(places, places.dropFirst()) {
                expect(place < next, "a mark tells of something new: \(next) after \(place) of \(key)")
            }
            let head = conversationHeads[key.conversation] ?? 0
            expect(places.allSatisfy { $0 <= head }, "a mark tells of what there is: \(places) of \(head), \(key)")
        }
    }

    /// The last message of a group that was surely meant for a user, and the last one that has a place in its inbox.
    func lastMessage(of group: Int, for user: Int) -> (sent: UInt64, placed: UInt64) {
        var sent: UInt64 = 0
        var placed: UInt64 = 0
        for message in messages where message.group == group {
            guard let cseq = message.numbers?.cseq else { continue }
            if message.places[user] != nil { placed = max(placed, cseq) }
            let isSure = memberships[group][message.oldestMembership...].allSatisfy {
                $0.contains(user) && $0.count > inboxMembersMax
            }
            if isSure { sent = max(sent, cseq) }
        }
        return (sent, placed)
    }
}
