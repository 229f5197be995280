internal import CSQLite
internal import FoundationEssentials
internal import Glibc

/// What the disk and SQLite alone cost on this machine and day.
package enum DiskFloor {
    /// Times of `count` appends of 4 KiB, each synced.
    package static func syncs(count: Int) throws -> Latency {
        let directory = try ChildServer.makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let descriptor = open(directory + "/sync", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchError("no file in \(directory)") }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 0x61, count: 4096)
        var latency = Latency()
        for _ in 0..<count {
            let start = Stamp.now
            guard write(descriptor, block, block.count) == block.count, fdatasync(descriptor) == 0 else {
                throw BenchError("the disk refuses a block")
            }
            latency.record(from: start, to: Stamp.now)
        }
        return latency
    }

    /// Commits batches of messages as three rows each, history and two inboxes, for `seconds`.
    ///
    /// It is the plain way to store a message so that both users can read it: `synchronous=FULL`, WAL, prepared
    /// statements, numbers given from memory, users and conversations chosen at random.
    package static func threeRows(
        batch: Int, payloadBytes: Int, users: Int, seconds: Double
    ) throws -> Measurement {
        let directory = try ChildServer.makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try ThreeRowStore(path: directory + "/floor.db", payloadBytes: payloadBytes, users: users)
        var measurement = Measurement()
        let before = try ProcessUsage(pid: ProcessUsage.ownPID)
        let start = Stamp.now
        let end = start + UInt64(seconds * 1e9)
        while Stamp.now < end {
            let began = Stamp.now
            try store.commit(batch)
            measurement.meter.acked += batch
            measurement.meter.ackLatency.record(from: began, to: Stamp.now)
        }
        measurement.seconds = Double(Stamp.now - start) / 1e9
        measurement.server = try ProcessUsage(pid: ProcessUsage.ownPID).since(before)
        return measurement
    }
}

/// Messages as rows: one in the history, one in each of two inboxes.
private final class ThreeRowStore {
    private let database: OpaquePointer
    private var statements: [OpaquePointer] = []
    private var inboxes: [Int64]
    private var nextID: Int64 = 1
    private let payload: [UInt8]

    private static let schema = """
        PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
        CREATE TABLE history(id INTEGER PRIMARY KEY, conv INTEGER, cseq INTEGER, body BLOB);
        CREATE TABLE inbox(user INTEGER, seq INTEGER, message INTEGER, PRIMARY KEY(user, seq)) WITHOUT ROWID;
        """

    init(path: String, payloadBytes: Int, users: Int) throws {
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK, let handle else {
            throw BenchError("SQLite can't open \(path)")
        }
        database = handle
        inboxes = Array(repeating: 0, count: max(users, 2))
        payload = Array(repeating: 0x61, count: payloadBytes)
        guard sqlite3_exec(database, ThreeRowStore.schema, nil, nil, nil) == SQLITE_OK else { throw failure }
        for text in ["INSERT INTO history VALUES(?,?,?,?)", "INSERT INTO inbox VALUES(?,?,?)"] {
            var statement: OpaquePointer?
            guard sqlite3_prepare_v2(database, text, -1, &statement, nil) == SQLITE_OK, let statement else {
                throw failure
            }
            statements.append(statement)
        }
    }

    deinit {
        for statement in statements { sqlite3_finalize(statement) }
        sqlite3_close(database)
    }

    private var failure: BenchError { BenchError("SQLite: \(String(cString: sqlite3_errmsg(database)))") }

    func commit(_ count: Int) throws {
        guard sqlite3_exec(database, "BEGIN", nil, nil, nil) == SQLITE_OK else { throw failure }
        for _ in 0..<count { try insert() }
        guard sqlite3_exec(database, "COMMIT", nil, nil, nil) == SQLITE_OK else { throw failure }
    }

    private func insert() throws {
        let sender = Int.random(in: 0..<inboxes.count)
        let receiver = (sender + Int.random(in: 1..<inboxes.count)) % inboxes.count
        let history = statements[0]
        sqlite3_bind_int64(history, 1, nextID)
        sqlite3_bind_int64(history, 2, Int64(min(sender, receiver) * inboxes.count + max(sender, receiver)))
        sqlite3_bind_int64(history, 3, nextID)
        try payload.withUnsafeBytes { bytes in
            // The bytes outlive the step, so SQLite need not copy them: a null destructor says so.
            sqlite3_bind_blob(history, 4, bytes.baseAddress, Int32(bytes.count), nil)
            try step(history)
        }
        for user in [sender, receiver] {
            inboxes[user] += 1
            let inbox = statements[1]
            sqlite3_bind_int64(inbox, 1, Int64(user))
            sqlite3_bind_int64(inbox, 2, inboxes[user])
            sqlite3_bind_int64(inbox, 3, nextID)
            try step(inbox)
        }
        nextID += 1
    }

    private func step(_ statement: OpaquePointer) throws {
        guard sqlite3_step(statement) == SQLITE_DONE else { throw failure }
        sqlite3_reset(statement)
    }
}
