import Base
import Testing

@testable import EmbeddedStore

@Suite(.timeLimit(.minutes(5)))
struct RunIndexTests {
    /// Entries in runs against entries in an array: over folds of all sizes, merges in small and large steps, failed
    /// transactions, restarts, confirms and time that goes by.
    @Test(arguments: 1...12 as ClosedRange<UInt64>) func runsAnswerLikeASortedArray(seed: UInt64) throws {
        let directory = TemporaryDirectory()
        var random = SeededRandom(seed: seed)
        var options = RunOptions()
        options.blockEntries = [1, 2, 7, RunBlock.entriesMax][Int(seed % 4)]
        options.openEntries = [0, 3, 30][Int(seed % 3)]
        options.fanIn = 2 + Int(seed % 5)
        options.mergeFactor = 2 + Int(seed % 8)
        options.stepEntries = [1, 20, 300][Int(seed / 4 % 3)]
        let connection = try Connection(path: directory.path + "/runs.db", options: ConnectionOptions())
        try Schema.index.migrate(connection, file: "runs.db")
        var model = RunModel()
        let reader = try RunReader(connection)
        var index = try RunIndex(connection, options)
        for step in 0..<150 {
            model.advance(hours: random.next() % 10 == 0 ? 30 : 0, &random)
            let before = model
            try connection.execute("BEGIN IMMEDIATE")
            try model.fold(into: &index, &random)
            if random.next() % 8 == 0 {
                connection.rollBack()
                model = before
            } else {
                try connection.execute("COMMIT")
            }
            if random.next() % 10 == 0 { index = try RunIndex(connection, options) }
            try model.check(reader, owner: random.next() % RunModel.owners + 1, &random)
            if step % 10 == 9 { try checkInvariants(connection, options) }
        }
        for owner in 1...RunModel.owners { try model.check(reader, owner: owner, &random) }
        try checkInvariants(connection, options)
        let runs = try connection.integer("SELECT count(*) FROM runs WHERE state = 0") ?? 0
        #expect(runs <= 30 * options.fanIn, "merges fall behind: there are \(runs) runs")
    }

