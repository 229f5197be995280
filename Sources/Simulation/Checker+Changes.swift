internal import Base

/// What was done to a message after it was sent, and what was heard of it.
struct MessageChanges {
    struct Edit {
        var text: String
        var isAnswered = false
        /// The router said that the message was recalled.
        var isRefused = false
    }

    /// All that were ever tried.
    var edits: [Edit] = []
    var recallTries = 0
    var isRecallAnswered = false
    /// The checker's moment from which on nothing that is asked for may show the content.
    var recalledAt: Int?
    /// By the id of the notification, the edit that it told of; nil once its content was taken away.
    var told: [UInt64: Int?] = [:]
    var recallTold: UInt64?
    /// What the history had at the end.
    var last: Version?

    /// What a client is shown of a message.
    enum Version: Equatable {
        case sent
        case edited(Int)
        case recalled
    }

    func edit(with text: String) -> Int? { edits.firstIndex { $0.text == text } }
}

/// What the contract says of edited and recalled messages: everybody comes to the same, and what is recalled is gone.
extension Checker {
    /// What `entry` shows of a message, if it may be shown to somebody who asked at a moment.
    func version(of entry: SeenEntry, _ number: Int, askedAt: Int) -> MessageChanges.Version? {
        let message = messages[number]
        if entry.isRecalled {
            expect(message.changes.recallTries > 0, "nothing is recalled unasked: message \(number)")
            knowRecalled(number)
            return .recalled
        }
        expectShowable(number, askedAt)
        guard entry.isEdited else {
            expect(
                entry.text == message.text,
                "content is byte-identical: message \(number) came as \(entry.text.prefix(60))")
            return .sent
        }
        guard let edit = message.changes.edit(with: entry.text) else {
            broken("an edited message is what somebody made of it: message \(number) is \(entry.text.prefix(60))")
            return nil
        }
        expectNotRefused(number, edit)
        return .edited(edit)
    }

    /// Takes a notification of an edit or a recall.
    func seeChange(_ entry: SeenEntry, recalls: Bool, askedAt: Int) {
        guard let number = conversations[entry.conversation]?[entry.cseq] else {
            return broken("what is changed is a message: \(entry.cseq) of \(entry.conversation)")
        }
        expect(
            entry.sender == userNames[messages[number].sender], "only the author changes a message: \(entry.sender)")
        if recalls {
            let known = messages[number].changes.recallTold
            expect(known == nil || known == entry.id, "a recall is told once: message \(number)")
            messages[number].changes.recallTold = entry.id
            expect(messages[number].changes.recallTries > 0, "nothing is recalled unasked: message \(number)")
            return knowRecalled(number)
        }
        guard !entry.isRecalled else {
            expect(messages[number].changes.recallTries > 0, "nothing is recalled unasked: message \(number)")
            if messages[number].changes.told[entry.id] == nil { messages[number].changes.told[entry.id] = .some(nil) }
            return knowRecalled(number)
        }
        expectShowable(number, askedAt)
        guard let edit = messages[number].changes.edit(with: entry.text) else {
            return broken("an edit is told as it was made: message \(number) with \(entry.text.prefix(60))")
        }
        expectNotRefused(number, edit)
        if let known = messages[number].changes.told[entry.id] ?? nil {
            expect(known == edit, "an edit is told alike to everybody: \(known) and \(edit) of message \(number)")
        }
        messages[number].changes.told[entry.id] = edit
    }

    private func expectShowable(_ number: Int, _ askedAt: Int) {
        guard let recalledAt = messages[number].changes.recalledAt else { return }
        expect(askedAt <= recalledAt, "what was recalled comes out of nothing any more: message \(number)")
    }

    private func expectNotRefused(_ number: Int, _ edit: Int) {
        expect(!messages[number].changes.edits[edit].isRefused, "an edit that was refused shows nowhere: \(number)")
    }

    private func knowRecalled(_ number: Int) {
        guard messages[number].changes.recalledAt == nil else { return }
        messages[number].changes.recalledAt = moment
        moment += 1
    }

    // MARK: Answers

    func edited(_ number: Int, _ edit: Int) { messages[number].changes.edits[edit].isAnswered = true }

    func recalled(_ number: Int) {
        messages[number].changes.isRecallAnswered = true
        knowRecalled(number)
    }

    /// The router didn't do it.
    func changeRefused(_ number: Int, edit: Int?, _ reply: ServerFrame.ErrorReply) {
        let isKnown = ["internal", "not_member", "silenced", "not_found", "overloaded"].contains(reply.code)
        guard let edit, reply.code == "conflict" else {
            return expect(isKnown, "the author may change a message: \(reply.code) \(reply.message)")
        }
        expect(messages[number].changes.recallTries > 0, "only a recalled message can't be edited: \(number)")
        messages[number].changes.edits[edit].isRefused = true
        for told in messages[number].changes.told.values where told == edit { expectNotRefused(number, edit) }
    }

    // MARK: The end

    /// Everybody was told of everything, and the history is what follows from that.
    func finishChanges(_ message: SentMessage) {
        let changes = message.changes
        let told = changes.told.sorted { $0.key < $1.key }
        if changes.isRecallAnswered {
            expect(changes.recallTold != nil, "a recall that was answered is told: message \(message.number)")
        }
        if let recall = changes.recallTold {
            expect(told.allSatisfy { $0.key < recall }, "nothing is told after a recall: message \(message.number)")
        } else {
            for (index, edit) in changes.edits.enumerated() where edit.isAnswered {
                let isTold = told.contains { $0.value == index }
                expect(isTold, "an edit that was answered is told: \(edit.text.prefix(20))")
            }
        }
        guard let last = changes.last else { return }
        let expected: MessageChanges.Version =
            changes.recallTold != nil ? .recalled : told.last.map { .edited(($0.value ?? nil) ?? -1) } ?? .sent
        expect(last == expected, "all come to the same end: message \(message.number) is \(last), told \(expected)")
    }
}
