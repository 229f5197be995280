internal import Base
internal import Core

// What one session may be told.
extension Checker {
    /// Takes a frame that came in on `connection`.
    func take(_ frame: ServerFrame, on connection: ClientConnection) {
        let isPart: Bool =
            switch frame {
            case .entry, .ack, .behind, .error: true
            default: false
            }
        if isPart, !connection.view.binaryPages.isEmpty {
            connection.view.held.append(frame)
            // A read that failed is answered by an error without a cid.
            if case .error(let reply) = frame, reply.cid == 0, reply.ref == nil { endFailedPage(connection) }
            return
        }
        judge(frame, connection)
    }

    private func judge(_ frame: ServerFrame, _ connection: ClientConnection) {
        let user = connection.device.user
        if case .welcome(let seq, let confirmed) = frame { return welcome(seq, confirmed, connection) }
        expect(connection.view.isWelcome, "the welcome is the first frame")
        switch frame {
        case .welcome: break
        case .ack(let ack, let attempt, let cid): takeAck(ack, attempt, cid, connection)
        case .accepted(let attempt):
            guard case .send = connection.view.questions[attempt] else {
                return broken("an accepted ack comes before the durable one: attempt \(attempt)")
            }
            connection.view.accepted.insert(attempt)
        case .entry(let entry):
            expect(!connection.view.isBehind, "a session that is behind gets no pushes: \(entry.seq)")
            guard entry.seq > 0 else { return takePush(entry, connection) }
            see(entry, by: user, inInbox: true, askedAt: connection.view.moment)
            advance(to: entry.seq, connection, "push")
        case .fetched(let entries, let more, let ref):
            guard case .page(let page) = connection.view.questions.removeValue(forKey: ref) else {
                return broken("a page was asked for: \(ref)")
            }
            takePage(entries, more: more, page, connection)
        case .binaryFetched(let last, let more): endBinaryPage(last, more, connection)
        case .history(let conversation, let entries, let more, let ref):
            guard case .history(let asked) = connection.view.questions.removeValue(forKey: ref) else {
                return broken("a history was asked for: \(ref)")
            }
            expect(conversation == asked.conversation, "history is of what was asked for: \(conversation)")
            takeHistory(entries, more, asked, connection)
        case .behind(let seq):
            expect(seq == connection.view.last, "behind tells the last push: \(seq) after \(connection.view.last)")
            connection.view.isBehind = true
        case .ok(let ref, let offset): takeOK(ref, offset, connection)
        case .subscribed(let place, let ref): subscribed(place, ref, connection)
        case .published(let publication): published(publication, connection)
        case .lost(let channel, let after, let offset): lost(channel, after: after, through: offset, connection)
        case .error(let reply): takeError(reply, connection)
        case .typing(let sender, let conversation):
            let isOwn = conversation.split(separator: ":").contains { $0 == userNames[user] }
            expect(isOwn || !conversation.contains(":"), "typing reaches only its conversation: \(conversation)")
            expect(userNames.contains(sender), "typing has an author")
        case .read(let reader, let conversation, let cseq):
            readTold(reader, conversation, cseq, to: user)
        case .status(let online, let ref): takeStatus(online, ref, connection)
        }
    }

    private func welcome(_ seq: UInt64, _ confirmed: UInt64, _ connection: ClientConnection) {
        let device = connection.device
        expect(!connection.view.isWelcome, "there is one welcome")
        connection.view.isWelcome = true
        expect(
            seq >= connection.view.known,
            "nothing that was seen is lost: \(device.userID)'s inbox ends at \(seq), seen \(connection.view.known)")
        expect(
            confirmed >= device.confirmAnswered,
            "a confirm that was answered is durable: \(confirmed) of \(device.confirmAnswered)")
        expect(confirmed <= seq, "a confirm ends at the inbox's end: \(confirmed) of \(seq)")
        if device.isKnown {
            expect(
                confirmed <= device.confirmSent,
                "only a device confirms for itself: \(device.userID)/\(device.name) has \(confirmed), "
                    + "sent \(device.confirmSent)"
            )
        } else {
            device.isKnown = true
            device.confirmSent = max(device.confirmSent, confirmed)
            device.have = max(device.have, confirmed)
            if connection.view.after == nil {
                device.have = max(device.have, seq)
                unseen[device.user] = max(unseen[device.user], seq)
            }
        }
        connection.view.last = min(connection.view.after ?? seq, seq)
        connection.view.floor = max(confirmed, device.confirmSent)
    }

