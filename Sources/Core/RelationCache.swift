package import Base
internal import Store
internal import Wire

/// What becomes of a private message to somebody who is no contact of its sender.
package enum StrangerPolicy: String, Sendable, CaseIterable {
    case deliver
    /// It waits until its destination accepts the sender.
    case hold
    case reject
}

/// What becomes of a private message.
enum Admission {
    case delivered
    case held
    case refused(EnvelopeError)

    init(_ result: Result<Admission, EnvelopeError>) {
        switch result {
        case .success(let admission): self = admission
        case .failure(let refusal): self = .refused(refusal)
        }
    }
}

/// What users of this loop are to those to whom they write, and who waits for one that is being loaded.
struct RelationCache {
    typealias Waiting = (Result<Relation, EnvelopeError>) -> Void

    private enum Entry {
        /// `isOutdated`: it changed while it was being loaded. `held`: what was known to wait before.
        case loading(waiting: [Waiting], isOutdated: Bool, held: Held)
        case ready(Relation)
        /// It has changed since.
        case forgotten(Held)
    }

    /// How much waits for the other's answer. What this loop has counted may be on its way to the store still.
    private struct Held {
        var messages = 0
        var bytes = 0
    }

    /// Two users by the hashes of their ids.
    private struct Pair: Hashable {
        let user: UInt64
        let other: UInt64

        init(_ user: Identifier, _ other: Identifier) {
            self.user = user.hash64
            self.other = other.hash64
        }
    }

    /// Relations kept; above it the cache starts anew, which costs a load each.
    private static let relationsMax = 50_000

    private var entries: [Pair: Entry] = [:]
    /// Grows with every change that this loop hears of.
    private(set) var changes: UInt64 = 0

    func ready(_ user: Identifier, _ other: Identifier) -> Relation? {
        if case .ready(let relation) = entries[Pair(user, other)] { return relation }
        return nil
    }

    /// Notes who waits; true if the load must be asked for.
    mutating func wait(_ user: Identifier, _ other: Identifier, _ body: @escaping Waiting) -> Bool {
        let pair = Pair(user, other)
        var held = Held()
        switch entries[pair] {
        case .loading(let waiting, let isOutdated, let held):
            entries[pair] = .loading(waiting: waiting + [body], isOutdated: isOutdated, held: held)
            return false
        case .forgotten(let known): held = known
        case .ready, nil: break
        }
        if entries.count >= RelationCache.relationsMax {
            entries = entries.filter { if case .loading = $1 { true } else { false } }
        }
        entries[pair] = .loading(waiting: [body], isOutdated: false, held: held)
        return true
    }

    /// Takes up what was loaded; returns who waited for it, nil if it must be loaded again.
    mutating func install(
        _ user: Identifier, _ other: Identifier, _ result: Result<Relation, EnvelopeError>
    ) -> [Waiting]? {
        let pair = Pair(user, other)
        guard case .loading(let waiting, let isOutdated, let held) = entries[pair] else { return [] }
        switch result {
        case .success where isOutdated:
            entries[pair] = .loading(waiting: waiting, isOutdated: false, held: held)
            return nil
        case .success(var relation):
            // Whom the other one takes as a contact has nothing that waits.
            if relation.standing != .contact {
                relation.heldMessages = max(relation.heldMessages, held.messages)
                relation.heldBytes = max(relation.heldBytes, held.bytes)
            }
            entries[pair] = .ready(relation)
        case .failure: entries[pair] = nil
        }
        return waiting
    }

    /// Forgets what a user is to another: it has changed.
    mutating func forget(_ user: Identifier, _ other: Identifier) {
        changes += 1
        let pair = Pair(user, other)
        switch entries[pair] {
        case .loading(let waiting, _, let held):
            entries[pair] = .loading(waiting: waiting, isOutdated: true, held: held)
        case .ready(let relation) where relation.heldMessages > 0:
            entries[pair] = .forgotten(Held(messages: relation.heldMessages, bytes: relation.heldBytes))
        case .ready: entries[pair] = nil
        case .forgotten, nil: break
        }
    }

    /// Takes up what a change made here has brought, unless it is being loaded.
    mutating func put(_ user: Identifier, _ other: Identifier, _ relation: Relation) {
        let pair = Pair(user, other)
        if entries[pair] == nil { entries[pair] = .ready(relation) }
    }

