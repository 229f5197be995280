import Base
import Foundation
import Store
import Synchronization
import Testing

/// What every store must keep, checked on the embedded one.
@Suite(.timeLimit(.minutes(5)))
struct StoreContractTests {
    @Test func numbersBeginAtOneAndAckBelongsToTheSender() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let first = try store.send("a", "b", "one")
        let second = try store.send("b", "a", "two")
        let third = try store.send("a", "c", "three")
        #expect([first.cseq, second.cseq, third.cseq] == [1, 2, 1])
        #expect([first.seq, second.seq, third.seq] == [1, 2, 3])
        #expect(first.id < second.id && second.id < third.id && third.id < 1 << 53)
        #expect(try store.inbox("a").bodies == ["one", "two", "three"])
        #expect(try store.inbox("b").bodies == ["one", "two"])
        #expect(try store.inbox("c").bodies == ["three"])
    }

    @Test func messageToOneselfHasOneEntry() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        try store.attach("a", token: 7)
        #expect(try store.send("a", "a", "note").seq == 1)
        #expect(try store.inbox("a").seqs == [1])
        #expect(store.pushed(7).map(\.seq) == [1])
    }

    /// Four callers send to the same users at once; every inbox and conversation must count without a hole.
    @Test func sequencesHaveNoHolesUnderConcurrentBatches() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory, mailboxes: 4)
        defer { store.close() }
        let users = (0..<6).map { "u\($0)" }
        DispatchQueue.concurrentPerform(iterations: 4) { caller in
            var random = SeededRandom(seed: UInt64(caller))
            for _ in 0..<60 {
                let arena = RecordArena()
                let reply = store.address(caller)
                for index in 0..<10 {
                    let pair = users.shuffled(using: &random)
                    arena.addPrivate(pair[0], pair[1], "m", reply: index == 9 ? reply : nil)
                }
                store.store.submit(arena)
                _ = try? store.answer(to: reply)
            }
        }
        var entries = 0
        for user in users {
            let seqs = try store.inbox(user, limit: 1_000).seqs
            #expect(seqs == Array(1...UInt64(seqs.count)))
            entries += seqs.count
        }
        #expect(entries == 4 * 60 * 10 * 2)
        var messages = 0
        for (index, one) in users.enumerated() {
            for other in users[(index + 1)...] {
                let cseqs = try store.history(one, other, .after(0), limit: 1_000).cseqs
                #expect(cseqs.isEmpty || cseqs == Array(1...UInt64(cseqs.count)))
                messages += cseqs.count
            }
        }
        #expect(messages == 4 * 60 * 10)
    }

    @Test func resentMessageIsStoredOnce() throws {
        let directory = TemporaryDirectory()
        var store = try StoreHarness.embedded(directory)
        let first = try store.send("a", "b", "hello", cid: "x1")
        let again = try store.send("a", "b", "hello", cid: "x1")
        #expect(first.status == .stored && again.status == .duplicate)
        #expect([again.id, again.cseq, again.seq] == [first.id, first.cseq, first.seq])
        #expect(try store.send("b", "a", "other sender", cid: "x1").status == .stored)
        // Folded, so that the next answer comes from the index.
        _ = try store.inbox("a")
        #expect(try store.send("a", "b", "hello", cid: "x1") == again)
        store.close()
        store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(try store.send("a", "b", "hello", cid: "x1") == again)
        #expect(try store.inbox("b").bodies == ["hello", "other sender"])
        #expect(try store.send("a", "b", "next", cid: "x2").cseq == 3)
    }

    @Test func resendWithinOneBatchIsRecognised() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let arena = RecordArena()
        let replies = [store.address(0), store.address(0)]
        for reply in replies { arena.addPrivate("a", "b", "hello", cid: "x", reply: reply) }
        store.store.submit(arena)
        let answers = try replies.map(store.answer)
        #expect(answers.map(\.status) == [.stored, .duplicate])
        #expect(answers[0].id == answers[1].id)
        #expect(try store.inbox("b").bodies == ["hello"])
    }

    @Test(arguments: [false, true]) func resendWindowHoldsAtLeast256Messages(reopened: Bool) throws {
        let directory = TemporaryDirectory()
        var store = try StoreHarness.embedded(directory)
        let arena = RecordArena()
        let reply = store.address(0)
        for index in 0..<256 { arena.addPrivate("a", "b", "m", cid: "c\(index)", reply: index == 255 ? reply : nil) }
        store.store.submit(arena)
        _ = try store.answer(to: reply)
        if reopened {
            store.close()
            store = try StoreHarness.embedded(directory)
        }
        defer { store.close() }
        #expect(try store.send("a", "b", "m", cid: "c0").status == .duplicate)
        #expect(try store.send("a", "b", "m", cid: "c255").status == .duplicate)
    }

    /// The same batch after an error with an unknown outcome: what was stored isn't stored again.
    @Test func repeatedBatchStoresWhatIsMissing() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        try store.send("a", "b", "1", cid: "1")
        let arena = RecordArena()
        let replies = [store.address(0), store.address(0)]
        arena.addPrivate("a", "b", "1", cid: "1", reply: replies[0])
        arena.addPrivate("a", "b", "2", cid: "2", reply: replies[1])
        store.store.submit(arena)
        #expect(try replies.map(store.answer).map(\.status) == [.duplicate, .stored])
        #expect(try store.inbox("b").bodies == ["1", "2"])
        #expect(try store.inbox("b").seqs == [1, 2])
    }

    /// Attaching while others send: each entry is either below the head or comes as an event, and none comes twice.
    @Test func attachMissesNothing() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory, mailboxes: 3)
        defer { store.close() }
        let attached = Mutex<[(token: UInt32, head: UInt64)]>([])
        DispatchQueue.concurrentPerform(iterations: 3) { part in
            if part == 2 {
                for token in UInt32(1)...20 {
                    guard let reply = try? store.attach("b", token: token, mailbox: 2) else { continue }
                    attached.withLock { $0.append((token, reply.head)) }
                    usleep(500)
                }
                return
            }
            for index in 0..<200 { _ = try? store.send("s\(part)", "b", "\(index)", mailbox: part) }
        }
        let last = try store.attach("b", token: 99, mailbox: 2).head
        #expect(last == 400)
        let heads = attached.withLock { $0 }
        #expect(heads.count == 20)
        for (index, one) in heads.enumerated() {
            let next = index + 1 < heads.count ? heads[index + 1].head : last
            let pushed = store.pushed(one.token, mailbox: 2).map(\.seq)
            #expect(pushed == (one.head < next ? Array(one.head + 1...next) : []))
        }
    }

    /// An ack and the push of the same message to the sender's own sessions are one item; others get pushes only.
    @Test func eventsGoWhereTheyBelongInOneOrder() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory, mailboxes: 2)
        defer { store.close() }
        try store.attach("a", token: 1, mailbox: 0)
        try store.attach("a", token: 2, mailbox: 1)
        try store.attach("b", token: 3, mailbox: 1)
        let arena = RecordArena()
        let replies = [store.address(0), store.address(0)]
        arena.addPrivate("a", "b", "1", reply: replies[0])
        arena.addPrivate("b", "a", "2", reply: replies[1])
        store.store.submit(arena)
        _ = try replies.map(store.answer)
        try store.attach("z", mailbox: 1)
        func items(_ mailbox: Int) -> [[UInt64]] {
            store.mailboxes[mailbox].events.flatMap { event -> [[UInt64]] in
                guard case .committed(let notice) = event else { return [] }
                return notice.items.map { item in
                    let isAnswer: UInt64 = item.reply == RecordArena.Entry.noReply ? 0 : 1
                    let token = item.attachment == CommitNotice.Item.noAttachment ? 0 : UInt64(item.attachment)
                    return [isAnswer, token, item.seq]
                }
            }
        }
        // In mailbox 0: the ack that is also a's own entry; a's second entry; b's answer, for b isn't attached there.
        #expect(items(0) == [[1, 1, 1], [0, 1, 2], [1, 0, 2]])
        #expect(Set(items(1)) == [[0, 2, 1], [0, 3, 1], [0, 3, 2], [0, 2, 2]])
        store.store.detach(name("a"), mailbox: MailboxIndex(1))
        try store.send("b", "a", "3")
        #expect(store.pushed(2, mailbox: 1).count == 2)
    }

    @Test func historyPagesInBothDirections() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        for index in 1...25 { try store.send("a", "b", "\(index)") }
        let newest = try store.history("a", "b", limit: 10)
        #expect(newest.cseqs == Array(16...25) && newest.more)
        let before = try store.history("b", "a", .before(6), limit: 10)
        #expect(before.cseqs == Array(1...5) && !before.more)
        #expect(try store.history("a", "b", .before(11), limit: 10).more == false)
        let after = try store.history("a", "b", .after(20), limit: 3)
        #expect(after.cseqs == [21, 22, 23] && after.more)
        #expect(try store.history("a", "b", .after(22), limit: 3).more == false)
        #expect(after.records.map(\.sender) == [name("a"), name("a"), name("a")])
        #expect(after.records.map(\.destination) == [name("b"), name("b"), name("b")])
        #expect(try store.history("a", "nobody").records.isEmpty)
        let inbox = try store.inbox("b", after: 3, limit: 2)
        #expect(inbox.seqs == [4, 5] && inbox.more && inbox.through == 5)
        #expect(try store.inbox("b", after: 25).through == 25)
    }

    /// A page ends before it gets too large for memory, and the next one goes on where it ended.
    @Test func largeMessagesMakeShortPages() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let body = String(repeating: "x", count: 1 << 20)
        for _ in 0..<6 { try store.send("a", "b", body) }
        let first = try store.inbox("b")
        #expect(first.more && (1..<6).contains(first.records.count))
        let rest = try store.inbox("b", after: first.through)
        #expect(first.seqs + rest.seqs == Array(1...6))
        let newest = try store.history("a", "b")
        #expect(newest.more && newest.cseqs.last == 6)
        #expect(newest.records[0].text == body)
    }

    @Test func entriesStayUntilEveryDeviceHasConfirmed() throws {
        let directory = TemporaryDirectory()
        var store = try StoreHarness.embedded(directory)
        try store.attach("b", device: "phone")
        try store.attach("b", device: "desk")
        for index in 1...5 { try store.send("a", "b", "\(index)") }
        _ = try store.inbox("b")
        #expect(try store.confirm("b", "phone", 4) == 4)
        #expect(try store.inbox("b").seqs == Array(1...5), "the other device has none of them")
        #expect(try store.confirm("b", "phone", 2) == 4, "positions never go back")
        #expect(try store.confirm("b", "desk", 3) == 3)
        #expect(try store.inbox("b").seqs == [4, 5])
        #expect(try store.read(.unconfirmed(user: name("b"), device: name("phone"), limit: 9)).seqs == [5])
        #expect(try store.confirm("b", "phone", 99) == 5, "beyond the last entry means the last entry")
        store.close()
        store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(try store.attach("b", device: "phone").confirmed == 5)
        #expect(try store.attach("b", device: "new").confirmed == 3, "a device first seen starts at the floor")
        try store.confirm("b", "desk", 5)
        #expect(try store.inbox("b").seqs == [4, 5], "the new device still waits for them")
        #expect(try store.history("a", "b").cseqs == Array(1...5), "history stays")
        #expect(try store.send("a", "b", "6").cseq == 6)
        #expect(try store.inbox("b", after: 5).seqs == [6])
    }

    @Test func groupMessagesReachTheirRecipientsOnly() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(try store.sendGroup("a", "g", to: ["a", "b", "c"], "hello", cid: "1").seq == 1)
        #expect(try store.sendGroup("x", "g", to: ["b"], "from outside").seq == 0)
        #expect(try store.send("a", "b", "privately").cseq == 1)
        #expect(try store.inbox("b").bodies == ["hello", "from outside", "privately"])
        #expect(try store.inbox("c").bodies == ["hello"])
        let page = try store.read(.history(.group(name("g")), .newest, limit: 10, viewer: nil))
        #expect(page.cseqs == [1, 2])
        #expect(page.records.map(\.destination) == [name("g"), name("g")])
        #expect(page.records.map(\.command) == [11, 11])
    }

    @Test func groupsChangeByVersion() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let made = try store.perform(.create(id: name("g"), name: "Ü", members: [name("a"): .admin], by: name("a")))
        #expect(made.name == "Ü" && made.members == [name("a"): .admin])
        #expect(throws: StoreError.self) {
            try store.perform(.create(id: name("g"), name: "again", members: [:], by: name("a")))
        }
        let grown = try store.perform(.setMember(group: name("g"), user: name("b"), role: .admin, by: name("a")))
        #expect(grown.version > made.version && grown.members.count == 2)
        let shrunk = try store.perform(.removeMember(group: name("g"), user: name("a"), by: name("a")))
        #expect(shrunk.members == [name("b"): .admin] && shrunk.version > grown.version)
        #expect(throws: StoreError.notFound) {
            try store.perform(.removeMember(group: name("g"), user: name("a"), by: name("a")))
        }
        #expect(throws: StoreError.notFound) { try store.group("none") }
        #expect(try store.group("g").version == shrunk.version, "a refused change changes nothing")
    }

    @Test func lastSeenIsTheLatest() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        let arena = RecordArena()
        for time in [UInt64(20), 30, 10] { arena.appendSeen(user: name("a"), time: time) }
        store.store.submit(arena)
        try store.send("a", "b", "after it")
        #expect(try store.lastSeen(["a", "b", "nobody"]) == [name("a"): 30])
    }

    @Test func readPositionIsClampedAndRefusedWithoutConversation() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        try store.send("a", "b", "1")
        let arena = RecordArena()
        let replies = [store.address(0), store.address(0)]
        arena.appendRead(user: name("b"), command: 10, destination: name("a"), cseq: 9, reply: replies[0])
        arena.appendRead(user: name("q"), command: 10, destination: name("r"), cseq: 1, reply: replies[1])
        store.store.submit(arena)
        #expect(try store.answer(to: replies[0]).cseq == 1)
        #expect(try store.answer(to: replies[1]).status == .refused)
        #expect(try store.send("q", "r", "1").cseq == 1)
        #expect(try store.inbox("r").bodies == ["1"])
    }
}
