package import Base
package import Store
internal import Wire

// Messages of large groups: in no inbox but the sender's, pushed to whoever is live, and told of by marks to the rest.
extension Hub {
    /// Pushes the messages in ``livePushes`` to the members who are here.
    func pushToMembers(of arena: RecordArena) {
        let records = livePushes
        livePushes.removeAll(keepingCapacity: true)
        var index = 0
        while index < records.count {
            guard let group = arena.audience(at: records[index]) else { preconditionFailure("a push has an audience") }
            pushed.removeAll()
            // One write for what the commit has for one group, up to what a socket may owe.
            while index < records.count, pushed.bytes.count < Limits.sessionOutputBytesMax,
                let other = arena.audience(at: records[index]), other.id == group.id, other.version == group.version
            {
                let record = arena.record(at: records[index])
                let place = encoded.place(of: record, at: records[index], inflated: &inflated)
                let json = UnsafeRawBufferPointer(rebasing: encoded.unsafeBytes[place])
                pushed.append(record, json: json, sender: users.find(record.sender)?.token)
                index += 1
            }
            push(to: group)
        }
    }

    private func push(to group: Group) {
        let tokens = largeGroups.tokens(of: group, users) { topology.node(of: $0) == node }
        var gone = 0
        for token in tokens {
            guard let user = users.user(token: token) else {
                gone += 1
                continue
            }
            let isSender = pushed.senders.contains(token)
            user.sessions.forEach { push(to: $0, isSender: isSender) }
        }
        guard gone > 0 else { return }
        largeGroups.keep(tokens.filter { users.user(token: $0) != nil }, of: group)
    }

    private func push(to session: Session, isSender: Bool) {
        guard session.state == .live, isKeepingUp(session) else {
            // One that is being attached is told by the store, which had the message before.
            if session.state != .attaching { session.missesPush = true }
            return
        }
        let outlet = session.outlet
        if session.form == .json, !isSender {
            counters.pushes &+= UInt64(pushed.items.count)
            counters.framesSent &+= UInt64(pushed.items.count)
            outlet.prepareToWrite()
            outlet.buffer.append(pushed.bytes.unsafeBytes)
        } else {
            // One's own messages come as entries.
            for item in pushed.items where item.sender != session.user.token {
                counters.pushes &+= 1
                if session.form == .json {
                    counters.framesSent &+= 1
                    outlet.prepareToWrite()
                    outlet.buffer.append(UnsafeRawBufferPointer(rebasing: pushed.bytes.unsafeBytes[item.frame]))
                } else {
                    emitDeliver(item.record, seq: 0, to: session)
                }
            }
        }
        outlet.flushNow()
    }

    // MARK: Marks

    /// Has the store tell the user of what a session missed; the mark comes as an entry like any other.
    func mark(_ session: Session) {
        session.missesPush = false
        mark(session.user.id) { failure in
            // Whoever comes back is told.
            if failure != nil { session.outlet.abort() }
        }
    }

    /// Lets a user's inbox tell of all that its large groups have; `completion` runs on this loop.
    package func mark(_ user: Identifier, completion: @escaping (StoreError?) -> Void) {
        guard store.mayOweMarks(to: user) else { return completion(nil) }
        store.mark(user, mailbox: node, ticket: pending.add(.init(marked: completion)))
    }
}

/// The frames of messages to one large group, which are the same for all of its members.
struct PushedMessages: ~Copyable {
    struct Item {
        let record: RecordView
        let frame: Range<Int>
        /// Nil if the sender isn't here.
        let sender: UInt32?
    }

    private(set) var bytes = OutputBuffer()
    private(set) var items: [Item] = []
    private(set) var senders: [UInt32] = []

    mutating func removeAll() {
        bytes.removeAll()
        items.removeAll(keepingCapacity: true)
        senders.removeAll(keepingCapacity: true)
    }

    /// Appends a message, whose JSON is complete but for its end.
    mutating func append(_ record: RecordView, json: UnsafeRawBufferPointer, sender: UInt32?) {
        let start = bytes.count
        bytes.appendPushFrame(json)
        items.append(Item(record: record, frame: start..<bytes.count, sender: sender))
        if let sender, !senders.contains(sender) { senders.append(sender) }
    }

    mutating func release() { bytes.release() }
}
