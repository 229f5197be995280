import Base
import Store
import Synchronization

/// A store in memory that answers when the test says so.
///
/// It keeps the promises of ``Store`` in the simplest way: calls wait in one queue and are done in its order.
final class FakeStore: Store {
    struct Attach: Equatable {
        var user: Identifier
        var device: Identifier
        var token: UInt32
        var node: Int
    }

    /// What was asked for and isn't answered yet.
    private enum Call {
        case batch(RecordArena)
        case attach(Attach, ticket: UInt64)
        case mark(Identifier, node: Int, ticket: UInt64)
        case read(ReadQuery, node: Int, ticket: UInt64)
        case command(DirectoryCommand, node: Int, ticket: UInt64)
        case question(DirectoryQuestion, node: Int, ticket: UInt64)
    }

    private struct Message {
        var kind = RecordKind.message
        var head: MessageHead
        var cid: [UInt8]
        var body: [UInt8]
        var id: UInt64
        var cseq: UInt64
        var time: UInt64
        var senderSeq: UInt64
    }

    private struct SentKey: Hashable {
        var sender: Identifier
        var cid: [UInt8]
    }

    private struct DeviceKey: Hashable {
        var user: Identifier
        var device: Identifier
    }

    private struct PairKey: Hashable {
        var user: Identifier
        var other: Identifier
    }

    private struct State {
        var relations: [PairKey: Relation] = [:]
        var relationLoads = 0
        var requests: [PairKey] = []
        var calls: [Call] = []
        var inboxes: [Identifier: [Message]] = [:]
        var conversations: [ConversationKey: [Message]] = [:]
        var sent: [SentKey: Message] = [:]
        /// Ids of messages that were recalled.
        var recalled: Set<UInt64> = []
        var attachments: [Identifier: [Int: UInt32]] = [:]
        var confirmed: [DeviceKey: UInt64] = [:]
        var seen: [Identifier: UInt64] = [:]
        var groups: [Identifier: Group] = [:]
        var lastID: UInt64 = 0
        var error: StoreError?
        var isCongested = false
        var isLaden = false
        // What a test looks at.
        var batches = 0
        var confirms: [UInt64] = []
        var detached: [Identifier] = []
        var attached: [Attach] = []
        var marked: [Identifier] = []
        var loads = 0
        var inboxReads = 0
    }

    private let state = Mutex(State())

    // MARK: What a test sets and sees

    /// Makes everything fail with this from now on; nil: all is well again.
    func fail(with error: StoreError?) { state.withLock { $0.error = error } }
    func lade(_ isLaden: Bool) { state.withLock { $0.isLaden = isLaden } }
    func congest(_ isCongested: Bool) { state.withLock { $0.isCongested = isCongested } }
    func put(_ group: Group) { state.withLock { $0.groups[group.id] = group } }
    func put(_ relation: Relation, _ user: String, to other: String) {
        state.withLock { $0.relations[PairKey(user: name(user), other: name(other))] = relation }
    }
    var relationLoads: Int { state.withLock { $0.relationLoads } }
    var requests: Int { state.withLock { $0.requests.count } }
    func setSeen(_ user: Identifier, at time: UInt64) { state.withLock { $0.seen[user] = time } }

    var batches: Int { state.withLock { $0.batches } }
    /// The positions of all confirm records, in their order.
    var confirms: [UInt64] { state.withLock { $0.confirms } }
    var detached: [Identifier] { state.withLock { $0.detached } }
    var attached: [Attach] { state.withLock { $0.attached } }
    /// Who was to be told of what large groups have.
    var marked: [Identifier] { state.withLock { $0.marked } }
    var groupLoads: Int { state.withLock { $0.loads } }
    var inboxReads: Int { state.withLock { $0.inboxReads } }
    var waitingCalls: Int { state.withLock { $0.calls.count } }
    func seen(_ user: Identifier) -> UInt64? { state.withLock { $0.seen[user] } }
    func head(_ user: Identifier) -> Int { state.withLock { $0.inboxes[user]?.count ?? 0 } }

    // MARK: Store

    let epoch = "e1"
    let hadBlocks: Bool
    let hadHeldMessages = false

    init(hadBlocks: Bool = false) { self.hadBlocks = hadBlocks }

    var isCongested: Bool { state.withLock { $0.isCongested } }
    var isLaden: Bool { state.withLock { $0.isLaden } || isCongested }

    func submit(_ batch: RecordArena) {
        state.withLock {
            $0.batches += 1
            $0.calls.append(.batch(batch))
        }
    }

