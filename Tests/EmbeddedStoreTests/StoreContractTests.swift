import Base
import Store
import Testing

/// What every store must keep, checked on the embedded one.
@Suite(.timeLimit(.minutes(2)))
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
}