    /// The next entry or ack of a session must be the next place, unless what lies between is confirmed and gone.
    private func advance(to seq: UInt64, _ connection: ClientConnection, _ what: String) {
        let view = connection.view
        let gone = max(view.floor, connection.device.confirmSent)
        expect(
            seq > view.last && seq <= max(view.last, gone) + 1,
            "\(what) of a session comes in seq order without holes: \(seq) after \(view.last) "
                + "for \(connection.device.userID)"
        )
        connection.view.last = max(view.last, seq)
        connection.device.has(seq)
    }

    // MARK: Answers

    private func takeAck(_ ack: SeenAck, _ attempt: UInt64?, _ cid: UInt64, _ connection: ClientConnection) {
        guard let (ref, number) = sendQuestion(attempt, cid, connection) else {
            return broken("an ack answers a message: cid \(cid)")
        }
        connection.view.questions[ref] = nil
        expect(cid == messages[number].cid, "an ack repeats the cid: \(cid)")
        acked(number, ack)
        guard !ack.isDuplicate else { return }
        if connection.view.isBehind {
            connection.device.has(ack.seq)
        } else {
            advance(to: ack.seq, connection, "ack")
        }
    }

    /// The attempt that an answer is for: by its number, or the oldest one with the cid; for JSON, of those that were
    /// accepted.
    private func sendQuestion(_ attempt: UInt64?, _ cid: UInt64, _ connection: ClientConnection) -> (UInt64, Int)? {
        if let attempt {
            guard case .send(let number) = connection.view.questions[attempt] else { return nil }
            return (attempt, number)
        }
        for (ref, question) in connection.view.questions.sorted(by: { $0.key < $1.key }) {
            guard connection.form != .json || connection.view.accepted.contains(ref) else { continue }
            if case .send(let number) = question, messages[number].cid == cid { return (ref, number) }
        }
        return nil
    }

    private func takeOK(_ ref: UInt64, _ offset: UInt64?, _ connection: ClientConnection) {
        switch connection.view.questions.removeValue(forKey: ref) {
        case .confirm(let seq): connection.device.confirmAnswered = max(connection.device.confirmAnswered, seq)
        case .typing, .unwatch: break
        case .publish(let channel): tookPublish(channel, offset ?? 0, connection)
        case .unsubscribe(let channel): connection.view.channels[channel] = nil
        case .read(let place): readAnswered(place)
        case .edit(let number, let edit): edited(number, edit)
        case .recall(let number): recalled(number)
        default: broken("ok answers what has no other answer: \(ref)")
        }
    }

    private func takeError(_ reply: ServerFrame.ErrorReply, _ connection: ClientConnection) {
        if let ref = reply.ref {
            guard let question = connection.view.questions.removeValue(forKey: ref) else {
                return broken("an error answers a question: \(ref) \(reply.code) \(reply.message)")
            }
            switch question {
            case .send(let number): takeRefusal(number, reply)
            case .edit(let number, let edit): changeRefused(number, edit: edit, reply)
            case .recall(let number): changeRefused(number, edit: nil, reply)
            // It watches, but wasn't told how they stand.
            case .watch(let names): for name in names { connection.view.online[name] = nil }
            default: break
            }
        } else if reply.cid != 0, let (ref, number) = sendQuestion(nil, reply.cid, connection) {
            connection.view.questions[ref] = nil
            takeRefusal(number, reply)
        } else {
            broken("an error answers a question: \(reply.code) \(reply.message)")
        }
    }

    private func takeRefusal(_ number: Int, _ reply: ServerFrame.ErrorReply) {
        let isKnown = ["internal", "not_member", "silenced", "not_found"].contains(reply.code)
        expect(isKnown, "a good message is stored: \(reply.code) \(reply.message)")
        // "it isn't known whether this was stored": then it may be there or not.
        if !reply.message.contains("isn't known") { refused(number) }
    }

    private func takeStatus(_ online: [String: Bool], _ ref: UInt64?, _ connection: ClientConnection) {
        if let ref {
            guard case .watch(let names) = connection.view.questions.removeValue(forKey: ref) else {
                return broken("a status with a reference answers a watch: \(ref)")
            }
            expect(Set(names) == Set(online.keys), "a watch is answered for whom it names: \(online.keys)")
        }
        connection.view.online.merge(online) { $1 }
    }

