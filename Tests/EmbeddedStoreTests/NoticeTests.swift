import Base
import EmbeddedStore
import Foundation
import Store
import Testing

/// A change of the directory and what its users are told of it: both or neither, once.
@Suite(.timeLimit(.minutes(5)))
struct NoticeTests {
    private func create(_ members: [String]) -> GroupCommand {
        let members = Dictionary(uniqueKeysWithValues: members.map { (name($0), GroupRole.member) })
        return .create(id: name("g"), name: "G", members: members, by: name("a"))
    }

    @Test func changesAreToldInOrderAmongMessages() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        try store.send("c", "b", "before")
        _ = try store.perform(create(["a", "b"]))
        _ = try store.inbox("b", count: 2)
        try store.send("c", "b", "after")
        _ = try store.perform(.removeMember(group: name("g"), user: name("b"), by: name("a")))
        let page = try store.inbox("b", count: 4)
        #expect(page.seqs == [1, 2, 3, 4])
        #expect(page.records.map(\.kind) == [.message, .notice, .message, .notice])
        #expect(page.bodies[1] == #""name":"group.invited","conv":"g","group":"G""#)
        #expect(page.bodies[3] == #""name":"group.removed","conv":"g","group":"G","user":"b""#)
        #expect(page.records.map(\.sender) == [name("c"), name("a"), name("c"), name("a")])
        #expect(try store.read(.history(.group(name("g")), .newest, limit: 10, viewer: nil)).records.isEmpty)
    }

    @Test func aRefusedChangeTellsNobody() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory)
        defer { store.close() }
        _ = try store.perform(create(["a"]))
        #expect(throws: StoreError.self) { try store.perform(create(["a", "b"])) }
        _ = try store.perform(.setMember(group: name("g"), user: name("c"), role: .silent, by: name("a")))
        #expect(try store.inbox("c", count: 1).bodies.count == 1)
        #expect(try store.inbox("a", count: 2).bodies.count == 2)
        #expect(try store.inbox("b").records.isEmpty)
    }

    @Test func aNoticeThatTheJournalNeverGotComesAfterTheNextStart() throws {
        let directory = TemporaryDirectory()
        do {
            let fold = try Fold(Connection(path: directory.path + "/switchboard.db", options: ConnectionOptions()))
            var changes = try fold.withConnection { (connection) throws(SQLiteError) in try Directory(connection) }
            _ = try fold.perform(.group(create(["a", "b"])), &changes, now: 1).get()
        }
        for _ in 0..<3 {
            let store = try StoreHarness.embedded(directory)
            #expect(try store.inbox("b", count: 1).seqs == [1])
            #expect(try store.inbox("a", count: 1).seqs == [1])
            store.close()
        }
    }

    /// A copy of the files at any moment of many changes has for each version of the group one notice.
    @Test func everyMomentCanBeTheLast() throws {
        let directory = TemporaryDirectory()
        let store = try StoreHarness.embedded(directory) { $0.foldMilliseconds = 1 }
        defer { store.close() }
        _ = try store.perform(create(["a"]))
        for round in 0..<12 {
            _ = try store.perform(.setMember(group: name("g"), user: name("u\(round)"), role: .member, by: name("a")))
            let copy = try directory.copy()
            let copied = try StoreHarness.embedded(copy)
            defer { copied.close() }
            let version = try copied.group("g").version
            #expect(version >= UInt64(round + 2), "what was answered is there")
            #expect(try copied.inbox("a", count: Int(version)).seqs == Array(1...version))
        }
    }
}
