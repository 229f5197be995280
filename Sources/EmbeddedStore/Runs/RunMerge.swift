internal import Base

/// What is left out when runs are merged, and by readers.
struct RunFilter {
    /// Smaller ids are too old: the first one within the time of an inbox, and within that of a sender's window.
    var firstInboxID: UInt64
    var firstSentID: UInt64

    init(now: UInt64, retentionMilliseconds: UInt64) {
        firstInboxID = MessageID.first(at: now - min(now, retentionMilliseconds))
        firstSentID = MessageID.first(at: now - min(now, Limits.cidWindowMilliseconds))
    }

    /// Whether nothing in the run is needed.
    func isOver(_ run: Run) -> Bool {
        switch run.family {
        case .history, .activity: false
        case .inbox: run.lastID < firstInboxID
        case .sent: run.lastID < firstSentID
        }
    }

    /// How many of the first entries nobody needs: all are one owner's, in order, and ids grow with positions.
    @inline(__always)
    func unneeded(_ family: RunFamily, _ entries: UnsafeBufferPointer<RunEntry>, floor: UInt64) -> Int {
        var count = 0
        switch family {
        case .history, .activity: return 0
        case .inbox:
            while count < entries.count, entries[count].position <= floor || entries[count].value < firstInboxID {
                count += 1
            }
        case .sent:
            while count < entries.count, entries[count].position < firstSentID { count += 1 }
        }
        return count
    }
}

/// One step of merging some runs into a growing one.
///
/// It remembers nothing between steps but what lies in the database: the growing run says up to which key its inputs
/// have been taken up. So it doesn't matter who goes on with it, nor when.
struct RunMergeStep {
    private var cursors: [RunCursor] = []
    /// The owner at which each cursor stands; beside each other, since they are compared all the time.
    private var owners: [UInt64] = []
    private(set) var taken = 0

    /// - Parameter inputs: oldest first.
    init(_ inputs: [Run], after key: RunKey, _ pages: borrowing RunPages) throws(SQLiteError) {
        for run in inputs {
            let cursor = try RunCursor(run.number, after: key, pages)
            owners.append(cursor.current?.owner ?? .max)
            cursors.append(cursor)
        }
    }

    /// The next entries of one owner, in order, all from one block; nil at the end. Of several runs that have this
    /// owner the oldest comes first. Valid until ``advance(_:)``.
    @inline(__always)
    func next() -> (cursor: Int, entries: UnsafeBufferPointer<RunEntry>)? {
        var smallest = 0
        for index in 1..<owners.count where owners[index] < owners[smallest] { smallest = index }
        let owner = owners[smallest]
        guard owner != .max else { return nil }
        let rest = cursors[smallest].rest
        var count = 1
        while count < rest.count, rest[count].owner == owner { count += 1 }
        return (smallest, UnsafeBufferPointer(rebasing: rest[..<count]))
    }

    /// Goes on behind `count` entries of a cursor.
    @inline(__always)
    mutating func advance(_ cursor: Int, by count: Int, _ pages: borrowing RunPages) throws(SQLiteError) {
        taken += count
        try cursors[cursor].advance(by: count, pages)
        owners[cursor] = cursors[cursor].current?.owner ?? .max
    }
}