    func attach(_ user: Identifier, device: Identifier, token: UInt32, mailbox: MailboxIndex, ticket: UInt64) {
        let attach = Attach(user: user, device: device, token: token, node: Int(mailbox.rawValue))
        state.withLock {
            $0.attached.append(attach)
            $0.calls.append(.attach(attach, ticket: ticket))
        }
    }

    func detach(_ user: Identifier, mailbox: MailboxIndex) {
        state.withLock {
            $0.detached.append(user)
            $0.attachments[user]?[Int(mailbox.rawValue)] = nil
        }
    }

    func mayOweMarks(to user: Identifier) -> Bool { true }

    func mark(_ user: Identifier, mailbox: MailboxIndex, ticket: UInt64) {
        state.withLock {
            $0.marked.append(user)
            $0.calls.append(.mark(user, node: Int(mailbox.rawValue), ticket: ticket))
        }
    }

    func read(_ query: ReadQuery, mailbox: MailboxIndex, ticket: UInt64) {
        state.withLock {
            if case .inbox = query { $0.inboxReads += 1 }
            $0.calls.append(.read(query, node: Int(mailbox.rawValue), ticket: ticket))
        }
    }

    func perform(_ command: DirectoryCommand, mailbox: MailboxIndex, ticket: UInt64) {
        state.withLock { $0.calls.append(.command(command, node: Int(mailbox.rawValue), ticket: ticket)) }
    }

    func ask(_ question: DirectoryQuestion, mailbox: MailboxIndex, ticket: UInt64) {
        state.withLock { $0.calls.append(.question(question, node: Int(mailbox.rawValue), ticket: ticket)) }
    }

    // MARK: Answering

    /// Does the call that waits longest; returns the answers with the node each is for, nil if nothing waits.
    func answerNext(now: UInt64) -> [(node: Int, event: StoreEvent)]? {
        state.withLock { state in
            guard !state.calls.isEmpty else { return nil }
            let call = state.calls.removeFirst()
            switch call {
            case .batch(let arena): return FakeStore.commit(arena, now, &state)
            case .attach(let attach, let ticket):
                return [(attach.node, .attached(ticket: ticket, reply: FakeStore.attach(attach, &state)))]
            case .mark(_, let node, let ticket):
                return [(node, .marked(ticket: ticket, failure: state.error))]
            case .read(let query, let node, let ticket):
                return [(node, .page(ticket: ticket, page: FakeStore.read(query, state)))]
            case .command(.contact(.request(let user, let other, _, _)), let node, let ticket) where state.error == nil:
                state.requests.append(PairKey(user: user, other: other))
                let relation = FakeStore.request(by: user, to: other, &state)
                return [(node, .directory(ticket: ticket, result: .success(.relation(relation))))]
            case .command(_, let node, let ticket):
                let refusal = state.error ?? .unavailable("the fake store changes nothing")
                return [(node, .directory(ticket: ticket, result: .failure(refusal)))]
            case .question(let question, let node, let ticket):
                return [(node, .directory(ticket: ticket, result: FakeStore.answer(question, &state)))]
            }
        }
    }

    private static func request(by user: Identifier, to other: Identifier, _ state: inout State) -> Relation {
        let key = PairKey(user: user, other: other)
        var relation = state.relations[key] ?? .stranger
        if relation.standing == .stranger { relation.standing = .asked }
        state.relations[key] = relation
        return relation
    }

    private static func attach(_ attach: Attach, _ state: inout State) -> Result<AttachReply, StoreError> {
        if let error = state.error { return .failure(error) }
        state.attachments[attach.user, default: [:]][attach.node] = attach.token
        return .success(
            AttachReply(
                head: UInt64(state.inboxes[attach.user]?.count ?? 0),
                confirmed: state.confirmed[DeviceKey(user: attach.user, device: attach.device)] ?? 0))
    }

    private static func answer(
        _ question: DirectoryQuestion, _ state: inout State
    ) -> Result<DirectoryAnswer, StoreError> {
        if let error = state.error { return .failure(error) }
        switch question {
        case .group(let id):
            state.loads += 1
            return state.groups[id].map { .success(.group($0)) } ?? .failure(.notFound)
        case .ownGroups(let user, _, _):
            let own = state.groups.values.compactMap { group in
                group.members[user].map { OwnGroup(id: group.id, name: group.name, role: $0) }
            }
            return .success(.ownGroups(own))
        case .lastSeen(let users):
            return .success(.lastSeen(state.seen.filter { users.contains($0.key) }))
        case .relation(let user, let other):
            state.relationLoads += 1
            return .success(.relation(state.relations[PairKey(user: user, other: other)] ?? .stranger))
        case .contacts, .contactList, .blocks: return .failure(.notFound)
        case .chatList, .conversation: return .failure(.notFound)
        case .account, .search, .events: return .failure(.notFound)
        }
    }

