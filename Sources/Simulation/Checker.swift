internal import Base

/// The contract once more, as a model of what clients may be told; knows nothing of how the router does it.
///
/// Whatever any client sees is held against all that any client has seen before, in this process or in one that
/// crashed: numbers that were told are never given to anything else.
final class Checker {
    /// The first broken promise.
    private(set) var violation: String?

    let userNames: [String]
    /// Members up to which a group message has a place in every member's inbox.
    let inboxMembersMax: Int
    var messages: [SentMessage] = []
    /// What lies at each place of each inbox.
    private var inboxes: [[UInt64: Int]]
    /// What notifications say, by id; in an inbox they stand as the negative of it.
    private var notices: [UInt64: String] = [:]
    private(set) var conversations: [String: [UInt64: Int]] = [:]
    private var ids: [UInt64: Int] = [:]
    /// The last place that was seen, of each user and conversation.
    private(set) var heads: [UInt64]
    private(set) var conversationHeads: [String: UInt64] = [:]
    /// Grows with each message that is known to be recalled.
    var moment = 0
    /// Entries of each user up to here may never have been seen: the user began there.
    var unseen: [UInt64]
    /// By user and group, the marks that were seen: place in the inbox, and up to where it tells.
    var marks: [MarkKey: [UInt64: UInt64]] = [:]
    /// Every membership that each group had or may have had, in order; members as indexes of users.
    var memberships: [[Set<Int>]] = []
    var channels = ChannelBook()
    var reads: [ReadKey: ReadRange] = [:]

    init(userNames: [String], inboxMembersMax: Int) {
        self.userNames = userNames
        self.inboxMembersMax = inboxMembersMax
        inboxes = Array(repeating: [:], count: userNames.count)
        heads = Array(repeating: 0, count: userNames.count)
        unseen = Array(repeating: 0, count: userNames.count)
    }

    /// Notes that a promise is broken; only the first one counts.
    func broken(_ promise: @autoclosure () -> String) {
        if violation == nil { violation = promise() }
    }

    func expect(_ holds: Bool, _ promise: @autoclosure () -> String) {
        if !holds { broken(promise()) }
    }

    // MARK: What is seen

    /// Takes a message that a client of `user` was shown; without a place in its inbox if it was in a history.
    ///
    /// - Parameter moment: when it was asked for.
    /// - Returns: what it shows of the message.
    @discardableResult
    func see(
        _ entry: SeenEntry, by user: Int, inInbox: Bool, askedAt moment: Int
    ) -> (number: Int, version: MessageChanges.Version)? {
        if let change = entry.change { seeChange(entry, recalls: change == .recall, askedAt: moment) }
        if entry.isNotice {
            expect(inInbox, "a notification is in no history: \(entry.text)")
            seeNotice(entry, by: user)
            return nil
        }
        let known = entry.isRecalled ? conversations[entry.conversation]?[entry.cseq] : nil
        guard let number = known ?? SentMessage.number(in: entry.text), number < messages.count else {
            broken("content is what somebody sent: \(userNames[user]) got \(entry.text.prefix(40))")
            return nil
        }
        let message = messages[number]
        let version = version(of: entry, number, askedAt: moment)
        expect(
            entry.hasExtra == (message.hasExtra && version != .recalled),
            "unknown members reach the recipients: message \(number)")
        expect(
            entry.sender == userNames[message.sender] && entry.conversation == message.conversation,
            "sender and conversation are right: message \(number) from \(entry.sender) in \(entry.conversation)")
        expect(mayRead(number, user), "nobody else ever sees it: \(userNames[user]) got message \(number)")
        see(number, SentMessage.Numbers(id: entry.id, cseq: entry.cseq, time: entry.time))
        if inInbox { place(number, user, entry.seq) }
        return version.map { (number, $0) }
    }

    private func seeNotice(_ entry: SeenEntry, by user: Int) {
        if entry.change == nil, entry.cseq > 0 { mark(entry, of: user) }
        // An edit's content may be gone; what it was is held against the message.
        let content = entry.change == nil ? entry.text : "\(entry.cseq)"
        let text = "\(entry.sender) \(entry.conversation) \(entry.time) \(content)"
        if let known = notices.updateValue(text, forKey: entry.id) {
            expect(known == text, "a notification is the same for everybody: \(entry.id) is \(known) and \(text)")
        }
        expect(ids[entry.id] == nil, "ids are unique: \(entry.id) is a message and a notification")
        let number = -Int(entry.id)
        if let other = inboxes[user].updateValue(number, forKey: entry.seq), other != number {
            broken("a seq is never reassigned: \(entry.seq) of \(userNames[user]) is \(other) and \(number)")
        }
        heads[user] = max(heads[user], entry.seq)
    }

    /// Takes the numbers of a message.
    func see(_ number: Int, _ numbers: SentMessage.Numbers) {
        let message = messages[number]
        if let known = message.numbers {
            expect(known == numbers, "a message has one id: \(number) was \(known) and is \(numbers)")
        }
        messages[number].numbers = numbers
        expect(
            message.refusals < message.attempts,
            "what was refused as not stored isn't stored: message \(number), \(message.attempts) attempts")
        expect(numbers.id < 1 << 53, "ids are below 2^53")
        if let other = ids.updateValue(number, forKey: numbers.id), other != number {
            broken("ids are unique: \(numbers.id) is message \(other) and \(number)")
        }
        if let other = conversations[message.conversation, default: [:]].updateValue(number, forKey: numbers.cseq),
            other != number
        {
            broken(
                "a cseq is never reassigned: \(numbers.cseq) of \(message.conversation) is message \(other) "
                    + "and \(number)"
            )
        }
        conversationHeads[message.conversation] = max(conversationHeads[message.conversation] ?? 0, numbers.cseq)
    }

