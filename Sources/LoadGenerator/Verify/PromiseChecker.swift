internal import Base

/// What the router promises its clients, as far as they can see it.
package enum Promise: String, Sendable, CaseIterable {
    case ackedIsKept = "what was acked is stored, for everyone it was sent to"
    case storedOnce = "nothing is stored twice"
    case inboxIsWhole = "an inbox is 1, 2, 3 …"
    case conversationIsWhole = "a conversation is 1, 2, 3 …"
    case pushedInOrder = "a session gets the entries in order, each once"
    case resumeIsWhole = "who resumes with after gets everything"
    case idsAreUnique = "an id belongs to one message"
    case idsGrow = "ids grow in the order of the commits"
    case contentIsIdentical = "content arrives as it was sent"
    case numbersAgree = "acks, pushes and pages tell the same numbers"
    case nothingIsInvented = "an inbox holds what was sent to its user, and nothing else"
    case membersAreTold = "a member of a large group is told of its newest message"
    case confirmIsKept = "an answered confirm stays"
    case everythingIsAnswered = "every message is answered, sooner or later"
    case stopsWhenTold = "a router that asks for a restart acks nothing until it got one"
    case keepsRunning = "the router ends only when it is told to, or says why it can't start"
    case nothingUnexpected = "only such frames come as may come"
}

/// A promise that was broken, with all that is needed to look at it.
package struct Violation: Sendable, Equatable {
    package var promise: Promise
    /// Whose inbox, or which conversation.
    package var subject: String
    package var detail: String
}

