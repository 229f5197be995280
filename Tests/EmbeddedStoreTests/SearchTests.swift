import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// Words are found in one's own messages, as they are now, whenever the index took them in.
@Suite(.timeLimit(.minutes(5)))
struct SearchTests {
    private func open(_ directory: TemporaryDirectory, partMessages: Int = 1 << 19) throws -> StoreHarness {
        try StoreHarness.embedded(directory) { options in
            var search = SearchOptions()
            search.partMessages = partMessages
            options.fold.search = search
        }
    }

    private func say(_ store: StoreHarness, _ sender: String, _ destination: String, _ text: String) throws -> Stored {
        let arena = RecordArena()
        let reply = store.address(0)
        let head = MessageHead(
            command: 10, content: 1 << 4, sender: name(sender), destination: name(destination))
        arena.appendPrivateMessage(head, cid: RawSpan(), body: Array(text.utf8).span.bytes, reply: reply)
        store.store.submit(arena)
        return try store.answer(to: reply)
    }

    private func find(
        _ store: StoreHarness, _ user: String, _ text: String, before: UInt64? = nil, limit: Int = 10
    ) throws -> SearchPage {
        let query = SearchQuery(
            user: name(user), text: text, conversation: nil, before: before, limit: limit, waits: true)
        for _ in 0..<5_000 {
            guard case .search(let page) = try store.ask(.search(query)) else {
                fatalError("a search is answered by a search")
            }
            if let page { return page }
            usleep(1_000)
        }
        fatalError("the index never catches up")
    }

    private func texts(_ store: StoreHarness, _ user: String, _ text: String) throws -> [String] {
        try find(store, user, text).bodies
    }

    @Test(
        arguments: [
            ("hello World", [("hello", false), ("World", false)]), ("你好", [("你好", true)]),
            ("iPhone手机 x", [("iPhone", false), ("手机", true), ("x", false)]), ("ёлка\"*", [("елка", false)]),
            ("a-b\u{E000}c", [("a", false), ("b", false), ("c", false)]),
        ])
    func textsAreTakenApart(_ text: String, _ terms: [(String, Bool)]) throws {
        let words = try #require(SearchWords(text))
        #expect(words.terms.map(\.text) == terms.map(\.0))
        #expect(words.terms.map(\.isRun) == terms.map(\.1))
    }

    @Test func whatHasNoWordIsNoQuestion() {
        #expect(SearchWords("") == nil)
        #expect(SearchWords("?! \"*\u{1F600}") == nil)
        #expect(SearchWords(String(repeating: "a ", count: 40))?.terms.count == 16)
    }

    /// Nobody searches: only the index thread's own time does it.
    @Test func theIndexFollowsWhenThereIsTime() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { options in
            options.foldMilliseconds = 1
            options.fold.search = SearchOptions()
        }
        defer { store.close() }
        let last = try say(store, "a", "b", "word")
        let index = try Connection(
            path: directory.path + "/switchboard.db", options: ConnectionOptions(isReadOnly: true))
        for _ in 0..<10_000 {
            let position = try index.integer("SELECT value FROM meta WHERE key = 'search_position'")
            if position == Int(last.id) { return }
            usleep(1_000)
        }
        Issue.record("the index doesn't follow")
    }

    @Test func manyStepsBringEverythingIn() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        for number in 0..<600 { _ = try say(store, "a", "b", "number\(number) is even\(number % 2)") }
        #expect(try texts(store, "b", "number599") == ["number599 is even1"])
        #expect(try texts(store, "a", "number0") == ["number0 is even0"])
        #expect(try texts(store, "c", "number0") == [])
    }

    /// Pages go on from part to part without losing or repeating anything.
    @Test func pagesCrossParts() throws {
        let directory = TemporaryDirectory()
        do {
            let store = try open(directory, partMessages: 20)
            defer { store.close() }
            for number in 0..<70 {
                _ = try say(store, "a", "b", "tea \(number)")
                // Steps between the messages, so that parts end where they should.
                if number % 10 == 9 { _ = try find(store, "b", "tea") }
            }
        }
        let store = try open(directory, partMessages: 20)
        defer { store.close() }
        var found: [String] = []
        var before: UInt64?
        for _ in 0..<100 {
            let page = try find(store, "b", "tea", before: before, limit: 7)
            #expect(page.isComplete)
            found = page.bodies + found
            before = page.before
            if !page.more { break }
        }
        #expect(found == (0..<70).map { "tea \($0)" })
    }

    @Test func editedAndRecalledMessagesChangeTheirWords() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory)
        defer { store.close() }
        let first = try say(store, "a", "b", "green apples")
        let second = try say(store, "a", "b", "green pears")
        #expect(try texts(store, "b", "green") == ["green apples", "green pears"])
        try store.change(.edit, first, #"{"content":"red apples"}"#)
        try store.change(.recall, second, "")
        #expect(try texts(store, "b", "green") == [])
        #expect(try texts(store, "b", "pears") == [])
        #expect(try texts(store, "b", "red").count == 1)
        #expect(try texts(store, "b", "apples").count == 1)
        // Before the index has seen them.
        let third = try say(store, "a", "b", "blue plums")
        try store.change(.edit, third, #"{"content":"black plums"}"#)
        #expect(try texts(store, "b", "blue") == [])
        #expect(try texts(store, "b", "black").count == 1)
    }

    @Test func offThrowsTheIndexAwayAndOnMakesItAnew() throws {
        let directory = TemporaryDirectory()
        for round in 1...2 {
            do {
                let store = try open(directory)
                defer { store.close() }
                _ = try say(store, "a", "b", "word \(round)")
                #expect(try texts(store, "b", "word").count == round * 2 - 1)
            }
            let store = try StoreHarness.embedded(directory)
            defer { store.close() }
            _ = try say(store, "a", "b", "word unseen")
        }
        let index = try Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions())
        #expect(try index.integer("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'search_%\\_%' ESCAPE '\\'") == 0)
    }

    /// A copy of the files at any moment has every word that was acknowledged, once.
    @Test func everyMomentCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        let store = try open(directory, partMessages: 4)
        defer { store.close() }
        for round in 1...8 {
            _ = try say(store, "a", "b", "tea \(round)")
            if round % 2 == 0 { _ = try find(store, "b", "tea") }
            let copied = try open(try directory.copy(), partMessages: 4)
            defer { copied.close() }
            #expect(try texts(copied, "b", "tea") == (1...round).map { "tea \($0)" })
        }
    }
}

extension SearchPage {
    fileprivate var bodies: [String] {
        arena.entries.map { String(decoding: arena.record(at: $0.offset).unsafeBody, as: UTF8.self) }
    }
}

extension StoreHarness {
    fileprivate func change(_ kind: RecordKind, _ message: Stored, _ members: String) throws {
        let arena = RecordArena()
        let reply = address(0)
        let head = MessageHead(command: 10, content: 2 << 4, sender: name("a"), destination: name("b"))
        arena.appendChange(
            kind, head, of: message.id, at: message.cseq, to: .both, body: Array(members.utf8).span.bytes, reply: reply)
        store.submit(arena)
        #expect(try answer(to: reply).status == .stored)
    }
}