    private static func commit(
        _ arena: RecordArena, _ now: UInt64, _ state: inout State
    ) -> [(node: Int, event: StoreEvent)] {
        if let error = state.error {
            let nodes = Set(arena.replies.map { Int($0.mailbox.rawValue) })
            return nodes.sorted().map { ($0, .failed(FailureNotice(arena: arena, error: error))) }
        }
        var items: [Int: [CommitNotice.Item]] = [:]
        for entry in arena.entries {
            let record = arena.record(at: entry.offset)
            switch record.kind {
            case .message: commitMessage(record, now, &state)
            case .confirm: commitConfirm(record, &state)
            case .seen: state.seen[record.sender] = record.time
            case .read: commitRead(record, &state)
            case .edit, .recall: commitChange(record, now, &state)
            case .notice, .release, .came, nil: record.setStatus(.refused)
            }
            notify(record, entry, arena.replies, state, &items)
        }
        return items.sorted { $0.key < $1.key }.map { node, items in
            (node, .committed(CommitNotice(arena: arena, items: items)))
        }
    }

    private static func commitMessage(_ record: RecordView, _ now: UInt64, _ state: inout State) {
        let cid = Array(record.unsafeCid)
        let key = SentKey(sender: record.sender, cid: cid)
        if !cid.isEmpty, let known = state.sent[key] {
            record.setNumbers(id: known.id, cseq: known.cseq, time: known.time, senderSeq: known.senderSeq)
            return record.setStatus(.duplicate)
        }
        let head = MessageHead(
            command: record.command, content: record.content, sender: record.sender, destination: record.destination)
        let conversation = ConversationKey(
            command: head.command, sender: head.sender, destination: head.destination)
        state.lastID += 1
        var message = Message(
            head: head, cid: cid, body: Array(record.unsafeBody), id: state.lastID,
            cseq: UInt64(state.conversations[conversation]?.count ?? 0) + 1, time: now, senderSeq: 0)
        record.forEachRecipient { index, user in
            let seq = UInt64(state.inboxes[user]?.count ?? 0) + 1
            record.setPlacement(index, user: 0, seq: seq)
            if user == head.sender { message.senderSeq = seq }
        }
        record.setNumbers(id: message.id, cseq: message.cseq, time: now, senderSeq: message.senderSeq)
        record.setStatus(.stored)
        record.forEachRecipient { _, user in state.inboxes[user, default: []].append(message) }
        state.conversations[conversation, default: []].append(message)
        if !cid.isEmpty { state.sent[key] = message }
    }

