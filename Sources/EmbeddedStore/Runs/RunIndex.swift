/// The indexes as the fold writes them: entries come in as runs, and runs grow together, a bounded piece in each
/// transaction.
///
/// All that it knows lies in the database and is read anew in each transaction, so there is nothing to take back when
/// one fails. *Thread:* that of the connection.
struct RunIndex: ~Copyable {
    private let table: RunTable
    private let pages: RunPages
    private var writer: RunWriter
    private let options: RunOptions
    private var catalog = RunCatalog([])
    /// Entries that may still be merged.
    private var credit = 0
    private var added = 0

    init(_ connection: borrowing Connection, _ options: RunOptions) throws(SQLiteError) {
        let table = try RunTable(connection)
        let pages = try RunPages(connection)
        let writer = try RunWriter(connection, blockEntries: options.blockEntries)
        self.table = table
        self.pages = pages
        self.writer = writer
        self.options = options
    }

    /// Begins a transaction.
    mutating func begin() throws(SQLiteError) {
        catalog = try table.load()
        writer.begin(dropped: catalog.runs(in: .dropped))
        added = 0
    }

    /// Ends a transaction.
    mutating func end() throws(SQLiteError) { try writer.deleteUsed() }

    /// Adds entries as the newest run of an index.
    ///
    /// - Parameters:
    ///   - entries: sorted; an owner's positions are above all that it has already.
    ///   - lastID: the largest message id that an entry speaks of.
    mutating func add(_ family: RunFamily, _ entries: [RunEntry], lastID: UInt64) throws(SQLiteError) {
        guard !entries.isEmpty else { return }
        added += entries.count
        credit += entries.count * options.mergeFactor
        let number = catalog.nextNumber
        var run = Run(
            number: number, family: family, rank: number, state: .readable, entries: UInt64(entries.count),
            lastID: lastID, target: 0, through: .start)
        var all = entries
        if let open = catalog.readable(family).last, open.target == 0, open.entries <= UInt64(options.openEntries) {
            var old = try contents(of: open)
            run.lastID = max(run.lastID, open.lastID)
            // What was there comes first among an owner's entries, and the sort keeps the order of equal ones.
            old += entries
            RadixSort.sort(&old) { $0.owner }
            if family == .activity { ActivityEntries.removeOutdated(&old) }
            run.entries = UInt64(old.count)
            all = old
            try drop(open)
        }
        try store(run)
        try append(all, to: number)
    }

    private mutating func append(_ entries: [RunEntry], to run: UInt64) throws(SQLiteError) {
        try entries.withUnsafeBufferPointer { (entries) throws(SQLiteError) in
            try writer.append(entries, to: run)
            try writer.flush(run)
        }
    }

    private func contents(of run: Run) throws(SQLiteError) -> [RunEntry] {
        var cursor = try RunCursor(run.number, after: .start, pages)
        var entries: [RunEntry] = []
        while cursor.current != nil {
            let rest = cursor.rest
            entries += rest
            try cursor.advance(by: rest.count, pages)
        }
        return entries
    }

    private mutating func store(_ run: Run) throws(SQLiteError) {
        try table.store(run)
        catalog.remove(run.number)
        catalog.insert(run)
    }

    private mutating func drop(_ run: Run) throws(SQLiteError) {
        var run = run
        run.state = .dropped
        run.target = 0
        try store(run)
        writer.reuse(run.number)
    }

    // MARK: Merging

    /// Lets go of runs that nobody needs and merges others, in proportion to what this transaction added.
    ///
    /// - Parameter floor: up to where all devices of a user have confirmed; asked for users in ascending order.
    mutating func maintain(
        _ filter: RunFilter, floor: (UInt64) throws(SQLiteError) -> UInt64
    ) throws(SQLiteError) {
        for run in catalog.runs(in: .readable) where run.target == 0 && filter.isOver(run) { try drop(run) }
        credit = min(credit, max(added * options.mergeFactor / 2, options.stepEntries * 4))
        guard credit >= options.stepEntries else { return }
        for family in RunFamily.allCases {
            while let inputs = catalog.nextMerge(family, options) { try beginMerge(inputs) }
        }
        while credit > 0, let run = nextGrowing() { credit -= try step(run, filter, floor: floor) }
    }

