internal import Base
package import Store

/// A question to the index on its way to a reader.
package struct ReadRequest: Sendable {
    /// What is asked.
    package enum Question: Sendable {
        /// A page of an inbox or a history.
        case page(ReadQuery)
        case directory(DirectoryQuestion)
    }

    let question: Question
    /// Where the answer goes.
    package let mailbox: MailboxIndex
    let ticket: UInt64
    /// Whether what was committed before must be in the index.
    var needsFold: Bool {
        if case .directory(let question) = question { question.readsMessages } else { true }
    }
    /// The batch that must be in the index before this is answered.
    package var after: UInt64

    package init(question: Question, mailbox: MailboxIndex, ticket: UInt64, after: UInt64 = 0) {
        self.question = question
        self.mailbox = mailbox
        self.ticket = ticket
        self.after = after
    }

    /// The answer when there is none.
    package func failed(_ error: StoreError) -> StoreEvent {
        switch question {
        case .page: .page(ticket: ticket, page: .failure(error))
        case .directory: .directory(ticket: ticket, result: .failure(error))
        }
    }
}

extension Reader {
    private mutating func answer(_ question: DirectoryQuestion) throws(SQLiteError) -> DirectoryAnswer? {
        switch question {
        case .group(let id): try group(id).map { .group($0) }
        case .ownGroups(let user, let after, let limit): .ownGroups(try groups(of: user, after: after, limit: limit))
        case .lastSeen(let users): .lastSeen(try lastSeen(users))
        case .relation(let user, let other): .relation(try contacts.relation(of: user, to: other))
        case .contacts(let user): .contacts(try contacts.contacts(of: user))
        case .contactList(let user): .contactList(try contactList(of: user))
        case .blocks(let user): .users(try contacts.blocks(by: user))
        case .chatList(let query): .chatList(try chatList(query))
        case .conversation(let key, let viewer, let withReaders):
            .conversation(try conversation(key, for: viewer, withReaders: withReaders))
        case .events(let query): .events(try events(query))
        case .search(let query): .search(try search(query))
        case .account(let question): try accounts.answer(question).map { .account($0) }
        }
    }

    /// Answers from what is folded now.
    package mutating func answer(_ request: ReadRequest, now: UInt64) -> StoreEvent {
        do {
            switch request.question {
            case .page(let query):
                return .page(ticket: request.ticket, page: .success(try read(query, now: now)))
            case .directory(let question):
                guard let answer = try answer(question) else { return request.failed(.notFound) }
                return .directory(ticket: request.ticket, result: .success(answer))
            }
        } catch {
            return request.failed(.unavailable(error.description))
        }
    }
}