    /// Counts a message that is going to be held.
    mutating func addHeld(_ user: Identifier, _ other: Identifier, bytes: Int) {
        let pair = Pair(user, other)
        guard case .ready(var relation) = entries[pair] else { return }
        relation.heldMessages += 1
        relation.heldBytes += bytes
        entries[pair] = .ready(relation)
    }
}

extension Hub {
    /// What becomes of a private message or of typing, if this loop knows; `user` is the sender if signed in here.
    func admissionInMemory(of sender: Identifier, _ user: User?, to other: Identifier) -> Admission? {
        if isOpen || (strangers == .deliver && user?.isUnblocked == true) || sender == other { return .delivered }
        return relations.ready(sender, other).flatMap { admission(by: $0) }
    }

    /// What becomes of a message; nil if it must ask for its sender first.
    func admission(by relation: Relation) -> Admission? {
        guard !relation.isBlocked else {
            return .refused(EnvelopeError(.blocked, "this user has blocked you"))
        }
        switch strangers {
        case .deliver: return .delivered
        case _ where relation.standing == .contact: return .delivered
        case .reject: return .refused(EnvelopeError(.forbidden, "only contacts may write to this user"))
        case .hold:
            guard relation.heldMessages < Limits.heldMessagesMax, relation.heldBytes < Limits.heldBytesMax else {
                return .refused(EnvelopeError(.rateLimited, "too much waits for this user to accept you already"))
            }
            return relation.standing == .asked ? .held : nil
        }
    }

    /// Calls `body` with what becomes of a private message. A first one to a stranger asks to become a contact.
    func withAdmission(of sender: Identifier, to other: Identifier, _ body: @escaping (Admission) -> Void) {
        withRelation(of: sender, to: other) { [unowned self] result in
            let admission = result.map { self.admission(by: $0) }
            switch admission {
            case .failure(let refusal): body(.refused(refusal))
            case .success(let admission?): body(admission)
            case .success(nil): request(by: sender, to: other, body)
            }
        }
    }

    private func request(by sender: Identifier, to other: Identifier, _ body: @escaping (Admission) -> Void) {
        perform(.contact(.request(by: sender, to: other, text: "", isImplied: true))) { [unowned self] result in
            forgetRelations(sender, other)
            relationChanged(sender, other)
            switch result {
            case .success(.relation(let relation)):
                relations.put(sender, other, relation)
                body(admission(by: relation) ?? .held)
            case .success: preconditionFailure("a request is answered by a relation")
            case .failure(.conflict):
                body(.refused(EnvelopeError(.conflict, "there are too many contacts and requests already")))
            case .failure(let error): body(.refused(EnvelopeError(store: error)))
            }
        }
    }

    /// Calls `body` with what a user is to another: at once if this loop knows it, else when the store has answered.
    func withRelation(
        of user: Identifier, to other: Identifier, _ body: @escaping (Result<Relation, EnvelopeError>) -> Void
    ) {
        if let relation = relations.ready(user, other) { return body(.success(relation)) }
        if relations.wait(user, other, body) { loadRelation(of: user, to: other) }
    }

    private func loadRelation(of user: Identifier, to other: Identifier) {
        let changes = relations.changes
        ask(.relation(of: user, to: other)) { [unowned self] result in
            let loaded = result.mapError { EnvelopeError(store: $0) }.map { answer in
                guard case .relation(let relation) = answer else {
                    preconditionFailure("a relation is answered by a relation")
                }
                return relation
            }
            guard let waiting = relations.install(user, other, loaded) else {
                return loadRelation(of: user, to: other)
            }
            if case .success(let relation) = loaded, !relation.isBlockedByAnyone, changes == relations.changes {
                users.find(user)?.isUnblocked = true
            }
            let known = relations.ready(user, other).map { Result<Relation, EnvelopeError>.success($0) } ?? loaded
            for body in waiting { body(known) }
        }
    }

    /// Takes note that what two users are to each other has changed; in force here when this returns.
    package func forgetRelations(_ one: Identifier, _ other: Identifier) {
        relations.forget(one, other)
        relations.forget(other, one)
        users.find(one)?.isUnblocked = false
        users.find(other)?.isUnblocked = false
    }

    /// Takes note that somebody has blocked somebody: from now on senders are looked at.
    package func noteBlock() { isOpen = false }
}