    private mutating func beginMerge(_ inputs: [Run]) throws(SQLiteError) {
        let number = catalog.nextNumber
        let output = Run(
            number: number, family: inputs[0].family, rank: inputs[0].rank, state: .growing, entries: 0,
            lastID: inputs.map(\.lastID).max() ?? 0, target: 0, through: .start)
        try store(output)
        for input in inputs {
            var input = input
            input.target = number
            try store(input)
        }
    }

    /// The growing run with the least to take up: what is small is soon done.
    private func nextGrowing() -> Run? {
        catalog.runs(in: .growing).min { size(ofInputs: $0) < size(ofInputs: $1) }
    }

    private func size(ofInputs run: Run) -> UInt64 {
        catalog.inputs(of: run.number).reduce(0) { $0 + $1.entries }
    }

    /// Goes on with a merge; returns how many entries were taken up, at least 1.
    private mutating func step(
        _ output: Run, _ filter: RunFilter, floor: (UInt64) throws(SQLiteError) -> UInt64
    ) throws(SQLiteError) -> Int {
        var output = output
        let inputs = catalog.inputs(of: output.number)
        var merge = try RunMergeStep(inputs, after: output.through, pages)
        var activity = PendingActivity()
        var floorOwner: UInt64 = 0
        var ownerFloor: UInt64 = 0
        while let (cursor, entries) = merge.next() {
            if merge.taken >= credit {
                try write(&activity, to: &output)
                try writer.flush(output.number)
                try store(output)
                return merge.taken
            }
            if output.family == .inbox, entries[0].owner != floorOwner {
                floorOwner = entries[0].owner
                ownerFloor = try floor(floorOwner)
            }
            if output.family == .activity {
                if !activity.belongs(to: entries[0].owner) { try write(&activity, to: &output) }
                activity.append(entries)
            } else {
                let unneeded = filter.unneeded(output.family, entries, floor: ownerFloor)
                try writer.append(UnsafeBufferPointer(rebasing: entries[unneeded...]), to: output.number)
                output.entries += UInt64(entries.count - unneeded)
            }
            output.through = entries[entries.count - 1].key
            try merge.advance(cursor, by: entries.count, pages)
        }
        try write(&activity, to: &output)
        try writer.flush(output.number)
        output.state = .readable
        for input in inputs { try drop(input) }
        if output.entries > 0 { try store(output) } else { try drop(output) }
        return max(merge.taken, 1)
    }
    private mutating func write(_ activity: inout PendingActivity, to output: inout Run) throws(SQLiteError) {
        activity.removeOutdated()
        output.entries += UInt64(activity.entries.count)
        try activity.entries.withUnsafeBufferPointer { (entries) throws(SQLiteError) in
            try writer.append(entries, to: output.number)
        }
        activity.removeAll()
    }
}

/// One user's entries of chat lists on their way through a merge: they wait for each other, since a later one of the
/// same conversation makes an earlier one void.
struct PendingActivity {
    private(set) var entries: [RunEntry] = []

    /// Above this many, what waits is written without those that follow; a later merge sees them together.
    private static let entriesMax = 8_192

    /// Whether a user's next entries may be added to what waits.
    func belongs(to owner: UInt64) -> Bool {
        entries.isEmpty || (entries[0].owner == owner && entries.count < PendingActivity.entriesMax)
    }

    mutating func append(_ added: UnsafeBufferPointer<RunEntry>) { entries += added }

    mutating func removeOutdated() { ActivityEntries.removeOutdated(&entries, from: 0) }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }
}