    /// What lies on the disk is what the catalogue says, and no block belongs to two runs.
    private func checkInvariants(_ connection: borrowing Connection, _ options: RunOptions) throws {
        let pages = try RunPages(connection)
        var blocks: Set<UInt64> = []
        for run in try RunTable(connection).load().runs {
            var last = RunKey.start
            var count: UInt64 = 0
            var ends = RunKey.start
            while let fence = try pages.fences(of: run.number, after: ends, limit: 1).first {
                ends = fence.key
                #expect(blocks.insert(fence.block).inserted, "block \(fence.block) has two owners")
                guard run.state != .dropped else { continue }
                let block = RunBlock()
                try pages.read(fence.block, into: block)
                #expect(block.entries.first?.key == fence.key)
                #expect(block.count <= options.blockEntries)
                for entry in block.entries {
                    #expect(last < entry.key)
                    last = entry.key
                }
                count += UInt64(block.count)
            }
            if run.state != .dropped { #expect(count == run.entries) }
        }
        let stored = try connection.integer("SELECT count(*) FROM blocks")
        #expect(stored == blocks.count)
    }

    /// When nothing is needed any more, what comes takes the room of what was.
    @Test func roomIsUsedAgain() throws {
        let directory = TemporaryDirectory()
        let connection = try Connection(path: directory.path + "/runs.db", options: ConnectionOptions())
        try Schema.index.migrate(connection, file: "runs.db")
        var index = try RunIndex(connection, RunOptions())
        var head: UInt64 = 0
        var sizes: [Int] = []
        for _ in 0..<120 {
            let entries = (1...2_000).map { RunEntry(owner: 1, position: head + $0, value: head + $0) }
            head += 2_000
            try connection.execute("BEGIN IMMEDIATE")
            try index.begin()
            try index.add(.inbox, entries, lastID: head)
            let filter = RunFilter(now: 0, retentionMilliseconds: 0)
            try index.maintain(filter) { (_) throws(SQLiteError) in head }
            try index.end()
            try connection.execute("COMMIT")
            sizes.append(try connection.integer("SELECT count(*) FROM blocks") ?? 0)
        }
        // Two times the fan-in: a run of each fold until they are merged, and one merge under way.
        #expect(sizes.allSatisfy { $0 <= 16 * 13 }, "\(sizes)")
        #expect(sizes[119] == sizes[60])
    }

    @Test func mergesTakeNeighboursOfOneSize() {
        var options = RunOptions()
        options.openEntries = 10
        options.fanIn = 3
        func runs(_ entries: [UInt64], targets: [Int: UInt64] = [:]) -> RunCatalog {
            RunCatalog(
                entries.enumerated().map { index, count in
                    Run(
                        number: UInt64(index + 1), family: .inbox, rank: UInt64(index + 1), state: .readable,
                        entries: count, lastID: 0, target: targets[index] ?? 0, through: .start)
                })
        }
        #expect([0, 30, 31, 90, 91].map { options.size(of: $0) } == [0, 0, 1, 1, 2])
        // The newest is small and still open.
        #expect(runs([20, 20, 5]).nextMerge(.inbox, options) == nil)
        #expect(runs([20, 20, 20]).nextMerge(.inbox, options)?.map(\.number) == [1, 2, 3])
        #expect(runs([20, 20, 20]).nextMerge(.sent, options) == nil)
        // A larger one between them keeps them apart; smaller ones are taken along, and small ones go first.
        #expect(runs([20, 80, 20, 20]).nextMerge(.inbox, options) == nil)
        #expect(runs([80, 20, 80, 20, 80]).nextMerge(.inbox, options)?.map(\.number) == [1, 2, 3, 4, 5])
        #expect(runs([80, 80, 80, 20, 20, 20]).nextMerge(.inbox, options)?.map(\.number) == [4, 5, 6])
        // What is being merged already is not taken twice.
        #expect(runs([20, 20, 20, 20], targets: [1: 9]).nextMerge(.inbox, options) == nil)
    }

    @Test func blockRefusesWhatIsNone() {
        let block = RunBlock()
        let entries = (1...200).map { RunEntry(owner: 7, position: $0, value: $0 * 2) }
        #expect(entries.withUnsafeBufferPointer { block.append($0, limit: 168) } == 168)
        var bytes = Array(block.unsafeBytes())
        let other = RunBlock()
        #expect(bytes.withUnsafeBytes { other.fill(from: $0) })
        #expect(Array(other.entries) == Array(entries[..<168]))
        #expect(other.firstIndex(after: RunKey(owner: 7, position: 20)) == 20)
        #expect(other.firstIndex(after: RunKey(owner: 6, position: 900)) == 0)
        #expect(other.firstIndex(after: RunKey(owner: 7, position: 168)) == 168)
        #expect(!bytes.dropLast().withUnsafeBytes { other.fill(from: $0) })
        bytes[0] = 169
        #expect(!bytes.withUnsafeBytes { other.fill(from: $0) })
        bytes[0] = 0
        #expect(!bytes.withUnsafeBytes { other.fill(from: $0) })
    }

    @Test func positionsOnlyGrow() throws {
        let directory = TemporaryDirectory()
        let connection = try Connection(path: directory.path + "/positions.db", options: ConnectionOptions())
        try Schema.index.migrate(connection, file: "positions.db")
        var random = SeededRandom(seed: 4)
        var expected: [UInt64: UInt64] = [:]
        var heads: [UInt64: UInt64] = [:]
        var positions = try Positions(connection)
        for _ in 0..<2_000 {
            let user = random.next() % 1_000 + 1
            let value = random.next() % 1_000
            expected[user] = max(expected[user] ?? 0, value)
            try positions.raise(user, .floor, to: value)
            try positions.put(ConversationNumbers(head: value + 1), ofConversation: user)
            heads[user] = value + 1
        }
        try positions.flush()
        var other = try Positions(connection)
        for user in 1...1_001 as ClosedRange<UInt64> {
            let floor = try other.user(user, .floor)
            let head = try other.conversation(user).head
            let others = try (other.user(user, .head), other.user(user, .seen))
            #expect(floor == expected[user] ?? 0)
            #expect(head == heads[user] ?? 0)
            #expect(others == (0, 0))
        }
        try connection.execute("UPDATE user_positions SET numbers = x'00' WHERE block = 1")
        other.begin()
        #expect(throws: SQLiteError.self) { try other.user(200, .head) }
    }
}

/// What the runs must answer.
private struct RunModel {
    static let owners: UInt64 = 9
    private static let retention: UInt64 = 100 * 3_600_000

