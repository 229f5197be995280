import Base
import Store
import Testing

@testable import EmbeddedStore

/// Chat lists, cursors and unread counts.
@Suite(.timeLimit(.minutes(3)))
struct ConversationTests {
    /// Lists against a model that counts messages: messages, reads of any place in any order, folds, restarts.
    @Test(arguments: 1...8 as ClosedRange<UInt64>) func listsAnswerLikeCounting(seed: UInt64) throws {
        let directory = TemporaryDirectory()
        var random = SeededRandom(seed: seed)
        let open = {
            try StoreHarness.embedded(directory) { options in
                options.fold.runs.blockEntries = [2, 7, RunBlock.entriesMax][Int(seed % 3)]
                options.fold.runs.openEntries = [0, 3, 30][Int(seed / 2 % 3)]
                options.fold.runs.fanIn = 2 + Int(seed % 3)
                options.fold.runs.stepEntries = [1, 20][Int(seed % 2)]
                options.cachedUsersMax = seed % 2 == 0 ? 1 : 1_000
            }
        }
        var store = try open()
        for (group, members) in ConversationModel.groups {
            let roles = Dictionary(uniqueKeysWithValues: members.map { (name($0), GroupRole.member) })
            _ = try store.perform(.create(id: name(group), name: "the \(group)", members: roles, by: name("a")))
        }
        var model = ConversationModel()
        for round in 0..<60 {
            let arena = RecordArena()
            // Groups are listed from their making on; here they are as old as their first message.
            if round == 0 {
                for group in ConversationModel.groups.keys { model.send("a", to: group, isGroup: true, arena) }
            }
            let count = random.next() % 4 == 0 ? Int(random.next() % 60) + 1 : Int(random.next() % 6) + 1
            for _ in 0..<count { model.step(into: arena, &random) }
            let reply = store.address(0)
            arena.addPrivate("z", "z", "the end", reply: reply)
            store.store.submit(arena)
            _ = try store.answer(to: reply)
            model.committed(arena)
            if random.next() % 3 == 0 {
                let user = try #require(ConversationModel.users.randomElement(using: &random))
                try model.check(store, user, pageItems: Int(random.next() % 4) + 1)
            }
            if random.next() % 12 == 0 {
                store.close()
                store = try open()
            }
        }
        for user in ConversationModel.users { try model.check(store, user, pageItems: 100) }
        store.close()
    }

