internal import Base
internal import Core
internal import Store
internal import Wire

// The store's answers as `async` calls, for handlers. *Thread:* the loop's, which they come back to.
extension NodeHandle {
    /// The numbers of a stored message, as an HTTP sender hears of them.
    struct Stored: Sendable {
        var id: UInt64
        var cseq: UInt64
        var time: UInt64
        var senderSeq: UInt64
        /// Whether the `cid` was stored before.
        var isDuplicate: Bool
        /// Places in the recipients' inboxes, in the order of the record.
        var seqs: [UInt64]

        init(_ record: RecordView) {
            id = record.id
            cseq = record.cseq
            time = record.time
            senderSeq = record.senderSeq
            isDuplicate = record.status == .duplicate
            seqs = (0..<record.placementCount).map { record.placement($0).seq }
        }
    }

    func sendAsOperator(_ head: MessageHead, body: [UInt8]) async throws(APIError) -> Stored {
        let result: Result<Stored, APIError> = await withCheckedContinuation { continuation in
            onLoop.hub.sendAsOperator(head, body: body.span.bytes) { continuation.resume(returning: .init($0)) }
        }
        return try result.get()
    }

    func send(_ head: MessageHead, to recipients: [Identifier], body: [UInt8]) async throws(APIError) -> Stored {
        let result: Result<Stored, APIError> = await withCheckedContinuation { continuation in
            onLoop.hub.send(head, to: recipients, body: body.span.bytes) { continuation.resume(returning: .init($0)) }
        }
        return try result.get()
    }

    /// Sends as a user does: on this loop, the sender's home, whichever loop calls.
    func sendFromHome(_ head: MessageHead, cid: [UInt8], body: [UInt8]) async throws(APIError) -> Stored {
        let result: Result<Stored, APIError> = await withCheckedContinuation { continuation in
            post { node in
                node.hub.send(head, cid: cid.span.bytes, body: body.span.bytes) {
                    continuation.resume(returning: .init($0))
                }
            }
        }
        return try result.get()
    }

    /// Moves a reader's cursor on this loop, the reader's home, whichever loop calls.
    func markRead(
        _ conversation: ConversationKey, by user: Identifier, through cseq: UInt64
    ) async throws(APIError) {
        let result: Result<Void, APIError> = await withCheckedContinuation { continuation in
            post { node in
                node.hub.markRead(conversation, by: user, through: cseq) { result in
                    continuation.resume(returning: result.map { _ in }.mapError(APIError.init))
                }
            }
        }
        try result.get()
    }

    /// Refuses who may not see a conversation; the group, if it is one.
    @discardableResult
    func admit(_ user: Identifier, to conversation: ConversationKey) async throws(APIError) -> Group? {
        let result: Result<Group?, APIError> = await withCheckedContinuation { continuation in
            onLoop.hub.withConversation(conversation, of: user) { result in
                continuation.resume(returning: result.mapError(APIError.init))
            }
        }
        return try result.get()
    }

    func confirm(_ user: Identifier, device: Identifier, seq: UInt64) async throws(APIError) {
        let result: Result<Stored, APIError> = await withCheckedContinuation { continuation in
            onLoop.hub.confirm(user, device: device, seq: seq) { continuation.resume(returning: .init($0)) }
        }
        _ = try result.get()
    }

    /// Lets a user's inbox tell of all that its large groups have, before it is read.
    func mark(_ user: Identifier) async throws(APIError) {
        let failure = await withCheckedContinuation { continuation in
            onLoop.hub.mark(user) { continuation.resume(returning: $0) }
        }
        if let failure { throw APIError(store: failure) }
    }

    func read(_ query: ReadQuery) async throws(APIError) -> Page {
        let result = await withCheckedContinuation { continuation in
            onLoop.hub.read(query) { continuation.resume(returning: $0) }
        }
        do {
            return try result.get()
        } catch {
            throw APIError(store: error)
        }
    }

    func status(of user: Identifier) async throws(APIError) -> PresenceChange {
        let result = await withCheckedContinuation { continuation in
            onLoop.hub.status(of: user) { continuation.resume(returning: $0) }
        }
        do {
            return try result.get()
        } catch {
            throw APIError(store: error)
        }
    }

    /// Makes a change of the directory.
    func perform(_ command: DirectoryCommand) async throws(APIError) -> DirectoryAnswer {
        let result = await withCheckedContinuation { continuation in
            onLoop.hub.perform(command) { continuation.resume(returning: $0) }
        }
        return try result.mapError(APIError.init(store:)).get()
    }

    /// Asks the directory.
    func ask(_ question: DirectoryQuestion) async throws(APIError) -> DirectoryAnswer {
        let result = await withCheckedContinuation { continuation in
            onLoop.hub.ask(question) { continuation.resume(returning: $0) }
        }
        return try result.mapError(APIError.init(store:)).get()
    }

    /// Changes a group; the group as it is then.
    func perform(_ command: GroupCommand) async throws(APIError) -> Group {
        guard case .group(let group) = try await perform(.group(command)) else {
            preconditionFailure("a group is answered by a group")
        }
        return group
    }

    /// The groups that a user is in, by their ids.
    func ownGroups(
        of user: Identifier, after: Identifier?, limit: Int
    ) async throws(APIError) -> [OwnGroup] {
        guard case .ownGroups(let groups) = try await ask(.ownGroups(of: user, after: after, limit: limit)) else {
            preconditionFailure("groups are answered by groups")
        }
        return groups
    }

    /// Changes what users are to each other; what the one who does it is to the other then.
    func perform(_ command: ContactCommand) async throws(APIError) -> Relation {
        guard case .relation(let relation) = try await perform(.contact(command)) else {
            preconditionFailure("a relation is answered by a relation")
        }
        return relation
    }

    func contacts(of user: Identifier) async throws(APIError) -> [Contact] {
        guard case .contacts(let contacts) = try await ask(.contacts(of: user)) else {
            preconditionFailure("contacts are answered by contacts")
        }
        return contacts
    }

    func group(_ id: Identifier) async throws(APIError) -> Group {
        let result: Result<Group, APIError> = await withCheckedContinuation { continuation in
            onLoop.hub.withGroup(id) { continuation.resume(returning: $0.mapError(APIError.init)) }
        }
        return try result.get()
    }
}

extension Result where Success == NodeHandle.Stored, Failure == APIError {
    fileprivate init(_ result: Result<RecordView, EnvelopeError>) {
        self = result.map(NodeHandle.Stored.init).mapError(APIError.init)
    }
}

extension APIError {
    init(store error: StoreError) {
        switch error {
        case .notFound: self.init(.notFound, "there is nothing of this kind")
        case .conflict(let what): self.init(.conflict, what)
        case .unavailable: self.init(.internal, "the store is unavailable; nothing was changed")
        case .unknownOutcome: self.init(.internal, "the store failed; whether this was done shows after its restart")
        }
    }
}
