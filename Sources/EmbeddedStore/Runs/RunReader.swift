/// Reads one owner's entries of an index, whatever runs they are in.
///
/// Runs are in the order of the commits, so that an owner's positions in a newer run are larger than those in an older
/// one: reading forwards is reading run after run from the oldest, backwards from the newest, and it ends as soon as it
/// has enough. Only the order of a run's entries is ever asked for, so it makes no difference what is merged already.
/// *Thread:* that of the connection; in a transaction, so that what it sees is one state.
struct RunReader: ~Copyable {
    private let pages: RunPages
    private let runs: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let pages = try RunPages(connection)
        let runs = try connection.prepare(
            "SELECT run FROM runs WHERE family = ?1 AND state = \(RunState.readable.rawValue) ORDER BY rank DESC")
        self.pages = pages
        self.runs = runs
    }

    /// Calls `body` with positions above `after` and their values, smallest first, until it answers false.
    func forward(
        _ family: RunFamily, owner: UInt64, after: UInt64,
        _ body: (UInt64, UInt64) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) {
        for cursor in try cursors(family, RunKey(owner: owner, position: after)).reversed() {
            var cursor = cursor
            while let entry = cursor.current, entry.owner == owner {
                guard try body(entry.position, entry.value) else { return }
                try cursor.advance(by: 1, pages)
            }
        }
    }

    /// The runs that have something of the owner after `key`, newest first.
    private func cursors(_ family: RunFamily, _ key: RunKey) throws(SQLiteError) -> [RunCursor] {
        var found: [RunCursor] = []
        for run in try newestFirst(family) {
            let cursor = try RunCursor(run, after: key, pages)
            if let entry = cursor.current, entry.owner == key.owner {
                found.append(cursor)
                if entry.position == key.position + 1 { break }
            }
            // Older runs only have what is smaller still.
            if cursor.previous?.owner == key.owner { break }
        }
        return found
    }

    /// Calls `body` with positions below `before` and their values, largest first, until it answers false.
    func backward(
        _ family: RunFamily, owner: UInt64, before: UInt64,
        _ body: (UInt64, UInt64) throws(SQLiteError) -> Bool
    ) throws(SQLiteError) {
        guard before > 0 else { return }
        let block = RunBlock()
        for run in try newestFirst(family) {
            var key = RunKey(owner: owner, position: before - 1)
            while let fence = try pages.fence(of: run, upTo: key) {
                try pages.read(fence.block, into: block)
                for index in (0..<block.firstIndex(after: key)).reversed() {
                    let entry = block.entries[index]
                    guard entry.owner == owner else { break }
                    guard try body(entry.position, entry.value) else { return }
                }
                guard fence.key.owner == owner, fence.key.position > 0 else { break }
                key.position = fence.key.position - 1
            }
        }
    }

    private func newestFirst(_ family: RunFamily) throws(SQLiteError) -> [UInt64] {
        defer { runs.reset() }
        runs.bind(1, family.rawValue)
        var found: [UInt64] = []
        while try runs.step() { found.append(runs.unsigned(0)) }
        return found
    }
}
