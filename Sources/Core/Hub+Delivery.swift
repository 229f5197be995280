internal import Base
internal import Store
internal import Wire

extension Hub {
    /// A batch is on disk: acks to its senders and entries to its recipients' sessions, in the order of the numbers.
    func deliver(_ notice: CommitNotice) {
        encoded.removeAll()
        let outstanding = outstandingReplies
        if notice.items.count < Hub.wideCommitItems {
            for item in notice.items { deliver(item, notice.arena) }
        } else {
            deliverByRecipient(notice)
        }
        if !livePushes.isEmpty { pushToMembers(of: notice.arena) }
        let answered = outstanding - outstandingReplies
        counters.acks &+= UInt64(answered)
        writtenAcks.add(answered, takenAt: notice.arena.takenAt)
    }

    /// From this many items on a commit is delivered recipient by recipient.
    private static let wideCommitItems = 512

    private func deliver(_ item: CommitNotice.Item, _ arena: RecordArena) {
        let record = arena.record(at: item.record)
        let sender = acknowledge(item, of: record, in: arena)
        guard item.attachment != CommitNotice.Item.noAttachment else {
            if item.isForMembers { livePushes.append(item.record) }
            return
        }
        guard let user = users.user(token: item.attachment) else { return }
        user.head = max(user.head, item.seq)
        user.sessions.forEach { session in
            guard session !== sender else { return }
            push(record, at: item.record, seq: item.seq, to: session)
        }
    }

    /// Writes all that a recipient gets and sends it before the next one's turn: thousands of recipients then share
    /// one block of memory, and each of them is touched once however many messages there are.
    private func deliverByRecipient(_ notice: CommitNotice) {
        chains.link(count: notice.items.count, slots: users.slotCount) { index in
            let item = notice.items[index]
            if let slot = recipientSlot(item, notice.arena) { return slot }
            deliver(item, notice.arena)
            return nil
        }
        for start in chains.starts {
            var index = start
            while index != RecipientChains.none {
                deliver(notice.items[Int(index)], notice.arena)
                index = chains.next(index)
            }
            guard let slot = recipientSlot(notice.items[Int(start)], notice.arena) else { continue }
            users.user(slot: slot)?.sessions.forEach { $0.outlet.flushNow() }
        }
    }

    /// The slot of the user whom an item concerns; nil if it is nobody's who is here.
    private func recipientSlot(_ item: CommitNotice.Item, _ arena: RecordArena) -> Int? {
        if item.attachment != CommitNotice.Item.noAttachment { return users.slot(token: item.attachment) }
        guard !item.isForMembers else { return nil }
        let reply = arena.replies[Int(item.reply)]
        guard reply.form != ReplyForm.external.rawValue, let session = sessions[reply.token] else { return nil }
        return users.slot(token: session.user.token)
    }

    /// Answers the sender, if the answer goes here; returns its session.
    private func acknowledge(_ item: CommitNotice.Item, of record: RecordView, in arena: RecordArena) -> Session? {
        guard item.reply != RecordArena.Entry.noReply else { return nil }
        let reply = arena.replies[Int(item.reply)]
        repliesGiven += 1
        let isExternal = reply.form == ReplyForm.external.rawValue
        let session = isExternal ? nil : sessions[reply.token]
        // The others hear of a read even if its session has left meanwhile.
        if record.kind == .read { tellRead(record, except: session) }
        if isExternal { answerExternally(reply, record) }
        guard let session else { return nil }
        switch record.kind {
        case .message: acknowledge(record, reply, to: session)
        case .edit, .recall:
            pushOwnChange(item, record, to: session)
            answerChange(record, reply, to: session)
        case .confirm:
            session.confirmed = max(session.confirmed, record.cseq)
            writeOK(reference: reply.reference.span.bytes, to: session)
        case .read, .seen, .came, .notice, .release, nil: writeOK(reference: reply.reference.span.bytes, to: session)
        }
        return session
    }

    /// Whoever changes something gets the entry too, and before the answer.
    private func pushOwnChange(_ item: CommitNotice.Item, _ record: RecordView, to session: Session) {
        guard item.attachment != CommitNotice.Item.noAttachment else { return }
        push(record, at: item.record, seq: item.seq, to: session)
    }

    private func answerChange(_ record: RecordView, _ reply: ReplyAddress, to session: Session) {
        guard session.state != .closed else { return }
        guard record.status != .refused else { return refuse(reply, .recalled, cid: RawSpan()) }
        writeOK(reference: reply.reference.span.bytes, to: session)
    }

    private func answerExternally(_ reply: ReplyAddress, _ record: RecordView) {
        guard let completion = pending.take(reply.token)?.stored else { return }
        // A read of a conversation without messages is refused by the store, and has reached its end all the same.
        if record.status == .refused, record.kind != .read {
            let isChange = record.kind?.isChange == true
            completion(.failure(isChange ? .recalled : EnvelopeError(.internal, "the message was not stored")))
        } else {
            completion(.success(record))
        }
    }

