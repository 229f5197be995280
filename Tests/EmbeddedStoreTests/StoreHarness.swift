import Base
import EmbeddedStore
import Foundation
import Store
import Synchronization

/// A mailbox that keeps what it gets, and lets a test wait for it.
final class TestMailbox: StoreMailbox {
    private let received = Mutex<[StoreEvent]>([])

    func deliver(_ events: [StoreEvent]) { received.withLock { $0 += events } }

    var events: [StoreEvent] { received.withLock { $0 } }

    /// Waits for the first event that `body` makes something of. Traps after half a minute: a test hangs for nobody.
    func wait<Result>(_ body: (StoreEvent) -> Result?) -> Result {
        for _ in 0..<150_000 {
            for event in events {
                if let result = body(event) { return result }
            }
            usleep(200)
        }
        fatalError("no such event; there are \(events)")
    }
}

/// A directory that goes with the value.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "switchboard-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A copy of the files as they are now: what a crash at this instant would leave.
    func copy() throws -> TemporaryDirectory {
        let other = TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: path) where !name.hasSuffix("-shm") {
            try FileManager.default.copyItem(atPath: path + "/" + name, toPath: other.path + "/" + name)
        }
        return other
    }
}

func name(_ text: String) -> Identifier {
    guard let identifier = Identifier(text) else { fatalError("\(text) is not an identifier") }
    return identifier
}

/// What a test checks of an acknowledged or pushed record.
struct Stored: Equatable {
    var status: RecordStatus
    var id: UInt64
    var cseq: UInt64
    var seq: UInt64
    var body: String
}

/// A store, its mailboxes, and calls that wait for their answers.
final class StoreHarness: Sendable {
    let store: any Store
    let mailboxes: [TestMailbox]
    private let tickets = Atomic<UInt64>(1)

    init(_ mailboxes: [TestMailbox], _ store: any Store) {
        self.mailboxes = mailboxes
        self.store = store
    }

    /// An embedded store in `directory`.
    static func embedded(
        _ directory: TemporaryDirectory, mailboxes count: Int = 1,
        _ change: (inout EmbeddedStoreOptions) -> Void = { _ in }
    ) throws -> StoreHarness {
        var options = EmbeddedStoreOptions(directory: directory.path)
        options.indexCacheBytes = 4 << 20
        change(&options)
        let mailboxes = (0..<count).map { _ in TestMailbox() }
        return StoreHarness(mailboxes, try EmbeddedStore(options, mailboxes: mailboxes))
    }

    func close() { (store as? EmbeddedStore)?.close() }

    func nextTicket() -> UInt64 { tickets.add(1, ordering: .relaxed).newValue }

    func address(_ mailbox: Int) -> ReplyAddress {
        ReplyAddress(mailbox: MailboxIndex(mailbox), token: nextTicket(), form: 0)
    }

    /// Sends a private message and waits for the answer.
    @discardableResult
    func send(
        _ sender: String, _ destination: String, _ body: String, cid: String = "", mailbox: Int = 0
    ) throws -> Stored {
        let arena = RecordArena()
        let reply = address(mailbox)
        arena.addPrivate(sender, destination, body, cid: cid, reply: reply)
        store.submit(arena)
        return try answer(to: reply)
    }

    /// Sends a group message to `members` and waits for the answer.
    @discardableResult
    func sendGroup(
        _ sender: String, _ group: String, to members: [String], _ body: String, cid: String = "", mailbox: Int = 0
    ) throws -> Stored {
        let arena = RecordArena()
        let reply = address(mailbox)
        let head = MessageHead(command: 11, content: 0, sender: name(sender), destination: name(group))
        arena.appendGroupMessage(
            head, cid: Array(cid.utf8).span.bytes, names: RecordArena.recipientNames(members.map(name)),
            recipientCount: members.count, body: Array(body.utf8).span.bytes, reply: reply)
        store.submit(arena)
        return try answer(to: reply)
    }

    /// Confirms and gives the position that took effect.
    @discardableResult
    func confirm(_ user: String, _ device: String, _ seq: UInt64) throws -> UInt64 {
        let arena = RecordArena()
        let reply = address(0)
        arena.appendConfirm(user: name(user), device: name(device), seq: seq, reply: reply)
        store.submit(arena)
        return try answer(to: reply).cseq
    }

    func answer(to reply: ReplyAddress) throws -> Stored {
        try mailboxes[Int(reply.mailbox.rawValue)].wait { event -> Result<Stored, StoreError>? in
            switch event {
            case .committed(let notice):
                for item in notice.items where item.reply != RecordArena.Entry.noReply {
                    guard notice.arena.replies[Int(item.reply)].token == reply.token else { continue }
                    return .success(notice.stored(item))
                }
                return nil
            case .failed(let notice):
                let isMine = notice.arena.replies.contains { $0.token == reply.token }
                return isMine ? .failure(notice.error) : nil
            default: return nil
            }
        }.get()
    }

    @discardableResult
    func attach(_ user: String, device: String = "d", token: UInt32 = 0, mailbox: Int = 0) throws -> AttachReply {
        let wanted = nextTicket()
        store.attach(
            name(user), device: name(device), token: token, mailbox: MailboxIndex(mailbox), ticket: wanted)
        return try mailboxes[mailbox].wait { event -> Result<AttachReply, StoreError>? in
            if case .attached(wanted, let reply) = event { reply } else { nil }
        }.get()
    }

    func read(_ query: ReadQuery) throws -> Page {
        let wanted = nextTicket()
        store.read(query, mailbox: MailboxIndex(0), ticket: wanted)
        return try mailboxes[0].wait { event -> Result<Page, StoreError>? in
            if case .page(wanted, let page) = event { page } else { nil }
        }.get()
    }

