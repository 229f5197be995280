internal import Base

/// What people do in a chat, drawn from a seed: the same seed, the same day.
package struct DayOfChat: Sendable {
    /// What is counted and timed by itself.
    package enum Kind: String, CaseIterable, Sendable {
        case privateMessage = "private message"
        case groupMessage = "group message"
        case typing
        case history = "history page"
        case confirm
        case heartbeat
        case comeBack = "offline and back"

        /// Of a thousand things that happen, how many are of this kind.
        package var share: Int {
            switch self {
            case .privateMessage: 550
            case .groupMessage: 100
            case .typing: 150
            case .history: 40
            case .confirm: 100
            case .heartbeat: 40
            case .comeBack: 20
            }
        }
    }

    private var random: SeededRandom

    package init(seed: UInt64) { random = SeededRandom(seed: seed) }

    package mutating func kind() -> Kind {
        var rest = Int.random(in: 0..<1_000, using: &random)
        for kind in Kind.allCases {
            rest -= kind.share
            if rest < 0 { return kind }
        }
        return .privateMessage
    }

    /// Bytes of content: a line mostly, now and then a page, rarely a picture's worth.
    package mutating func size() -> Int {
        switch Int.random(in: 0..<1_000, using: &random) {
        case 0..<970: Int.random(in: 20...200, using: &random)
        case 970..<998: 4 << 10
        default: 64 << 10
        }
    }

    /// Members of a group: many small ones, few of 200.
    package mutating func groupSize(clients: Int) -> Int {
        let sizes = [3, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 200]
        return min(clients, sizes[pick(sizes.count)])
    }

    package mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    /// How long someone is away.
    package mutating func absence() -> UInt64 { UInt64.random(in: 200_000_000...2_000_000_000, using: &random) }
}