    @Test func aListSaysWhatWasReadAndByWhom() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(try store.chatList("a").items.isEmpty)
        for index in 1...3 { try store.send("a", "b", "\(index)") }
        try store.send("b", "a", "4")
        let last = try store.send("c", "a", "other")
        #expect(try store.markRead("b", "a", 2).cseq == 2)
        #expect(try store.markRead("a", "c", 9).cseq == 1, "beyond the head means the head")
        #expect(try store.markRead("a", "nobody", 1).status == .refused)
        #expect(try store.markRead("a", "b", 0).cseq == 0)
        let list = try store.chatList("a")
        #expect(list.items.map(\.conversation) == [.privately(name("a"), name("b")), .privately(name("a"), name("c"))])
        #expect(list.items.map(\.unread) == [1, 0])
        #expect(list.items.map(\.cursor) == [0, 1])
        #expect(list.items.map(\.peerCursor) == [2, 0])
        #expect(list.items[1].place == last.id && list.items[1].time == MessageID.time(last.id))
        #expect(list.items.compactMap(\.last).map { list.arena.record(at: $0).text } == ["4", "other"])
        #expect(try store.chatList("b").items.map(\.unread) == [1], "three of a's, of which two are read")
    }

    @Test func pagesGoOnBehindAnItemOrATime() throws {
        let directory = TemporaryDirectory()
        let clock = TestClock(1_800_000_000_000)
        let store = try StoreHarness.embedded(directory) { $0.now = { clock.now } }
        defer { store.close() }
        for index in 1...9 {
            clock.advance(milliseconds: 10)
            try store.send("a", "peer\(index)", "hello")
        }
        clock.advance(milliseconds: 10)
        try store.send("peer3", "a", "again")
        var peers: [String] = []
        var place: ChatListQuery.Place?
        while true {
            let page = try store.chatList("a", before: place, limit: 4)
            guard let oldest = page.items.first else { break }
            peers = page.items.map { $0.peer(of: "a") } + peers
            place = peers.count < 5 ? .item(oldest.place) : .time(oldest.time)
        }
        #expect(peers == [1, 2, 4, 5, 6, 7, 8, 9, 3].map { "peer\($0)" })
    }

    @Test func groupsThatWereLeftAreNotListed() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let members: [Identifier: GroupRole] = [name("a"): .admin, name("b"): .member]
        _ = try store.perform(.create(id: name("g"), name: "Friends", members: members, by: name("a")))
        try store.sendGroup("a", "g", to: ["a", "b"], "hello")
        try store.sendGroup("b", "g", to: ["a", "b"], "hello yourself")
        let list = try store.chatList("b")
        #expect(list.items.map(\.conversation) == [.group(name("g"))])
        #expect(list.items.map(\.name) == ["Friends"] && list.items.map(\.unread) == [1])
        try store.markRead("b", "g", 2, command: 11)
        try store.sendGroup("a", "g", to: ["a", "b"], "again")
        #expect(try store.chatList("b").items.map(\.unread) == [1])
        _ = try store.perform(.removeMember(group: name("g"), user: name("b"), by: name("b")))
        #expect(try store.chatList("b").items.isEmpty)
        #expect(try store.chatList("a").items.map(\.unread) == [1])
    }

    @Test(arguments: [false, true]) func newMembersBeginAtTheEnd(reopened: Bool) throws {
        let directory = TemporaryDirectory()
        var store = try StoreHarness.embedded(directory)
        _ = try store.perform(.create(id: name("g"), name: "g", members: [name("a"): .admin], by: name("a")))
        for index in 1...5 { try store.sendGroup("a", "g", to: ["a"], "\(index)") }
        _ = try store.perform(.setMember(group: name("g"), user: name("new"), role: .member, by: name("a")))
        if reopened {
            store.close()
            store = try StoreHarness.embedded(directory)
        }
        defer { store.close() }
        // Told by a notice, which comes after the answer.
        while try store.inbox("new").seqs.isEmpty {}
        #expect(try store.chatList("new").items.map(\.unread) == [0])
        #expect(try store.chatList("new").items.map(\.cursor) == [5])
        try store.sendGroup("new", "g", to: ["a", "new"], "hello")
        try store.sendGroup("a", "g", to: ["a", "new"], "hello")
        #expect(try store.chatList("new").items.map(\.unread) == [1])
        _ = try store.perform(.setMember(group: name("g"), user: name("new"), role: .silent, by: name("a")))
        while try store.inbox("new").seqs.count < 4 {}
        #expect(try store.chatList("new").items.map(\.unread) == [1], "a change of the role reads nothing")
    }

    @Test func pagesEndAtLargeMessages() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let body = String(repeating: "x", count: 1_000_000)
        for index in 1...6 { try store.send("a", "peer\(index)", body) }
        let first = try store.chatList("a")
        #expect((1...4).contains(first.items.count))
        let rest = try store.chatList("a", before: .item(first.items[0].place))
        #expect(first.items.count + rest.items.count == 6)
    }

    @Test func marksTellSendersApart() {
        let id: UInt64 = 1 << 53 - 1
        for (user, other) in [(1, 2), (2, 1), (7, 7)] as [(UInt64, UInt64)] {
            let side = ConversationSide(of: user, with: other)
            let value = HistoryValue.privately(id, side)
            #expect(HistoryValue.id(value) == id && HistoryValue.side(value) == side)
        }
        for sender in 1...5_000 as ClosedRange<UInt64> {
            let value = HistoryValue.inGroup(id, sender: sender)
            #expect(HistoryValue.id(value) == id && HistoryValue.side(value) == nil)
            #expect(HistoryValue.mayBe(value, sender: sender))
        }
    }
}

/// What chat lists must say, by counting.
private struct ConversationModel {
    static let users = ["a", "b", "c", "d"]
    static let groups = ["g": ["a", "b", "c"], "h": ["a", "d"]]

    private struct Conversation {
        /// Of each message.
        var senders: [String] = []
        var lastID: UInt64 = 0
        var cursors: [String: UInt64] = [:]
    }

