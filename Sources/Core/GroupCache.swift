package import Base
package import Store
package import Wire

/// The groups this loop has seen, as immutable snapshots, and what waits for one that is being loaded.
struct GroupCache {
    enum Entry {
        /// `number` tells the load from those before, whose answers may still come.
        case loading(number: UInt64, waiting: [(Result<Group, EnvelopeError>) -> Void])
        case ready(Group)
    }

    /// Snapshots kept; above it the cache starts anew, which costs a load each.
    private static let groupsMax = 20_000
    /// Who may wait for groups, of all groups together.
    private static let waitingMax = 1 << 16

    private var entries: [Identifier: Entry] = [:]
    private var loads: UInt64 = 0
    private var waitingCount = 0

    /// Whether nobody else may wait.
    var isFull: Bool { waitingCount >= GroupCache.waitingMax }

    func ready(_ id: Identifier) -> Group? {
        if case .ready(let group) = entries[id] { return group }
        return nil
    }

    /// Notes who waits; the number of the load if it must be asked for.
    mutating func wait(for id: Identifier, _ body: @escaping (Result<Group, EnvelopeError>) -> Void) -> UInt64? {
        waitingCount += 1
        if case .loading(let number, var waiting) = entries[id] {
            // So that the list has one owner, and is appended to in place.
            entries[id] = nil
            waiting.append(body)
            entries[id] = .loading(number: number, waiting: waiting)
            return nil
        }
        if entries.count >= GroupCache.groupsMax {
            entries = entries.filter { if case .loading = $1 { true } else { false } }
        }
        loads += 1
        entries[id] = .loading(number: loads, waiting: [body])
        return loads
    }

    /// Puts a changed group in unless a newer one is there; returns who waited for it.
    mutating func install(_ group: Group) -> [(Result<Group, EnvelopeError>) -> Void] {
        switch entries[group.id] {
        case .ready(let known) where known.version > group.version: return []
        case .loading(_, let waiting):
            waitingCount -= waiting.count
            entries[group.id] = .ready(group)
            return waiting
        default:
            entries[group.id] = .ready(group)
            return []
        }
    }

    /// Takes up what a load has brought. Where something else was installed meanwhile only a newer version counts; and
    /// none where that is forgotten again, since nobody knows then which of them is older.
    mutating func loaded(
        _ number: UInt64, _ id: Identifier, _ group: Group?
    ) -> [(Result<Group, EnvelopeError>) -> Void] {
        switch entries[id] {
        case .loading(number, let waiting):
            waitingCount -= waiting.count
            entries[id] = group.map { .ready($0) }
            return waiting
        case .ready(let known):
            if let group, group.version > known.version { entries[id] = .ready(group) }
            return []
        case .loading, nil: return []
        }
    }
}

extension Hub {
    /// Calls `body` with the group: at once if this loop knows it, else when the store has answered.
    package func withGroup(_ id: Identifier, _ body: @escaping (Result<Group, EnvelopeError>) -> Void) {
        if let group = groups.ready(id) { return body(.success(group)) }
        guard !groups.isFull else { return body(.failure(.tooMuchWaits)) }
        guard let number = groups.wait(for: id, body) else { return }
        ask(.group(id)) { [unowned self] result in groupLoaded(number, id, result) }
    }

    /// Takes over a group that was changed; the change is in force here when this returns.
    package func install(_ group: Group) {
        for body in groups.install(group) { body(.success(group)) }
    }

    private func groupLoaded(_ number: UInt64, _ id: Identifier, _ result: Result<DirectoryAnswer, StoreError>) {
        switch result {
        case .success(.group(let group)):
            for body in groups.loaded(number, id, group) { body(.success(group)) }
        case .success: preconditionFailure("a group is answered by a group")
        case .failure(let error):
            let refusal = EnvelopeError(store: error)
            for body in groups.loaded(number, id, nil) { body(.failure(refusal)) }
        }
    }
}

extension EnvelopeError {
    /// What a client is told of a store that didn't do it.
    init(store error: StoreError) {
        switch error {
        case .notFound: self.init(.notFound, "there is no such group or conversation")
        case .conflict: self.init(.conflict, "this id is taken")
        case .unavailable: self.init(.internal, "the store is unavailable; nothing was stored")
        case .unknownOutcome: self.init(.internal, "it isn't known whether this was stored; send it again with its cid")
        }
    }
}
