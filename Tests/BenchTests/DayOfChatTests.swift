import LoadGenerator
import Testing

@Suite struct DayOfChatTests {
    @Test func theSameSeedIsTheSameDay() {
        func day(_ seed: UInt64) -> [Int] {
            var day = DayOfChat(seed: seed)
            return (0..<500).map { _ in
                DayOfChat.Kind.allCases.firstIndex(of: day.kind()).map { $0 * 100_000 + day.size() } ?? -1
            }
        }
        #expect(day(7) == day(7))
        #expect(day(7) != day(8))
    }

    @Test func sharesAddUpAndAreKept() {
        #expect(DayOfChat.Kind.allCases.map(\.share).reduce(0, +) == 1_000)
        var day = DayOfChat(seed: 1)
        var counts: [DayOfChat.Kind: Int] = [:]
        for _ in 0..<100_000 { counts[day.kind(), default: 0] += 1 }
        for kind in DayOfChat.Kind.allCases {
            let expected = kind.share * 100
            #expect(abs((counts[kind] ?? 0) - expected) < max(expected / 5, 100), "\(kind)")
        }
    }

    @Test func mostMessagesAreShortAndSomeAreNot() {
        var day = DayOfChat(seed: 1)
        let sizes = (0..<20_000).map { _ in day.size() }
        #expect(sizes.allSatisfy { (20...200).contains($0) || $0 == 4 << 10 || $0 == 64 << 10 })
        #expect(sizes.count { $0 <= 200 } > 19_000)
        #expect(sizes.contains(4 << 10) && sizes.contains(64 << 10))
    }

    @Test func groupsHaveNoMoreMembersThanThereAreClients() {
        var day = DayOfChat(seed: 1)
        let sizes = (0..<1_000).map { _ in day.groupSize(clients: 40) }
        #expect(sizes.allSatisfy { (3...40).contains($0) })
        #expect((0..<1_000).allSatisfy { _ in (200_000_000...2_000_000_000).contains(day.absence()) })
    }
}