    // MARK: Pages

    private func takePage(_ entries: [SeenEntry], more: Bool, _ page: PageQuestion, _ connection: ClientConnection) {
        let user = connection.device.user
        expect(entries.count <= page.limit, "a page has at most what was asked for: \(entries.count) of \(page.limit)")
        expect(!more || !entries.isEmpty || connection.view.isBehind, "a page with more after it isn't empty")
        var last = page.after
        for entry in entries {
            see(entry, by: user, inInbox: true, askedAt: page.moment)
            expect(
                entry.seq > last && entry.seq <= max(last, connection.view.floor, connection.device.confirmSent) + 1,
                "a page has no holes: \(entry.seq) after \(last) for \(connection.device.userID)")
            last = entry.seq
            connection.device.has(entry.seq)
        }
        if !more {
            expect(
                max(last, connection.view.floor, connection.device.confirmSent) >= page.known,
                "a page sees what was committed before: it ends at \(last), seen \(page.known)")
        }
        guard connection.view.isBehind, page.after <= connection.view.last else { return }
        connection.view.last = max(connection.view.last, last)
        if !more { connection.view.isBehind = false }
    }

    /// What is held is pushes and acks, and then the page, which has no holes.
    private func endBinaryPage(_ last: UInt64, _ more: Bool, _ connection: ClientConnection) {
        guard !connection.view.binaryPages.isEmpty else { return broken("a page was asked for") }
        let page = connection.view.binaryPages.removeFirst()
        var held = connection.view.held
        connection.view.held = []
        var entries: [SeenEntry] = []
        var next = last
        while next > page.after, case .entry(let entry)? = held.last, entry.seq == next {
            entries.append(entry)
            held.removeLast()
            next -= 1
        }
        for frame in held { judge(frame, connection) }
        let gone = max(page.after, connection.view.floor, connection.device.confirmSent)
        let isLast = entries.first.map { $0.seq == last } ?? (page.after...gone).contains(last)
        expect(isLast, "fetched tells the last entry: \(last)")
        takePage(entries.reversed(), more: more, page, connection)
    }

    private func endFailedPage(_ connection: ClientConnection) {
        connection.view.binaryPages.removeFirst()
        let held = connection.view.held.dropLast()
        connection.view.held = []
        for frame in held { judge(frame, connection) }
    }

    private func takeHistory(
        _ entries: [SeenEntry], _ more: Bool, _ asked: HistoryQuestion, _ connection: ClientConnection
    ) {
        expect(entries.count <= asked.limit, "a history has at most what was asked for")
        for (index, message) in entries.enumerated() {
            expect(message.conversation == asked.conversation, "a history is of one conversation")
            let seen = see(message, by: connection.device.user, inInbox: false, askedAt: asked.moment)
            if asked.isFinal, let seen { messages[seen.number].changes.last = seen.version }
            if index > 0 {
                expect(
                    message.cseq == entries[index - 1].cseq + 1,
                    "a history has no holes: \(message.cseq) of \(asked.conversation)")
            }
        }
        let first = entries.first?.cseq
        let last = entries.last?.cseq
        if let after = asked.after {
            if let first { expect(first == after + 1, "history goes on after \(after): \(first)") }
            if !more { expect(max(last ?? 0, after) >= asked.known, "history has what was seen: \(asked.known)") }
            if asked.isFinal, !more { finishHistory(asked.conversation, through: last ?? after) }
        } else {
            let end = min(asked.before.map { $0 - 1 } ?? asked.known, asked.known)
            if asked.before != nil, let last, end < asked.known { expect(last == end, "history ends before: \(last)") }
            expect((last ?? 0) >= end, "history has what was seen: \(last ?? 0) of \(end) in \(asked.conversation)")
            expect(more == ((first ?? 1) > 1), "more tells of older messages: \(first ?? 0) \(more)")
        }
    }
}

extension Device {
    /// Notes an entry; moves on to the last one before which nothing is missing.
    func has(_ seq: UInt64) {
        guard seq > have else { return }
        ahead.insert(seq)
        while ahead.remove(have + 1) != nil { have += 1 }
    }
}
