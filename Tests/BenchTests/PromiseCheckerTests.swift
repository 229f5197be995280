import LoadGenerator
import Testing

/// A small world in which every promise is kept, and one plant for each promise that the checker must find.
@Suite struct PromiseCheckerTests {
    private static func entry(
        _ seq: UInt64, _ id: UInt64, _ conversation: String, _ cseq: UInt64, _ sender: String, _ cid: String,
        _ text: String? = nil
    ) -> StoredEntry {
        StoredEntry(
            seq: seq, id: id, conversation: conversation, cseq: cseq, sender: sender, cid: cid,
            digest: text.map(VerifyContent.digest))
    }

    /// a writes to b twice and to the group once, b answers once; b comes back after its first entry.
    private static var whole: PromiseChecker {
        var a = ClientJournal(user: "a")
        var b = ClientJournal(user: "b")
        for (cid, text) in [("1", "one"), ("2", "two")] {
            a.sent[cid] = .init(destination: "b", isGroup: false, digest: VerifyContent.digest(text))
        }
        a.sent["3"] = .init(destination: "g", isGroup: true, digest: VerifyContent.digest("three"))
        b.sent["1"] = .init(destination: "a", isGroup: false, digest: VerifyContent.digest("four"))
        a.acks = [entry(1, 10, "a:b", 1, "a", "1"), entry(2, 11, "a:b", 2, "a", "2"), entry(3, 12, "g", 1, "a", "3")]
        b.acks = [entry(4, 13, "a:b", 3, "b", "1")]
        let row: [(UInt64, String, UInt64, String, String, String)] = [
            (10, "a:b", 1, "a", "1", "one"), (11, "a:b", 2, "a", "2", "two"), (12, "g", 1, "a", "3", "three"),
            (13, "a:b", 3, "b", "1", "four"),
        ]
        let inbox = row.enumerated().map { place, message in
            entry(UInt64(place + 1), message.0, message.1, message.2, message.3, message.4, message.5)
        }
        var session = ClientJournal.Session(after: 0, announced: 0)
        session.entries = a.acks + [inbox[3]]
        a.sessions = [session]
        var first = ClientJournal.Session(after: 0, announced: 0)
        first.entries = [inbox[0]]
        var second = ClientJournal.Session(after: 1, announced: 2, confirmed: 1, confirmedBefore: 1)
        second.entries = [inbox[1], inbox[2], b.acks[0]]
        b.sessions = [first, second]
        let histories = Dictionary(grouping: inbox, by: \.conversation).mapValues { messages in
            messages.map { message in
                var message = message
                message.seq = 0
                return message
            }
        }
        return PromiseChecker(
            journals: [a, b], inboxes: ["a": inbox, "b": inbox], histories: histories, groups: ["g": ["a", "b"]])
    }

    @Test func findsNothingWhereNothingIsWrong() {
        #expect(PromiseCheckerTests.whole.violations() == [])
    }

    /// The same with a group too large for its members' inboxes: b has a mark where the message was, and a push.
    private static func large(_ checker: inout PromiseChecker) {
        checker.inboxMembersMax = 1
        let mark = StoredEntry(seq: 3, id: 0, conversation: "g", cseq: 1, sender: "b", cid: "", digest: nil)
        checker.inboxes["b"]?[2] = mark
        checker.journals[1].sessions[1].entries[1] = mark
        checker.journals[1].sessions[1].pushes = [entry(0, 12, "g", 1, "a", "3", "three")]
    }

    @Test func findsNothingWrongWithALargeGroup() {
        var checker = PromiseCheckerTests.whole
        PromiseCheckerTests.large(&checker)
        #expect(checker.violations() == [])
    }

    typealias Plant = @Sendable (inout PromiseChecker) -> Void