/// Holds what clients noted against what the store says, both taken while nothing was under way.
package struct PromiseChecker: Sendable {
    package var journals: [ClientJournal]
    /// Each user's whole inbox.
    package var inboxes: [String: [StoredEntry]]
    /// Each conversation from its beginning.
    package var histories: [String: [StoredEntry]]
    /// The members of each group.
    package var groups: [String: [String]]
    /// Members up to which a group message is in every member's inbox.
    package var inboxMembersMax: Int

    package init(
        journals: [ClientJournal], inboxes: [String: [StoredEntry]], histories: [String: [StoredEntry]],
        groups: [String: [String]], inboxMembersMax: Int = Limits.inboxMembersDefault
    ) {
        self.inboxMembersMax = inboxMembersMax
        self.journals = journals
        self.inboxes = inboxes
        self.histories = histories
        self.groups = groups
    }

    /// Everything that is wrong, in no order of importance.
    package func violations() -> [Violation] {
        var found = Findings(sent: sentMessages)
        for (conversation, messages) in histories.sorted(by: { $0.key < $1.key }) {
            checkHistory(conversation, messages, &found)
        }
        for journal in journals {
            let inbox = inboxes[journal.user] ?? []
            checkInbox(journal.user, inbox, &found)
            checkSessions(journal, inbox, &found)
            checkPushes(journal, &found)
            checkMarks(journal, inbox, &found)
        }
        checkAcks(&found)
        return found.violations
    }

    /// What is gathered on the way.
    struct Findings {
        let sent: [MessageKey: ClientJournal.Sent]
        var violations: [Violation] = []
        /// The message that each id was seen on.
        var ids: [UInt64: MessageKey] = [:]

        mutating func add(_ promise: Promise, _ subject: String, _ detail: String) {
            violations.append(Violation(promise: promise, subject: subject, detail: detail))
        }
    }

    private var sentMessages: [MessageKey: ClientJournal.Sent] {
        var sent: [MessageKey: ClientJournal.Sent] = [:]
        for journal in journals {
            for (cid, message) in journal.sent { sent[MessageKey(sender: journal.user, cid: cid)] = message }
        }
        return sent
    }

    // MARK: The store by itself

    private func checkHistory(_ conversation: String, _ messages: [StoredEntry], _ found: inout Findings) {
        for (place, message) in messages.enumerated() where message.cseq != UInt64(place + 1) {
            found.add(.conversationIsWhole, conversation, "\(place + 1) was to come: \(message.summary)")
            break
        }
        checkRow(conversation, messages, &found)
        for message in messages {
            if let other = found.ids.updateValue(message.key, forKey: message.id), other != message.key {
                found.add(.idsAreUnique, conversation, "\(message.summary); the id is that of \(other)")
            }
            guard let sent = found.sent[message.key] else { continue }
            if PromiseChecker.conversation(message.sender, sent) != conversation {
                found.add(.nothingIsInvented, conversation, "was sent elsewhere: \(message.summary)")
            }
        }
    }

    private func checkInbox(_ user: String, _ inbox: [StoredEntry], _ found: inout Findings) {
        for (place, entry) in inbox.enumerated() where entry.seq != UInt64(place + 1) {
            found.add(.inboxIsWhole, user, "\(place + 1) was to come: \(entry.summary)")
            break
        }
        checkRow(user, inbox, &found)
        for entry in inbox where entry.isMessage {
            guard let sent = found.sent[entry.key] else { continue }
            if !recipients(entry.sender, sent).contains(user) {
                found.add(.nothingIsInvented, user, "was sent to \(sent.destination): \(entry.summary)")
            }
        }
    }

    /// What holds along an inbox as along a conversation.
    private func checkRow(_ subject: String, _ row: [StoredEntry], _ found: inout Findings) {
        var places: [MessageKey: StoredEntry] = [:]
        var last: StoredEntry?
        for entry in row where entry.isMessage {
            if let last, last.id >= entry.id {
                found.add(.idsGrow, subject, "\(entry.summary); before it id \(last.id)")
            }
            last = entry
            if let other = places.updateValue(entry, forKey: entry.key) {
                found.add(.storedOnce, subject, "\(other.summary); and \(entry.summary)")
            }
            checkContent(subject, entry, &found)
        }
    }

    func checkContent(_ subject: String, _ entry: StoredEntry, _ found: inout Findings) {
        guard let sent = found.sent[entry.key] else {
            return found.add(.nothingIsInvented, subject, "nobody sent it: \(entry.summary)")
        }
        if let digest = entry.digest, digest != sent.digest {
            let digests = "\(String(sent.digest, radix: 16)) was sent, \(String(digest, radix: 16)) came"
            found.add(.contentIsIdentical, subject, "\(digests): \(entry.summary)")
        }
    }

    // MARK: The journals against the store

    private func checkSessions(_ journal: ClientJournal, _ inbox: [StoredEntry], _ found: inout Findings) {
        var seen: UInt64 = 0
        for (number, session) in journal.sessions.enumerated() {
            let name = "\(journal.user), session \(number + 1) after \(session.after)"
            seen = max(seen, session.after)
            if session.announced < seen {
                found.add(.ackedIsKept, name, "the inbox ends at \(session.announced), \(seen) had been seen")
            }
            if session.confirmed < session.confirmedBefore {
                found.add(.confirmIsKept, name, "\(session.confirmedBefore) was confirmed, \(session.confirmed) is")
            }
            for (place, entry) in session.entries.enumerated() where entry.seq != session.after + UInt64(place) + 1 {
                let due = session.after + UInt64(place) + 1
                found.add(.pushedInOrder, name, "\(due) was to come: \(entry.summary)")
                break
            }
            for entry in session.entries { compare(entry, with: inbox, name, &found) }
            seen = max(seen, session.end)
        }
        if let last = journal.sessions.last, let end = inbox.last?.seq, last.end != end {
            found.add(.resumeIsWhole, journal.user, "the inbox ends at \(end), the last session at \(last.end)")
        }
        for surprise in journal.surprises { found.add(.nothingUnexpected, journal.user, surprise) }
    }

    /// Holds an entry that was pushed against the one that is stored in its place.
    private func compare(_ entry: StoredEntry, with inbox: [StoredEntry], _ name: String, _ found: inout Findings) {
        guard entry.isMessage else { return }
        checkContent(name, entry, &found)
        let place = Int(entry.seq) - 1
        guard place >= 0, place < inbox.count else {
            return found.add(.ackedIsKept, name, "was seen and isn't stored: \(entry.summary)")
        }
        let stored = inbox[place]
        if stored.key != entry.key || stored.id != entry.id || stored.cseq != entry.cseq {
            found.add(.numbersAgree, name, "seen \(entry.summary); stored \(stored.summary)")
        }
    }

    private func checkAcks(_ found: inout Findings) {
        let rows = histories.mapValues { PromiseChecker.byKey($0) }
        let boxes = inboxes.mapValues { PromiseChecker.byKey($0) }
        for journal in journals {
            for ack in journal.acks {
                guard let sent = found.sent[ack.key] else {
                    found.add(.nothingUnexpected, journal.user, "ack of nothing: \(ack.summary)")
                    continue
                }
                if let stored = rows[ack.conversation]?[ack.key] {
                    if stored.id != ack.id || stored.cseq != ack.cseq {
                        found.add(.numbersAgree, journal.user, "acked \(ack.summary); stored \(stored.summary)")
                    }
                } else {
                    found.add(.ackedIsKept, journal.user, "not in the history: \(ack.summary)")
                }
                for user in recipients(journal.user, sent) where boxes[user]?[ack.key] == nil {
                    found.add(.ackedIsKept, journal.user, "not in the inbox of \(user): \(ack.summary)")
                }
                if let own = boxes[journal.user]?[ack.key], own.seq != ack.seq {
                    found.add(.numbersAgree, journal.user, "acked \(ack.summary); stored \(own.summary)")
                }
            }
        }
    }

    private static func byKey(_ entries: [StoredEntry]) -> [MessageKey: StoredEntry] {
        Dictionary(entries.lazy.filter(\.isMessage).map { ($0.key, $0) }) { first, _ in first }
    }

    // MARK: Names

    private func recipients(_ sender: String, _ sent: ClientJournal.Sent) -> [String] {
        guard sent.isGroup else { return [sender, sent.destination] }
        return isLarge(sent.destination) ? [sender] : groups[sent.destination] ?? []
    }

    /// Whether a group's messages are in the sender's inbox alone.
    func isLarge(_ group: String) -> Bool { groups[group]?.count ?? 0 > inboxMembersMax }

    /// The conversation that a message belongs to.
    static func conversation(_ sender: String, _ sent: ClientJournal.Sent) -> String {
        if sent.isGroup { return sent.destination }
        return sender.utf8.lexicographicallyPrecedes(sent.destination.utf8)
            ? "\(sender):\(sent.destination)" : "\(sent.destination):\(sender)"
    }
}
