/// The first key of a block, and where the block is.
struct RunFence {
    var key: RunKey
    var block: UInt64
}

/// Finds and reads the blocks of runs.
///
/// *Thread:* that of the connection.
struct RunPages: ~Copyable {
    private let block: Statement
    private let upTo: Statement
    private let after: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let block = try connection.prepare("SELECT entries FROM blocks WHERE id = ?1")
        let upTo = try connection.prepare(
            """
            SELECT owner, position, block FROM fences WHERE run = ?1 AND (owner, position) <= (?2, ?3)
            ORDER BY owner DESC, position DESC LIMIT 1
            """)
        let after = try connection.prepare(
            """
            SELECT owner, position, block FROM fences WHERE run = ?1 AND (owner, position) > (?2, ?3)
            ORDER BY owner, position LIMIT ?4
            """)
        self.block = block
        self.upTo = upTo
        self.after = after
    }

    /// Reads a block into `target`.
    func read(_ id: UInt64, into target: RunBlock) throws(SQLiteError) {
        defer { block.reset() }
        block.bind(1, id)
        guard try block.step(), target.fill(from: block.bytes(0)) else {
            throw SQLiteError(corrupt: "switchboard.db: block \(id) of an index is missing or damaged")
        }
    }

    /// The block in which `key` is, if it is in this run; nil if it would be before the first.
    func fence(of run: UInt64, upTo key: RunKey) throws(SQLiteError) -> RunFence? {
        defer { upTo.reset() }
        upTo.bind(1, run)
        upTo.bind(2, key.owner)
        upTo.bind(3, key.position)
        return try upTo.step() ? fence(upTo) : nil
    }

    /// The next blocks that begin after `key`, at most `limit` of them.
    func fences(of run: UInt64, after key: RunKey, limit: Int) throws(SQLiteError) -> [RunFence] {
        defer { after.reset() }
        after.bind(1, run)
        after.bind(2, key.owner)
        after.bind(3, key.position)
        after.bind(4, limit)
        var found: [RunFence] = []
        while try after.step() { found.append(fence(after)) }
        return found
    }

    private func fence(_ row: borrowing Statement) -> RunFence {
        RunFence(key: RunKey(owner: row.unsigned(0), position: row.unsigned(1)), block: row.unsigned(2))
    }
}

/// Goes through one run forwards.
struct RunCursor {
    let run: UInt64
    private let block = RunBlock()
    private var index = 0
    private var fences: [RunFence] = []
    private var nextFence = 0
    private var lastFence: RunKey

    /// How many fences are read at a time when going on from block to block.
    private static let fencesAhead = 64

    /// Begins at the first entry after `key`.
    init(_ run: UInt64, after key: RunKey, _ pages: borrowing RunPages) throws(SQLiteError) {
        self.run = run
        lastFence = key
        if let fence = try pages.fence(of: run, upTo: key) {
            try pages.read(fence.block, into: block)
            index = block.firstIndex(after: key)
            lastFence = fence.key
        }
        if index == block.count { try nextBlock(pages, ahead: 1) }
    }

    /// The entry here; nil at the end.
    var current: RunEntry? { index < block.count ? block.entries[index] : nil }

    /// The entry before this one, if it is in the same block.
    var previous: RunEntry? { index > 0 ? block.entries[index - 1] : nil }

    /// The entries from here to the end of the block; empty at the end of the run. Valid until the cursor goes on.
    @inline(__always)
    var rest: UnsafeBufferPointer<RunEntry> { UnsafeBufferPointer(rebasing: block.entries[index...]) }

    /// Goes on by `count` entries, at most to the end of the block.
    @inline(__always)
    mutating func advance(by count: Int, _ pages: borrowing RunPages) throws(SQLiteError) {
        index += count
        if index == block.count { try nextBlock(pages, ahead: RunCursor.fencesAhead) }
    }

    private mutating func nextBlock(_ pages: borrowing RunPages, ahead: Int) throws(SQLiteError) {
        if nextFence == fences.count {
            fences = try pages.fences(of: run, after: lastFence, limit: ahead)
            nextFence = 0
        }
        index = 0
        guard nextFence < fences.count else {
            block.removeAll()
            return
        }
        let fence = fences[nextFence]
        nextFence += 1
        lastFence = fence.key
        try pages.read(fence.block, into: block)
    }
}