    /// Tells of a change, and takes a recalled message's content away; merging is the real store's.
    private static func commitChange(_ record: RecordView, _ now: UInt64, _ state: inout State) {
        let id = record.changedMessage
        if state.recalled.contains(id) { return record.setStatus(record.kind == .recall ? .duplicate : .refused) }
        state.lastID += 1
        let head = MessageHead(
            command: record.command, content: record.content, sender: record.sender, destination: record.destination)
        let change = Message(
            kind: record.kind ?? .edit, head: head, cid: [], body: Array(record.unsafeBody), id: state.lastID,
            cseq: record.cseq, time: now, senderSeq: 0)
        record.setNumbers(id: change.id, cseq: record.cseq, time: now, senderSeq: 0)
        record.setStatus(.stored)
        record.forEachRecipient { index, user in
            state.inboxes[user, default: []].append(change)
            record.setPlacement(index, user: 0, seq: UInt64(state.inboxes[user]?.count ?? 0))
        }
        guard record.kind == .recall else { return }
        state.recalled.insert(id)
        let key = ConversationKey(command: head.command, sender: head.sender, destination: head.destination)
        for (index, message) in (state.conversations[key] ?? []).enumerated() where message.id == id {
            state.conversations[key]?[index].head.content = 32
            state.conversations[key]?[index].body = Array(#"{"recalled":true}"#.utf8)
        }
    }

    private static func commitConfirm(_ record: RecordView, _ state: inout State) {
        state.confirms.append(record.cseq)
        let key = DeviceKey(user: record.sender, device: record.destination)
        let place = max(state.confirmed[key] ?? 0, min(record.cseq, UInt64(state.inboxes[key.user]?.count ?? 0)))
        state.confirmed[key] = place
        record.setNumbers(id: 0, cseq: place, time: 0, senderSeq: 0)
        record.setStatus(.stored)
    }

    private static func commitRead(_ record: RecordView, _ state: inout State) {
        let key = ConversationKey(
            command: record.command, sender: record.sender, destination: record.destination)
        guard let messages = state.conversations[key] else { return record.setStatus(.refused) }
        record.setNumbers(id: 0, cseq: min(record.cseq, UInt64(messages.count)), time: 0, senderSeq: 0)
        record.setStatus(.stored)
    }

    private static func notify(
        _ record: RecordView, _ entry: RecordArena.Entry, _ replies: [ReplyAddress], _ state: State,
        _ items: inout [Int: [CommitNotice.Item]]
    ) {
        var reply = entry.reply
        let replyNode = reply == RecordArena.Entry.noReply ? -1 : Int(replies[Int(reply)].mailbox.rawValue)
        if record.kind?.isEntry == true, record.status == .stored {
            let sender = record.sender
            record.forEachRecipient { index, user in
                for (node, token) in state.attachments[user] ?? [:] {
                    let isAnswer = user == sender && node == replyNode
                    items[node, default: []].append(
                        .init(
                            record: entry.offset, reply: isAnswer ? reply : RecordArena.Entry.noReply,
                            attachment: token, seq: record.placement(index).seq))
                    if isAnswer { reply = RecordArena.Entry.noReply }
                }
            }
        }
        if record.has(.isForMembers), record.status == .stored {
            for node in Set(state.attachments.values.flatMap(\.keys)) {
                items[node, default: []].append(.init(forMembers: entry.offset))
            }
        }
        guard reply != RecordArena.Entry.noReply else { return }
        items[replyNode, default: []].append(
            .init(
                record: entry.offset, reply: reply, attachment: CommitNotice.Item.noAttachment, seq: record.senderSeq))
    }

    private static func read(_ query: ReadQuery, _ state: State) -> Result<Page, StoreError> {
        if let error = state.error { return .failure(error) }
        switch query {
        case .inbox(let user, let after, let limit):
            return .success(inbox(state.inboxes[user] ?? [], after: after, limit: limit))
        case .unconfirmed(let user, let device, let limit):
            let after = state.confirmed[DeviceKey(user: user, device: device)] ?? 0
            return .success(inbox(state.inboxes[user] ?? [], after: after, limit: limit))
        case .edits: return .success(Page(arena: RecordArena(), more: false, through: 0))
        case .history(let conversation, let range, let limit, _):
            return .success(history(state.conversations[conversation] ?? [], range, limit: limit))
        }
    }

    private static func inbox(_ messages: [Message], after: UInt64, limit: Int) -> Page {
        let first = Int(min(after, UInt64(messages.count)))
        let end = min(first + limit, messages.count)
        let arena = RecordArena()
        for index in first..<end { append(messages[index], seq: UInt64(index) + 1, to: arena) }
        return Page(arena: arena, more: end < messages.count, through: UInt64(end))
    }

    private static func history(_ messages: [Message], _ range: HistoryRange, limit: Int) -> Page {
        let (part, more): (ArraySlice<Message>, Bool)
        switch range {
        case .newest: (part, more) = (messages.suffix(limit), messages.count > limit)
        case .before(let place):
            let older = messages.prefix { $0.cseq < place }
            (part, more) = (older.suffix(limit), older.count > limit)
        case .after(let place):
            let newer = messages.drop { $0.cseq <= place }
            (part, more) = (newer.prefix(limit), newer.count > limit)
        }
        let arena = RecordArena()
        for message in part { append(message, seq: 0, to: arena) }
        return Page(arena: arena, more: more, through: part.last?.cseq ?? 0)
    }

    private static func append(_ message: Message, seq: UInt64, to arena: RecordArena) {
        arena.appendStored(
            message.kind, message.head, cid: message.cid.span.bytes, body: message.body.span.bytes, id: message.id,
            cseq: message.cseq, seq: seq, time: message.time)
    }
}

extension Relation {
    static let stranger = Relation(standing: .stranger)
    static let contact = Relation(standing: .contact)
    static let blocked = Relation(standing: .stranger, isBlocked: true, isBlockedByAnyone: true)
}
