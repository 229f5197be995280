import Base
import CSQLite

/// What SQLite can do by itself: numbers from memory, prepared statements, one transaction a batch, nothing else.
struct RawCase {
    enum Layout {
        /// One row a message, with both inbox numbers in it.
        case appendOnly
        /// History clustered by (conversation, place), and an inbox row for each of two users.
        case threeRows
    }

    let layout: Layout
    let directory: String
    let load: Load

    init(layout: Layout, _ directory: String, _ load: Load) {
        self.layout = layout
        self.directory = directory
        self.load = load
    }

    func run(_ messages: Int, batch: Int) throws -> Measurement {
        var handle: OpaquePointer?
        sqlite3_open_v2(
            directory + "/raw.db", &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nil)
        defer { sqlite3_close_v2(handle) }
        sqlite3_exec(
            handle,
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;
            CREATE TABLE log(n INTEGER PRIMARY KEY, conversation, cseq, body, first, second);
            CREATE TABLE history(conversation INTEGER, cseq INTEGER, body BLOB, PRIMARY KEY(conversation, cseq))
            WITHOUT ROWID;
            CREATE TABLE inbox(user INTEGER, seq INTEGER, conversation INTEGER, cseq INTEGER, PRIMARY KEY(user, seq))
            WITHOUT ROWID;
            """, nil, nil, nil)
        let append = prepare(handle, "INSERT INTO log(conversation, cseq, body, first, second) VALUES(?,?,?,?,?)")
        let history = prepare(handle, "INSERT INTO history VALUES(?,?,?)")
        let inbox = prepare(handle, "INSERT INTO inbox VALUES(?,?,?,?)")
        defer { for statement in [append, history, inbox] { sqlite3_finalize(statement) } }
        var heads = [Int64](repeating: 0, count: load.users)
        var inboxes = [Int64](repeating: 0, count: load.users)
        var random = SeededRandom(seed: 1)
        return Measurement.of(messages) {
            var done = 0
            var commits = 0
            while done < messages {
                sqlite3_exec(handle, "BEGIN IMMEDIATE", nil, nil, nil)
                for _ in 0..<batch {
                    let (sender, destination) = load.next(&random)
                    heads[sender] += 1
                    inboxes[sender] += 1
                    inboxes[destination] += 1
                    let conversation = Int64(sender)
                    switch layout {
                    case .appendOnly:
                        write(append, [conversation, heads[sender]], [inboxes[sender], inboxes[destination]])
                    case .threeRows:
                        write(history, [conversation, heads[sender]], nil)
                        write(inbox, [conversation, inboxes[sender], conversation, heads[sender]])
                        write(inbox, [Int64(destination), inboxes[destination], conversation, heads[sender]])
                    }
                }
                sqlite3_exec(handle, "COMMIT", nil, nil, nil)
                done += batch
                commits += 1
            }
            return commits
        }
    }

    private func prepare(_ handle: OpaquePointer?, _ sql: String) -> OpaquePointer? {
        var statement: OpaquePointer?
        sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        return statement
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
            _ = sqlite3_step(statement)
        }
        sqlite3_reset(statement)
    }

    @inline(__always)
    private func write(_ statement: OpaquePointer?, _ numbers: [4 of Int64]) {
        for index in 0..<4 { sqlite3_bind_int64(statement, Int32(index + 1), numbers[index]) }
        _ = sqlite3_step(statement)
        sqlite3_reset(statement)
    }
}