    private var entries: [RunFamily: [UInt64: [RunEntry]]] = [:]
    private var heads: [RunFamily: [UInt64: UInt64]] = [:]
    private var floors: [UInt64: UInt64] = [:]
    private var now: UInt64 = 1_800_000_000_000
    private var lastID: UInt64 = 0

    private var filter: RunFilter { RunFilter(now: now, retentionMilliseconds: RunModel.retention) }

    /// Lets time go by and users confirm.
    mutating func advance(hours: UInt64, _ random: inout SeededRandom) {
        now += hours * 3_600_000 + 1
        let owner = random.next() % RunModel.owners + 1
        let head = heads[.inbox]?[owner] ?? 0
        floors[owner] = max(floors[owner] ?? 0, random.next() % (head + 1))
    }

    mutating func fold(into index: inout RunIndex, _ random: inout SeededRandom) throws {
        let count = [1, 3, 40, 300][Int(random.next() % 4)]
        var added: [RunFamily: [RunEntry]] = [:]
        for _ in 0..<count {
            lastID = MessageID.next(after: lastID, now: now)
            for family in RunFamily.allCases where family != .sent || random.next() % 2 == 0 {
                let owner = min(random.next() % RunModel.owners, random.next() % RunModel.owners) + 1
                let isByID = family == .sent || family == .activity
                let position = isByID ? lastID : (heads[family]?[owner] ?? 0) + 1
                heads[family, default: [:]][owner] = position
                let value =
                    switch family {
                    case .sent: random.next()
                    case .activity: random.next() % 7
                    case .history, .inbox: lastID
                    }
                added[family, default: []].append(RunEntry(owner: owner, position: position, value: value))
            }
        }
        try index.begin()
        for family in RunFamily.allCases {
            let sorted = (added[family] ?? []).sorted { $0.key < $1.key }
            try index.add(family, sorted, lastID: lastID)
            for entry in sorted { entries[family, default: [:]][entry.owner, default: []].append(entry) }
        }
        try index.maintain(filter) { (owner) throws(SQLiteError) in floors[owner] ?? 0 }
        try index.end()
    }

    private func isNeeded(_ family: RunFamily, _ entry: RunEntry) -> Bool {
        switch family {
        case .history: true
        // What a later entry of the same conversation makes void may be there or not: looked at separately.
        case .activity: false
        case .inbox: entry.position > (floors[entry.owner] ?? 0) && entry.value >= filter.firstInboxID
        case .sent: entry.position >= filter.firstSentID
        }
    }

    func check(_ reader: borrowing RunReader, owner: UInt64, _ random: inout SeededRandom) throws {
        for family in RunFamily.allCases {
            let all = entries[family]?[owner] ?? []
            let place = all.randomElement(using: &random)?.position ?? 1
            let limit = Int(random.next() % 20) + 1
            var found: [RunEntry] = []
            try reader.forward(family, owner: owner, after: place) { (position, value) in
                let entry = RunEntry(owner: owner, position: position, value: value)
                if isNeeded(family, entry) { found.append(entry) }
                return found.count < limit
            }
            let after = all.filter { $0.position > place && isNeeded(family, $0) }
            #expect(found == Array(after.prefix(limit)))
            found = []
            try reader.backward(family, owner: owner, before: place) { (position, value) in
                let entry = RunEntry(owner: owner, position: position, value: value)
                if isNeeded(family, entry) { found.append(entry) }
                return found.count < limit
            }
            let before = all.filter { $0.position < place && isNeeded(family, $0) }
            #expect(found == before.suffix(limit).reversed())
        }
        try checkActivity(reader, owner)
    }
    /// Of each conversation the last entry is there; read backwards it comes first.
    private func checkActivity(_ reader: borrowing RunReader, _ owner: UInt64) throws {
        var newest: [UInt64: UInt64] = [:]
        for entry in entries[.activity]?[owner] ?? [] { newest[entry.value] = entry.position }
        var found: [UInt64: UInt64] = [:]
        var last = UInt64.max
        try reader.backward(.activity, owner: owner, before: UInt64(Int64.max)) { (position, value) in
            #expect(position < last)
            last = position
            if found[value] == nil { found[value] = position }
            return true
        }
        #expect(found == newest)
    }
}