    static let plants: [(Promise, Plant)] = [
        (.ackedIsKept, { $0.histories["a:b"]?.removeLast() }),
        (.ackedIsKept, { $0.inboxes["b"]?.removeLast() }),
        (.ackedIsKept, { $0.journals[1].sessions[1].announced = 0 }),
        (.storedOnce, { $0.histories["a:b"]?.append(entry(0, 20, "a:b", 4, "a", "1", "one")) }),
        (.storedOnce, { $0.inboxes["b"]?.append(entry(5, 20, "a:b", 4, "a", "1", "one")) }),
        (.inboxIsWhole, { $0.inboxes["b"]?[3].seq = 5 }),
        (.conversationIsWhole, { $0.histories["a:b"]?[2].cseq = 4 }),
        (.pushedInOrder, { $0.journals[1].sessions[1].entries.swapAt(0, 1) }),
        (.pushedInOrder, { $0.journals[0].sessions[0].entries.remove(at: 1) }),
        (.pushedInOrder, { $0.journals[0].sessions[0].entries.insert(entry(1, 10, "a:b", 1, "a", "1"), at: 1) }),
        (.resumeIsWhole, { $0.journals[1].sessions[1].entries.removeLast() }),
        (.idsAreUnique, { $0.histories["g"]?[0].id = 10 }),
        (.idsGrow, { $0.histories["a:b"]?.swapAt(0, 1) }),
        (.idsGrow, { $0.inboxes["a"]?[2].id = 11 }),
        (.contentIsIdentical, { $0.histories["g"]?[0].digest = 1 }),
        (.contentIsIdentical, { $0.inboxes["a"]?[3].digest = 1 }),
        (.contentIsIdentical, { $0.journals[1].sessions[0].entries[0].digest = 1 }),
        (.numbersAgree, { $0.journals[0].acks[1].id = 14 }),
        (.numbersAgree, { $0.journals[0].acks[1].seq = 9 }),
        (.numbersAgree, { $0.journals[1].sessions[0].entries[0].cseq = 9 }),
        (.nothingIsInvented, { $0.inboxes["b"]?.append(entry(5, 20, "a:b", 4, "a", "99", "ghost")) }),
        (.nothingIsInvented, { $0.groups["g"] = ["a"] }),
        (
            .membersAreTold,
            {
                large(&$0)
                $0.inboxes["b"]?.remove(at: 2)
                $0.journals[1].sessions[1].pushes = []
            }
        ),
        (
            .pushedInOrder,
            {
                large(&$0)
                $0.journals[1].sessions[1].pushes.append(entry(0, 12, "g", 1, "a", "3", "three"))
            }
        ),
        (
            .numbersAgree,
            {
                large(&$0)
                $0.journals[1].sessions[1].pushes[0].id = 13
            }
        ),
        (.nothingUnexpected, { $0.journals[1].sessions[1].pushes = [entry(0, 12, "g", 1, "a", "3", "three")] }),
        (.confirmIsKept, { $0.journals[1].sessions[1].confirmed = 0 }),
        (.nothingUnexpected, { $0.journals[0].surprises = ["error internal"] }),
        (.nothingUnexpected, { $0.journals[0].acks.append(entry(1, 10, "a:b", 1, "a", "77")) }),
    ]

    @Test(arguments: plants.indices)
    func findsWhatIsPlanted(_ number: Int) {
        let (promise, plant) = PromiseCheckerTests.plants[number]
        var checker = PromiseCheckerTests.whole
        plant(&checker)
        let found = checker.violations()
        #expect(found.contains { $0.promise == promise }, "found \(found.map(\.promise))")
        #expect(found.allSatisfy { !$0.subject.isEmpty && !$0.detail.isEmpty })
    }

    /// The others are found by the run itself: nothing comes that a checker could look at.
    @Test func everyPromiseHasItsPlant() {
        let planted = Set(PromiseCheckerTests.plants.map(\.0))
        #expect(planted.union([.everythingIsAnswered, .stopsWhenTold, .keepsRunning]) == Set(Promise.allCases))
    }
}