    func inbox(_ user: String, after: UInt64 = 0, limit: Int = 1_000) throws -> Page {
        try read(.inbox(user: name(user), after: after, limit: limit))
    }

    /// The inbox, once it has `count` entries.
    func inbox(_ user: String, count: Int) throws -> Page {
        for _ in 0..<2_000 {
            let page = try inbox(user)
            if page.records.count >= count { return page }
            usleep(1_000)
        }
        return try inbox(user)
    }

    func history(_ one: String, _ other: String, _ range: HistoryRange = .newest, limit: Int = 100) throws -> Page {
        let key = ConversationKey(command: 10, sender: name(one), destination: name(other))
        return try read(.history(key, range, limit: limit, viewer: nil))
    }

    func chatList(
        _ user: String, before: ChatListQuery.Place? = nil, limit: Int = 100
    ) throws -> ChatList {
        let query = ChatListQuery(user: name(user), before: before, limit: limit)
        guard case .chatList(let list) = try ask(.chatList(query)) else { fatalError("a list is answered by a list") }
        return list
    }

    /// Reads a private conversation and gives what became of it.
    @discardableResult
    func markRead(_ user: String, _ other: String, _ cseq: UInt64, command: UInt8 = 10) throws -> Stored {
        let arena = RecordArena()
        let reply = address(0)
        arena.appendRead(user: name(user), command: command, destination: name(other), cseq: cseq, reply: reply)
        store.submit(arena)
        return try answer(to: reply)
    }

    func perform(_ command: GroupCommand) throws -> Group {
        let wanted = nextTicket()
        store.perform(.group(command), mailbox: MailboxIndex(0), ticket: wanted)
        guard case .group(let group) = try directoryAnswer(wanted) else { throw StoreError.notFound }
        return group
    }

    /// Sends a private message that is held back from its destination.
    @discardableResult
    func hold(_ sender: String, _ destination: String, _ body: String, cid: String = "") throws -> Stored {
        let arena = RecordArena()
        let reply = address(0)
        arena.addHeld(sender, destination, body, cid: cid, reply: reply)
        store.submit(arena)
        return try answer(to: reply)
    }

    @discardableResult
    func perform(_ command: ContactCommand) throws -> Relation {
        let wanted = nextTicket()
        store.perform(.contact(command), mailbox: MailboxIndex(0), ticket: wanted)
        guard case .relation(let relation) = try directoryAnswer(wanted) else { throw StoreError.notFound }
        return relation
    }

    func relation(_ user: String, _ other: String) throws -> Relation {
        guard case .relation(let relation) = try ask(.relation(of: name(user), to: name(other))) else {
            throw StoreError.notFound
        }
        return relation
    }

    func contacts(_ user: String) throws -> [Contact] {
        guard case .contacts(let contacts) = try ask(.contacts(of: name(user))) else { throw StoreError.notFound }
        return contacts
    }

    func group(_ id: String) throws -> Group {
        guard case .group(let group) = try ask(.group(name(id))) else { throw StoreError.notFound }
        return group
    }

    func lastSeen(_ users: [String]) throws -> [Identifier: UInt64] {
        guard case .lastSeen(let times) = try ask(.lastSeen(users.map(name))) else { throw StoreError.notFound }
        return times
    }

    func ask(_ question: DirectoryQuestion) throws -> DirectoryAnswer {
        let wanted = nextTicket()
        store.ask(question, mailbox: MailboxIndex(0), ticket: wanted)
        return try directoryAnswer(wanted)
    }

    private func directoryAnswer(_ wanted: UInt64) throws -> DirectoryAnswer {
        try mailboxes[0].wait { event -> Result<DirectoryAnswer, StoreError>? in
            if case .directory(wanted, let result) = event { result } else { nil }
        }.get()
    }

    /// What was pushed to the attachment with `token`, in order.
    func pushed(_ token: UInt32, mailbox: Int = 0) -> [Stored] {
        mailboxes[mailbox].events.flatMap { event -> [Stored] in
            guard case .committed(let notice) = event else { return [] }
            return notice.items.filter { $0.attachment == token }.map(notice.stored)
        }
    }
}

extension CommitNotice {
    func stored(_ item: Item) -> Stored {
        let record = arena.record(at: item.record)
        return Stored(
            status: record.status, id: record.id, cseq: record.cseq, seq: item.seq, body: record.text)
    }
}

extension RecordView {
    var text: String { String(decoding: unsafeBody, as: UTF8.self) }
}

extension Page {
    var records: [RecordView] { arena.entries.map { arena.record(at: $0.offset) } }
    var bodies: [String] { records.map(\.text) }
    var seqs: [UInt64] { records.map(\.senderSeq) }
    var cseqs: [UInt64] { records.map(\.cseq) }
}

extension RecordArena {
    func addPrivate(_ sender: String, _ destination: String, _ body: String, cid: String = "", reply: ReplyAddress?) {
        let head = MessageHead(command: 10, content: 0, sender: name(sender), destination: name(destination))
        appendPrivateMessage(head, cid: Array(cid.utf8).span.bytes, body: Array(body.utf8).span.bytes, reply: reply)
    }

    func addHeld(_ sender: String, _ destination: String, _ body: String, cid: String = "", reply: ReplyAddress?) {
        let head = MessageHead(command: 10, content: 0, sender: name(sender), destination: name(destination))
        appendHeldMessage(head, cid: Array(cid.utf8).span.bytes, body: Array(body.utf8).span.bytes, reply: reply)
    }
}
