package import Base
package import Store
package import Wire

/// The groups this loop has seen, as immutable snapshots, and what waits for one that is being loaded.
struct GroupCache {
    enum Entry {
        case loading(waiting: [(Result<Group, EnvelopeError>) -> Void])
        case ready(Group)
    }

    /// Snapshots kept; above it the cache starts anew, which costs a load each.
    private static let groupsMax = 20_000

    private var entries: [Identifier: Entry] = [:]

    func ready(_ id: Identifier) -> Group? {
        if case .ready(let group) = entries[id] { return group }
        return nil
    }

    /// Notes who waits; true if the load must be asked for.
    mutating func wait(for id: Identifier, _ body: @escaping (Result<Group, EnvelopeError>) -> Void) -> Bool {
        if case .loading(var waiting) = entries[id] {
            waiting.append(body)
            entries[id] = .loading(waiting: waiting)
            return false
        }
        if entries.count >= GroupCache.groupsMax {
            entries = entries.filter { if case .loading = $1 { true } else { false } }
        }
        entries[id] = .loading(waiting: [body])
        return true
    }

    /// Puts a snapshot in unless a newer one is there; returns who waited for it.
    mutating func install(_ group: Group) -> [(Result<Group, EnvelopeError>) -> Void] {
        switch entries[group.id] {
        case .ready(let known) where known.version > group.version: return []
        case .loading(let waiting):
            entries[group.id] = .ready(group)
            return waiting
        default:
            entries[group.id] = .ready(group)
            return []
        }
    }

    /// Forgets a group that couldn't be loaded; returns who waited for it.
    mutating func forget(_ id: Identifier) -> [(Result<Group, EnvelopeError>) -> Void] {
        guard case .loading(let waiting) = entries.removeValue(forKey: id) else { return [] }
        return waiting
    }
}

extension Hub {
    /// Calls `body` with the group: at once if this loop knows it, else when the store has answered.
    package func withGroup(_ id: Identifier, _ body: @escaping (Result<Group, EnvelopeError>) -> Void) {
        if let group = groups.ready(id) { return body(.success(group)) }
        guard groups.wait(for: id, body) else { return }
        ask(.group(id)) { [unowned self] result in groupLoaded(id, result) }
    }

    /// Takes over a group that was changed; the change is in force here when this returns.
    package func install(_ group: Group) {
        for body in groups.install(group) { body(.success(group)) }
    }

    private func groupLoaded(_ id: Identifier, _ result: Result<DirectoryAnswer, StoreError>) {
        switch result {
        case .success(.group(let group)): install(group)
        case .success: preconditionFailure("a group is answered by a group")
        case .failure(let error):
            let refusal = EnvelopeError(store: error)
            for body in groups.forget(id) { body(.failure(refusal)) }
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
