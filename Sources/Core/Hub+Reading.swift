package import Base
package import Store
internal import Wire

extension Hub {
    // MARK: Inbox

    /// Reads inbox entries for a client that asks; a session that was behind and has fetched up is live again.
    func fetch(after: UInt64, limit: Int, _ session: Session, form: ReplyForm, reference: [UInt8]) {
        let query = ReadQuery.inbox(user: session.user.id, after: after, limit: limit)
        let refused: (EnvelopeError) -> Void = { [unowned self] refusal in
            refuseRead(refusal, session, form: form, reference: reference)
        }
        readInTurn(query, session, refused: refused) { [unowned self] result in
            switch result {
            case .failure(let error): refused(EnvelopeError(store: error))
            case .success(let page): fetched(page, after: after, session, form: form, reference: reference)
            }
        }
    }

    private func refuseRead(_ refusal: EnvelopeError, _ session: Session, form: ReplyForm, reference: [UInt8]) {
        if form == .binary {
            emitError(refusal, cid: 0, to: session)
        } else {
            writeError(refusal, cid: RawSpan(), reference: reference.span.bytes, to: session)
        }
    }

    private func fetched(_ page: Page, after: UInt64, _ session: Session, form: ReplyForm, reference: [UInt8]) {
        var more = page.more
        if session.state == .behind, after <= session.sentThrough {
            session.sentThrough = max(session.sentThrough, page.through)
            // Entries may have come in since the page was read: then there is more, and the session stays behind. One
            // that missed a message of a large group only may have asked for a page that ends long before.
            if !page.more, page.through >= session.user.head { becomeLive(session) } else { more = true }
        }
        if form == .binary {
            for entry in page.arena.entries {
                let record = page.arena.record(at: entry.offset)
                emitDeliver(record, seq: record.senderSeq, to: session)
            }
            return emitFetched(lastSeq: page.through, more: more, to: session)
        }
        scratch.removeAll()
        scratch.append(#"{"cmd":"fetched","entries":["#)
        appendMessages(of: page, withSeq: true)
        scratch.append(#"],"more":"#)
        finishPage(more: more, reference: reference, session)
    }

    // MARK: History

    func history(
        _ conversation: ConversationKey, name: [UInt8], _ range: HistoryRange, limit: Int, _ session: Session,
        reference: [UInt8]
    ) {
        let refused: (EnvelopeError) -> Void = { [unowned self] refusal in
            writeError(refusal, cid: RawSpan(), reference: reference.span.bytes, to: session)
        }
        let read: () -> Void = { [unowned self] in
            readHistory(conversation, name: name, range, limit: limit, session, reference: reference)
        }
        withConversation(conversation, of: session.user.id) { result in
            switch result {
            case .failure(let refusal): refused(refusal)
            case .success: read()
            }
        }
    }

    private func readHistory(
        _ conversation: ConversationKey, name: [UInt8], _ range: HistoryRange, limit: Int, _ session: Session,
        reference: [UInt8]
    ) {
        let refused: (EnvelopeError) -> Void = { [unowned self] refusal in
            refuseRead(refusal, session, form: .json, reference: reference)
        }
        let query = ReadQuery.history(conversation, range, limit: limit, viewer: session.user.id)
        readInTurn(query, session, refused: refused) { [unowned self] result in
            switch result {
            case .failure(let error): refused(EnvelopeError(store: error))
            case .success(let page):
                scratch.removeAll()
                scratch.append(#"{"cmd":"history","conv":"#)
                scratch.appendJSONString(name.span.bytes)
                scratch.append(#","messages":["#)
                appendMessages(of: page, withSeq: false)
                scratch.append(#"],"more":"#)
                finishPage(more: page.more, reference: reference, session)
            }
        }
    }

    // MARK: Pages as JSON

    private func appendMessages(of page: Page, withSeq: Bool) {
        for (index, entry) in page.arena.entries.enumerated() {
            if index > 0 { scratch.append(UInt8(ascii: ",")) }
            appendMessage(page.arena.record(at: entry.offset), withSeq: withSeq, to: &scratch)
        }
    }

    private func finishPage(more: Bool, reference: [UInt8], _ session: Session) {
        scratch.append(more ? "true" : "false")
        scratch.appendReference(reference.span.bytes)
        scratch.append(UInt8(ascii: "}"))
        emitJSON(to: session)
    }

    /// Appends a stored message as the JSON object that clients see.
    package func appendMessage(_ record: RecordView, withSeq: Bool, to output: inout OutputBuffer) {
        output.appendStored(record, withSeq: withSeq, inflated: &inflated)
    }

    // MARK: For HTTP

    /// Reads on behalf of an HTTP request; `completion` runs on this loop.
    package func read(_ query: ReadQuery, completion: @escaping (Result<Page, StoreError>) -> Void) {
        store.read(query, mailbox: node, ticket: pending.add(.init(page: completion)))
    }

    /// Makes a change of the directory; `completion` runs on this loop when it is durable.
    package func perform(
        _ command: DirectoryCommand, completion: @escaping (Result<DirectoryAnswer, StoreError>) -> Void
    ) {
        store.perform(command, mailbox: node, ticket: pending.add(.init(directory: completion)))
    }

    /// Asks the directory; `completion` runs on this loop.
    package func ask(
        _ question: DirectoryQuestion, completion: @escaping (Result<DirectoryAnswer, StoreError>) -> Void
    ) {
        store.ask(question, mailbox: node, ticket: pending.add(.init(directory: completion)))
    }
}
