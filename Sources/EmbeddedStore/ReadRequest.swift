package import Base
package import Store

/// A question to the index on its way to a reader.
package struct ReadRequest: Sendable {
    /// What is asked.
    package enum Question: Sendable {
        /// A page of an inbox or a history.
        case page(ReadQuery)
        /// A group with its members.
        case group(Identifier)
        /// A page of a user's conversations.
        case chatList(ChatListQuery)
        /// When users were last seen.
        case lastSeen([Identifier])
    }

    let question: Question
    /// Where the answer goes.
    package let mailbox: MailboxIndex
    let ticket: UInt64
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
        case .group: .group(ticket: ticket, result: .failure(error))
        case .chatList: .chatList(ticket: ticket, list: .failure(error))
        case .lastSeen: .lastSeen(ticket: ticket, times: .failure(error))
        }
    }
}

extension Reader {
    /// Answers from what is folded now.
    package mutating func answer(_ request: ReadRequest, now: UInt64) -> StoreEvent {
        do {
            switch request.question {
            case .page(let query):
                return .page(ticket: request.ticket, page: .success(try read(query, now: now)))
            case .group(let id):
                guard let group = try group(id) else { return request.failed(.notFound) }
                return .group(ticket: request.ticket, result: .success(group))
            case .chatList(let query):
                return .chatList(ticket: request.ticket, list: .success(try chatList(query)))
            case .lastSeen(let users):
                return .lastSeen(ticket: request.ticket, times: .success(try lastSeen(users)))
            }
        } catch {
            return request.failed(.unavailable(error.description))
        }
    }
}