    /// Takes a message's place in an inbox.
    func place(_ number: Int, _ user: Int, _ seq: UInt64) {
        expect(seq > 0, "an inbox begins at 1")
        if let other = inboxes[user].updateValue(number, forKey: seq), other != number {
            broken("a seq is never reassigned: \(seq) of \(userNames[user]) is message \(other) and \(number)")
        }
        if let known = messages[number].places.updateValue(seq, forKey: user), known != seq {
            broken("nothing is stored twice: message \(number) is \(known) and \(seq) of \(userNames[user])")
        }
        heads[user] = max(heads[user], seq)
    }

    private func mayRead(_ number: Int, _ user: Int) -> Bool {
        let message = messages[number]
        guard let group = message.group else { return user == message.sender || user == message.recipient }
        // A history may show to a new member what was said before.
        return memberships[group][message.oldestMembership...].contains { $0.contains(user) }
    }

    // MARK: Answers to senders

    func acked(_ number: Int, _ ack: SeenAck) {
        let message = messages[number]
        if let conversation = ack.conversation {
            expect(conversation == message.conversation, "an ack names the conversation: \(conversation)")
        }
        if ack.isDuplicate {
            expect(message.attempts > 1, "only a resend is a duplicate: message \(number)")
        } else {
            expect(!message.firstAck, "a resend is answered as a duplicate: message \(number)")
            messages[number].firstAck = true
        }
        see(number, SentMessage.Numbers(id: ack.id, cseq: ack.cseq, time: ack.time))
        place(number, message.sender, ack.seq)
        messages[number].isAcked = true
    }

    /// The router said that this attempt stored nothing.
    func refused(_ number: Int) {
        messages[number].refusals += 1
        let message = messages[number]
        expect(
            message.refusals < message.attempts || message.numbers == nil,
            "what was refused as not stored isn't stored: message \(number)")
    }

    // MARK: The end

    /// Checks what must hold when everybody has everything.
    func finish() {
        for user in userNames.indices { finishInbox(user) }
        finishMarks()
        for (conversation, places) in conversations.sorted(by: { $0.key < $1.key }) {
            finishConversation(conversation, places)
        }
        for message in messages where message.numbers != nil {
            finishRecipients(message)
            finishChanges(message)
        }
        for message in messages where message.isAcked && message.numbers == nil {
            broken("nothing acked is lost: message \(message.number)")
        }
    }

    private func finishInbox(_ user: Int) {
        var lastID: UInt64 = 0
        for seq in stride(from: UInt64(1), through: heads[user], by: 1) {
            guard let number = inboxes[user][seq] else {
                expect(seq <= unseen[user], "an inbox has no hole: \(seq) of \(userNames[user])")
                continue
            }
            let id = number < 0 ? UInt64(-number) : messages[number].numbers?.id ?? 0
            expect(id > lastID, "ids increase along an inbox: \(seq) of \(userNames[user])")
            lastID = id
        }
    }

    private func finishConversation(_ conversation: String, _ places: [UInt64: Int]) {
        var lastID: UInt64 = 0
        var lastTime: UInt64 = 0
        for cseq in stride(from: UInt64(1), through: conversationHeads[conversation] ?? 0, by: 1) {
            guard let number = places[cseq] else { continue }
            guard let numbers = messages[number].numbers else { continue }
            expect(numbers.id > lastID, "ids increase along a conversation: \(cseq) of \(conversation)")
            expect(numbers.time >= lastTime, "time never runs back in a conversation: \(cseq) of \(conversation)")
            lastID = numbers.id
            lastTime = numbers.time
        }
    }

    private func finishRecipients(_ message: SentMessage) {
        let possible: [Set<Int>]
        if let group = message.group {
            possible = Array(memberships[group][message.oldestMembership...])
        } else {
            possible = [[message.sender, message.recipient ?? message.sender]]
        }
        let reached = Set(message.places.keys)
        // Who began later than this message may have it without having seen it.
        let unsure = Set(userNames.indices.filter { unseen[$0] > 0 })
        let isExact = possible.contains { members in
            let isLarge = message.group != nil && members.count > inboxMembersMax
            let members = isLarge ? members.intersection([message.sender]) : members
            return reached.isSubset(of: members) && members.subtracting(unsure).isSubset(of: reached)
        }
        expect(
            isExact, "recipients are exact: message \(message.number) reached \(reached.sorted().map { userNames[$0] })"
        )
    }

    /// Checks that the whole history, as it was read at the end, is all that was ever seen.
    func finishHistory(_ conversation: String, through last: UInt64) {
        let known = conversationHeads[conversation] ?? 0
        expect(last == known, "history has everything: \(conversation) ends at \(last), seen \(known)")
        for cseq in stride(from: UInt64(1), through: known, by: 1) where conversations[conversation]?[cseq] == nil {
            broken("a conversation has no hole: \(cseq) of \(conversation)")
        }
    }
}