    private func acknowledge(_ record: RecordView, _ reply: ReplyAddress, to session: Session) {
        guard record.status != .refused else {
            let refusal = EnvelopeError(.internal, "the message was not stored")
            return refuse(reply, refusal, cid: RawSpan(_unsafeBytes: record.unsafeCid))
        }
        let seq = record.senderSeq
        // Entries before this one are still on their way: the ack takes its entry's place among them.
        if session.state == .catchingUp, seq > session.sentThrough {
            let ack = DeferredAck(
                seq: seq, takesPlace: record.status == .stored, frame: encodedAck(record, reply, for: session))
            var acks = deferredAcks.removeValue(forKey: session.handle) ?? []
            acks.insert(ack, at: acks.firstIndex { $0.seq > seq } ?? acks.count)
            deferredAcks[session.handle] = acks
            return
        }
        writeAck(record, reply, to: session)
        if session.state == .live { session.sentThrough = max(session.sentThrough, seq) }
    }

    private func push(
        _ record: RecordView, at offset: UInt32, seq: UInt64, to session: Session
    ) {
        guard session.state == .live, seq > session.sentThrough, isKeepingUp(session) else { return }
        counters.pushes &+= 1
        if session.form == .json {
            emitMessage(record, at: offset, seq: seq, to: session)
        } else {
            emitDeliver(record, seq: seq, to: session)
        }
        session.sentThrough = seq
    }

    /// Whether a live session has room for more; one that hasn't is behind from now on.
    func isKeepingUp(_ session: Session) -> Bool {
        if hasRoom(session) { return true }
        if session.state == .live {
            session.state = .behind
            counters.behind &+= 1
            behindCount += 1
            writeBehind(to: session)
        }
        return false
    }

    /// Whether the peer takes what is written. What came together in this tick doesn't count against it: that is
    /// offered to the socket first, which may end the session.
    func hasRoom(_ session: Session) -> Bool {
        if session.outlet.pendingBytes > Limits.sessionOutputBytesMax { session.outlet.flushNow() }
        return session.state != .closed && session.outlet.pendingBytes <= Limits.sessionOutputBytesMax
    }

    /// Writes an inbox entry that was read back in the session's form.
    private func writeEntry(_ record: RecordView, seq: UInt64, to session: Session) {
        guard session.form == .json else { return emitDeliver(record, seq: seq, to: session) }
        message.setMessage(record, inflated: &inflated)
        session.outlet.prepareToWrite()
        session.outlet.buffer.appendMessageFrame(message.unsafeBytes, seq: seq)
    }

    // MARK: Catching up

    /// Reads the next page of what a session missed, unless its socket has enough to do.
    func catchUp(_ session: Session) {
        // Making room may end the session, or call this.
        guard session.state == .catchingUp, !session.awaitsPage, hasRoom(session), session.state == .catchingUp,
            !session.awaitsPage
        else { return }
        session.awaitsPage = true
        let query = ReadQuery.inbox(
            user: session.user.id, after: session.sentThrough, limit: Limits.pageEntriesDefault)
        let ticket = pending.add(.init(page: { [unowned self] in caughtUp(session, $0) }))
        store.read(query, mailbox: node, ticket: ticket)
    }

    private func caughtUp(_ session: Session, _ result: Result<Page, StoreError>) {
        guard session.state == .catchingUp else { return }
        session.awaitsPage = false
        guard case .success(let page) = result else {
            // The client comes back with the same `after`; nothing was skipped.
            session.outlet.abort()
            return
        }
        for entry in page.arena.entries {
            let record = page.arena.record(at: entry.offset)
            let seq = record.senderSeq
            guard seq > session.sentThrough else { continue }
            // The ack of a message that this session sent stands for its entry; that of a resend comes behind it.
            let isAcked = deferredAcks[session.handle]?.contains { $0.seq == seq && $0.takesPlace } ?? false
            writeDeferredAcks(through: seq - 1, to: session)
            if !isAcked { writeEntry(record, seq: seq, to: session) }
            writeDeferredAcks(through: seq, to: session)
            session.sentThrough = seq
        }
        session.sentThrough = max(session.sentThrough, page.through)
        if session.sentThrough >= session.user.head {
            becomeLive(session)
        } else {
            catchUp(session)
        }
    }

    /// Writes the acks whose turn has come; also those of resends whose entry is confirmed and gone.
    private func writeDeferredAcks(through seq: UInt64, to session: Session) {
        guard let acks = deferredAcks[session.handle], let first = acks.first, first.seq <= seq else { return }
        let due = acks.prefix { $0.seq <= seq }
        deferredAcks[session.handle] = due.count < acks.count ? Array(acks[due.count...]) : nil
        for ack in due {
            session.outlet.prepareToWrite()
            ack.frame.withUnsafeBytes { session.outlet.buffer.append($0) }
        }
    }

    func becomeLive(_ session: Session) {
        writeDeferredAcks(through: .max, to: session)
        if session.state == .behind { behindCount -= 1 }
        session.state = .live
        if session.missesPush { mark(session) }
    }

    /// The socket took what was written: reading on makes sense again.
    package func drained(_ session: Session) {
        catchUp(session)
        readNext(session)
        readHistories(of: session)
    }
}
