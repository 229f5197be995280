import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// Contacts and blocks, and messages that wait for their sender to be accepted.
@Suite(.timeLimit(.minutes(2)))
struct ContactTests {
    private let request = ContactCommand.request(by: name("a"), to: name("b"), text: "hi", isImplied: false)
    private let crossing = ContactCommand.request(by: name("b"), to: name("a"), text: "", isImplied: false)
    private let implied = ContactCommand.request(by: name("a"), to: name("b"), text: "", isImplied: true)
    private let accept = ContactCommand.accept(by: name("b"), from: name("a"))
    private let reject = ContactCommand.reject(by: name("b"), from: name("a"))

    @Test func requestsAreOneWhateverTheirOrder() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        #expect(throws: StoreError.notFound) { try store.perform(accept) }
        #expect(throws: StoreError.notFound) { try store.perform(reject) }
        for _ in 0..<2 { #expect(try store.perform(request).standing == .asked) }
        #expect(try store.relation("b", "a").standing == .stranger)
        #expect(try store.contacts("b").map(\.state) == [.incoming])
        #expect(try store.contacts("b").map(\.text) == ["hi"])
        for _ in 0..<2 { #expect(try store.perform(reject).standing == .stranger) }
        #expect(try store.contacts("a").map(\.state) == [.outgoing], "it isn't told")
        #expect(try store.perform(implied).standing == .asked)
        #expect(try store.contacts("b").isEmpty, "a held message doesn't ask again")
        #expect(try store.perform(request).standing == .asked)
        #expect(try store.perform(crossing).standing == .contact)
        for _ in 0..<2 { #expect(try store.perform(accept).standing == .contact) }
        _ = try store.perform(.remove(by: name("a"), name("b")))
        #expect(throws: StoreError.notFound) { try store.perform(.remove(by: name("b"), name("a"))) }
        #expect(try store.inbox("b", count: 4).records.map(\.kind) == [.notice, .notice, .notice, .notice])
        #expect(try store.inbox("a", count: 2).bodies == [
            #""name":"contact.accepted","user":"a","conv":"a:b""#, #""name":"contact.removed","user":"b","conv":"a:b""#,
        ])
    }

