import Base
import CSQLite

/// What SQLite can do by itself: numbers from memory, prepared statements, one transaction a batch, nothing else.
final class RawCase: BenchCase {
    enum Layout: String {
        /// One row a message, with both inbox numbers in it.
        case appendOnly = "raw"
        /// History clustered by (conversation, place), and an inbox row for each of two users.
        case threeRows = "rows"
    }

    private let layout: Layout
    private let load: Load
    private let handle: OpaquePointer?
    private let append: OpaquePointer?
    private let history: OpaquePointer?
    private let inbox: OpaquePointer?
    private var heads: [Int64]
    private var inboxes: [Int64]
    private var random = SeededRandom(seed: 1)

    init(_ layout: Layout, _ directory: String, _ load: Load) {
        self.layout = layout
        self.load = load
        var opened: OpaquePointer?
        sqlite3_open_v2(
            directory + "/raw.db", &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nil)
        handle = opened
        // The cache is the store's own, so that neither has more memory.
        RawCase.execute(
            opened,
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144; PRAGMA secure_delete=OFF;
            CREATE TABLE log(n INTEGER PRIMARY KEY, conversation, cseq, body, first, second);
            CREATE TABLE history(conversation INTEGER, cseq INTEGER, body BLOB, PRIMARY KEY(conversation, cseq))
            WITHOUT ROWID;
            CREATE TABLE inbox(user INTEGER, seq INTEGER, conversation INTEGER, cseq INTEGER, PRIMARY KEY(user, seq))
            WITHOUT ROWID;
            """)
        append = RawCase.prepare(opened, "INSERT INTO log(conversation, cseq, body, first, second) VALUES(?,?,?,?,?)")
        history = RawCase.prepare(opened, "INSERT INTO history VALUES(?,?,?)")
        inbox = RawCase.prepare(opened, "INSERT INTO inbox VALUES(?,?,?,?)")
        heads = [Int64](repeating: 0, count: load.users)
        inboxes = heads
    }

    deinit {
        for statement in [append, history, inbox] { sqlite3_finalize(statement) }
        sqlite3_close_v2(handle)
    }

    var name: String { layout.rawValue }

    /// Row by row in the order in which a tree takes them best, in few transactions.
    func fill(_ messages: Int) {
        var done = 0
        while done < messages {
            let count = min(messages - done, 1 << 18)
            let rows = (0..<count).map { _ in next() }
            RawCase.execute(handle, "BEGIN")
            switch layout {
            case .appendOnly: for row in rows { write(row) }
            case .threeRows:
                for row in rows.sorted(by: { ($0.conversation, $0.cseq) < ($1.conversation, $1.cseq) }) {
                    write(history, [row.conversation, row.cseq], nil)
                }
                let entries = rows.flatMap { row in
                    [
                        [row.sender, row.senderSeq, row.conversation, row.cseq] as [4 of Int64],
                        [row.destination, row.destinationSeq, row.conversation, row.cseq],
                    ]
                }
                for entry in entries.sorted(by: { ($0[0], $0[1]) < ($1[0], $1[1]) }) { write(inbox, entry) }
            }
            RawCase.execute(handle, "COMMIT")
            done += count
        }
        RawCase.execute(handle, "PRAGMA wal_checkpoint(TRUNCATE)")
    }

    func measure(_ messages: Int, batch: Int) -> Measurement {
        Measurement.of(messages) {
            var done = 0
            var commits = 0
            while done < messages {
                RawCase.execute(handle, "BEGIN IMMEDIATE")
                for _ in 0..<batch { write(next()) }
                RawCase.execute(handle, "COMMIT")
                done += batch
                commits += 1
            }
            return commits
        }
    }

    private struct Row {
        var conversation: Int64
        var cseq: Int64
        var sender: Int64
        var senderSeq: Int64
        var destination: Int64
        var destinationSeq: Int64
    }

    private func next() -> Row {
        let (sender, destination) = load.next(&random)
        heads[sender] += 1
        inboxes[sender] += 1
        inboxes[destination] += 1
        return Row(
            conversation: Int64(sender), cseq: heads[sender], sender: Int64(sender), senderSeq: inboxes[sender],
            destination: Int64(destination), destinationSeq: inboxes[destination])
    }

    private func write(_ row: Row) {
        switch layout {
        case .appendOnly: write(append, [row.conversation, row.cseq], [row.senderSeq, row.destinationSeq])
        case .threeRows:
            write(history, [row.conversation, row.cseq], nil)
            write(inbox, [row.sender, row.senderSeq, row.conversation, row.cseq])
            write(inbox, [row.destination, row.destinationSeq, row.conversation, row.cseq])
        }
    }

    private static func execute(_ handle: OpaquePointer?, _ sql: String) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
            fatalError(String(cString: sqlite3_errmsg(handle)))
        }
    }

    private static func prepare(_ handle: OpaquePointer?, _ sql: String) -> OpaquePointer? {
        var statement: OpaquePointer?
        sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        return statement
    }

    private func step(_ statement: OpaquePointer?) {
        guard sqlite3_step(statement) == SQLITE_DONE else { fatalError(String(cString: sqlite3_errmsg(handle))) }
        sqlite3_reset(statement)
    }

    /// Two numbers, the body, and what follows it.
    @inline(__always)
    private func write(_ statement: OpaquePointer?, _ numbers: [2 of Int64], _ after: [2 of Int64]?) {
        sqlite3_bind_int64(statement, 1, numbers[0])
        sqlite3_bind_int64(statement, 2, numbers[1])
        load.body.withUnsafeBytes { body in
            _ = sqlite3_bind_blob64(statement, 3, body.baseAddress, UInt64(body.count), nil)
            if let after {
                sqlite3_bind_int64(statement, 4, after[0])
                sqlite3_bind_int64(statement, 5, after[1])
            }
            step(statement)
        }
    }

    @inline(__always)
    private func write(_ statement: OpaquePointer?, _ numbers: [4 of Int64]) {
        for index in 0..<4 { sqlite3_bind_int64(statement, Int32(index + 1), numbers[index]) }
        step(statement)
    }
}