    private var conversations: [ConversationKey: Conversation] = [:]

    /// Adds a record: a message, or a read of anything.
    func step(into arena: RecordArena, _ random: inout SeededRandom) {
        let user = ConversationModel.users[Int(random.next() % 4)]
        let isGroup = random.next() % 3 == 0
        let mine = ConversationModel.groups.filter { $0.value.contains(user) }.keys.sorted()
        let other =
            isGroup ? mine[Int(random.next() % UInt64(mine.count))] : ConversationModel.users[Int(random.next() % 4)]
        let command: UInt8 = isGroup ? 11 : 10
        guard random.next() % 4 > 0 else {
            let key = ConversationKey(command: command, sender: name(user), destination: name(other))
            let head = UInt64(conversations[key]?.senders.count ?? 0)
            let place = random.next() % 4 == 0 ? head : random.next() % (head + 3)
            return arena.appendRead(
                user: name(user), command: command, destination: name(other), cseq: place, reply: nil)
        }
        send(user, to: other, isGroup: isGroup, arena)
    }

    func send(_ user: String, to other: String, isGroup: Bool, _ arena: RecordArena) {
        let head = MessageHead(
            command: isGroup ? 11 : 10, content: 0, sender: name(user), destination: name(other))
        if isGroup {
            let members = ConversationModel.groups[other] ?? []
            arena.appendGroupMessage(
                head, cid: RawSpan(), names: RecordArena.recipientNames(members.map(name)),
                recipientCount: members.count, body: RawSpan(), reply: nil)
        } else {
            arena.appendPrivateMessage(head, cid: RawSpan(), body: RawSpan(), reply: nil)
        }
    }

    /// Takes up what was committed.
    mutating func committed(_ arena: RecordArena) {
        for entry in arena.entries {
            let record = arena.record(at: entry.offset)
            guard record.status == .stored, record.sender != name("z") else { continue }
            let user = record.sender.description
            let key = ConversationKey(
                command: record.command, sender: record.sender, destination: record.destination)
            var conversation = conversations[key] ?? Conversation()
            if record.kind == .message {
                conversation.senders.append(user)
                conversation.lastID = record.id
                #expect(record.cseq == UInt64(conversation.senders.count))
            } else {
                conversation.cursors[user] = max(conversation.cursors[user] ?? 0, record.cseq)
            }
            conversations[key] = conversation
        }
    }

    func check(_ store: StoreHarness, _ user: String, pageItems: Int) throws {
        let mine = conversations.filter { key, conversation in
            switch key {
            case .group(let group): ConversationModel.groups[group.description]?.contains(user) ?? false
            case .privately(let one, let other): one == name(user) || other == name(user)
            }
        }
        let expected = mine.sorted { $0.value.lastID < $1.value.lastID }
        var found: [ChatList.Item] = []
        while true {
            let place = found.first.map { ChatListQuery.Place.item($0.place) }
            let page = try store.chatList(user, before: place, limit: pageItems)
            guard !page.items.isEmpty else { break }
            #expect(page.items.count == min(pageItems, expected.count - found.count))
            for item in page.items {
                let last = try #require(item.last.map { page.arena.record(at: $0) })
                #expect(last.id == item.place && last.cseq == UInt64(mine[item.conversation]?.senders.count ?? 0))
            }
            found = page.items + found
        }
        #expect(found.map(\.conversation) == expected.map(\.key))
        for (item, (_, conversation)) in zip(found, expected) {
            let cursor = conversation.cursors[user] ?? 0
            let unread = conversation.senders.dropFirst(Int(cursor)).count { $0 != user }
            #expect(item.unread == UInt64(unread), "\(user) in \(item.conversation), read up to \(cursor)")
            #expect(item.cursor == cursor)
            if case .privately = item.conversation {
                #expect(item.peerCursor == conversation.cursors[item.peer(of: user)] ?? 0)
            }
        }
    }
}

extension ChatList.Item {
    /// The other one of a private conversation.
    fileprivate func peer(of user: String) -> String {
        guard case .privately(let one, let other) = conversation else { return "" }
        return (one.description == user ? other : one).description
    }
}