    @Test func blocksRefuseRequests() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        #expect(!store.store.hadBlocks)
        _ = try store.perform(request)
        _ = try store.perform(.block(by: name("b"), name("a")))
        #expect(try store.contacts("b").isEmpty)
        #expect(try store.perform(request).isBlocked)
        #expect(try store.contacts("b").isEmpty)
        #expect(try store.relation("a", "c") == Relation(standing: .stranger, isBlockedByAnyone: true))
        #expect(try store.relation("b", "a") == Relation(standing: .stranger))
        store.close()
        let again = try StoreHarness.embedded(directory)
        defer { again.close() }
        #expect(again.store.hadBlocks)
        _ = try again.perform(.unblock(by: name("b"), name("a")))
        #expect(try again.perform(request) == Relation(standing: .asked))
    }

    @Test func heldMessagesWait() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        try store.attach("b", token: 7)
        let first = try store.hold("a", "b", "1", cid: "x")
        #expect(first.cseq == 1 && first.seq == 1)
        #expect(try store.hold("a", "b", "1", cid: "x").status == .duplicate)
        try store.hold("a", "b", "2")
        #expect(try store.inbox("a").bodies == ["1", "2"])
        #expect(try store.inbox("b").records.isEmpty)
        let key = ConversationKey(command: 10, sender: name("a"), destination: name("b"))
        for (viewer, seen) in [("a", ["1", "2"]), ("b", []), ("nobody", [])] {
            for range in [HistoryRange.newest, .after(0), .before(9)] {
                let page = try store.read(.history(key, range, limit: 10, viewer: name(viewer)))
                #expect(page.bodies == seen && !page.more)
            }
        }
        #expect(try store.history("a", "b").bodies == ["1", "2"], "the operator sees all")
        let relation = try store.perform(request)
        #expect(relation.heldMessages == 2 && relation.heldBytes == 2)
        _ = try store.perform(accept)
        let page = try store.inbox("b", count: 4)
        #expect(page.seqs == [1, 2, 3, 4])
        #expect(page.records.map(\.kind) == [.notice, .notice, .message, .message])
        #expect(page.bodies.suffix(2) == ["1", "2"] && page.cseqs.suffix(2) == [1, 2])
        #expect(page.records[2].id == first.id)
        #expect(store.pushed(7).suffix(2).map(\.body) == ["1", "2"])
        #expect(store.pushed(7).suffix(2).map(\.seq) == [3, 4])
        #expect(try store.read(.history(key, .newest, limit: 10, viewer: name("b"))).bodies == ["1", "2"])
        #expect(try store.inbox("a").bodies.count == 3)
    }

    /// The files as a crash would leave them after each step of sending, folding, accepting and releasing.
    @Test(arguments: [false, true]) func everyStepCanBeTheLast(foldsBefore: Bool) throws {
        let directory = TemporaryDirectory()
        let files = StoreFiles(journal: directory.path + "/journal.db", index: directory.path + "/switchboard.db")
        let options = EmbeddedStoreOptions(directory: directory.path)
        var parts = try Recovery.run(files, options, mailboxes: 1).split()
        let now: UInt64 = 1_800_000_000_000
        var unfolded: [CommittedBatch] = []
        let held = RecordArena()
        for number in 1...3 { held.addHeld("a", "b", "\(number)", cid: "\(number)", reply: nil) }

        _ = try parts.perform(.contact(request), now: now).get()
        try check(directory, [request])
        let made = parts.directory.takeNotices()
        let notices = try #require(made)
        unfolded += parts.journal.process([.notices(notices)], now: now, foldedThrough: 0).committed
        try check(directory, [request])
        unfolded += parts.journal.process([.batch(held)], now: now, foldedThrough: 0).committed
        try check(directory, [request])
        if foldsBefore {
            try parts.fold.fold(unfolded, now: now)
            unfolded = []
            try check(directory, [request])
        }
        _ = try parts.perform(.contact(accept), now: now).get()
        try check(directory, [request, accept])
        let madeNow = parts.directory.takeNotices()
        let accepted = try #require(madeNow)
        #expect(accepted.entries.count == (foldsBefore ? 4 : 1))
        let round = parts.journal.process([.notices(accepted)], now: now, foldedThrough: parts.fold.position)
        unfolded += round.committed
        try check(directory, [request, accept])
        try parts.fold.fold(unfolded, now: now)
        try check(directory, [request, accept])
        let releases = parts.fold.takeReleases()
        #expect(releases?.entries.count == (foldsBefore ? nil : 3))
        guard let releases else { return }
        let last = parts.journal.process([.notices(releases)], now: now, foldedThrough: parts.fold.position)
        try check(directory, [request, accept])
        try parts.fold.fold(last.committed, now: now)
        let more = parts.fold.takeReleases()
        #expect(more == nil)
        try check(directory, [request, accept])
    }

    /// Opens copies of the files, twice each: everything is there once, and nothing too early.
    private func check(_ directory: TemporaryDirectory, _ done: [ContactCommand]) throws {
        let copy = try directory.copy()
        for _ in 0..<2 {
            let store = try StoreHarness.embedded(copy)
            defer { store.close() }
            let isAccepted = done.count > 1
            let sent = try store.inbox("a").records.filter { $0.kind == .message }.map(\.text)
            let page = try store.inbox("b", count: isAccepted ? 2 + sent.count : 1)
            #expect(page.seqs == Array(1...UInt64(isAccepted ? 2 + sent.count : 1)))
            let messages = page.records.filter { $0.kind == .message }
            #expect(messages.map(\.text) == (isAccepted ? sent : []))
            #expect(messages.map(\.cseq) == (isAccepted ? Array(1...3) : []))
        }
    }

    /// What was not folded when the sender was accepted is released by its fold.
    @Test func messagesOnTheirWayAreReleased() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 3_600_000 }
        defer { store.close() }
        _ = try store.perform(request)
        _ = try store.perform(accept)
        try store.hold("a", "b", "late")
        let page = try store.inbox("b", count: 3)
        #expect(page.records.last?.text == "late" && page.seqs == [1, 2, 3])
        #expect(try store.relation("a", "b").heldMessages == 0)
    }

    @Test func everyMomentOfTheRunningStoreCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 1 }
        defer { store.close() }
        for round in 0..<10 {
            let sender = "s\(round)"
            _ = try store.perform(.request(by: name(sender), to: name("b"), text: "", isImplied: true))
            for number in 0..<3 { try store.hold(sender, "b", "\(round)-\(number)") }
            _ = try store.perform(.accept(by: name("b"), from: name(sender)))
            let copied = try StoreHarness.embedded(try directory.copy())
            defer { copied.close() }
            let page = try copied.inbox("b", count: 5 * (round + 1))
            #expect(page.seqs == Array(1...UInt64(5 * (round + 1))))
            let messages = page.records.filter { $0.kind == .message }.map(\.text)
            #expect(messages == (0...round).flatMap { round in (0..<3).map { "\(round)-\($0)" } })
        }
    }

    /// A released message comes to the top of the chat list; while it is held it isn't there and counts nothing.
    @Test func chatListsKnowNothingOfHeldMessages() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 1 }
        defer { store.close() }
        func chats() throws -> [String] {
            let query = ChatListQuery(user: name("b"), before: nil, limit: 10)
            guard case .chatList(let list) = try store.ask(.chatList(query)) else { throw StoreError.notFound }
            return list.items.map { item in
                let last = item.last.map { list.arena.record(at: $0).text } ?? "-"
                return "\(item.conversation.text) \(last) \(item.unread)"
            }
        }
        try store.send("a", "b", "1")
        try store.hold("a", "b", "2")
        try store.hold("d", "b", "x")
        for number in 0..<20 { try store.send("c\(number % 3)", "b", "\(number)") }
        #expect(try chats() == ["a:b 1 1", "b:c2 17 6", "b:c0 18 7", "b:c1 19 7"])
        for other in ["a", "d"] {
            _ = try store.perform(.request(by: name(other), to: name("b"), text: "", isImplied: true))
            _ = try store.perform(.accept(by: name("b"), from: name(other)))
        }
        #expect(try store.inbox("b", count: 27).seqs == Array(1...27))
        #expect(try chats() == ["b:c2 17 6", "b:c0 18 7", "b:c1 19 7", "a:b 2 2", "b:d x 1"])
        for number in 0..<200 { try store.send("c\(number % 3)", "b", "\(number)") }
        #expect(try chats().prefix(2) == ["a:b 2 2", "b:d x 1"], "also when runs have grown together")
    }
}

extension ConversationKey {
    fileprivate var text: String {
        switch self {
        case .privately(let one, let other): "\(one):\(other)"
        case .group(let id): id.description
        }
    }
}
