internal import CSQLite
internal import FoundationEssentials
internal import Glibc

/// How a message lies in SQLite.
package enum RowLayout: String, CaseIterable, Sendable {
    /// One in the history, one in each of two inboxes: the plain way to store a message so that both users can read it.
    case threeRows = "three rows a message"
    /// One row with everything, at the end of one table: the least that storing it can mean.
    case appendOnly = "one appended row a message"
}

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

    /// Commits batches of messages for `seconds`: `synchronous=FULL`, WAL, prepared statements, numbers given from
    /// memory, users and conversations chosen at random.
    package static func rows(
        _ layout: RowLayout, batch: Int, payloadBytes: Int, users: Int, seconds: Double
    ) throws -> Measurement {
        let directory = try ChildServer.makeDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try RowStore(layout, path: directory + "/floor.db", payloadBytes: payloadBytes, users: users)
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

/// Messages as rows.
private final class RowStore {
    private let layout: RowLayout
    private let database: OpaquePointer
    private var statements: [OpaquePointer] = []
    private var inboxes: [Int64]
    private var nextID: Int64 = 1
    private let payload: [UInt8]

    private static let schema = """
        PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
        CREATE TABLE log(id INTEGER PRIMARY KEY, conv INTEGER, cseq INTEGER, body BLOB, own INTEGER, other INTEGER);
        CREATE TABLE history(id INTEGER PRIMARY KEY, conv INTEGER, cseq INTEGER, body BLOB);
        CREATE TABLE inbox(user INTEGER, seq INTEGER, message INTEGER, PRIMARY KEY(user, seq)) WITHOUT ROWID;
        """

    init(_ layout: RowLayout, path: String, payloadBytes: Int, users: Int) throws {
        self.layout = layout
        var handle: OpaquePointer?
        guard sqlite3_open(path, &handle) == SQLITE_OK, let handle else {
            throw BenchError("SQLite can't open \(path)")
        }
        database = handle
        inboxes = Array(repeating: 0, count: max(users, 2))
        payload = Array(repeating: 0x61, count: payloadBytes)
        guard sqlite3_exec(database, RowStore.schema, nil, nil, nil) == SQLITE_OK else { throw failure }
        let texts =
            layout == .appendOnly
            ? ["INSERT INTO log VALUES(?,?,?,?,?,?)"]
            : ["INSERT INTO history VALUES(?,?,?,?)", "INSERT INTO inbox VALUES(?,?,?)"]
        for text in texts {
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
        inboxes[sender] += 1
        inboxes[receiver] += 1
        let message = statements[0]
        sqlite3_bind_int64(message, 1, nextID)
        sqlite3_bind_int64(message, 2, Int64(min(sender, receiver) * inboxes.count + max(sender, receiver)))
        sqlite3_bind_int64(message, 3, nextID)
        if layout == .appendOnly {
            sqlite3_bind_int64(message, 5, inboxes[sender])
            sqlite3_bind_int64(message, 6, inboxes[receiver])
        }
        try payload.withUnsafeBytes { bytes in
            // The bytes outlive the step, so SQLite need not copy them: a null destructor says so.
            sqlite3_bind_blob(message, 4, bytes.baseAddress, Int32(bytes.count), nil)
            try step(message)
        }
        if layout == .threeRows { for user in [sender, receiver] { try insertInbox(user) } }
        nextID += 1
    }

    private func insertInbox(_ user: Int) throws {
        let inbox = statements[1]
        sqlite3_bind_int64(inbox, 1, Int64(user))
        sqlite3_bind_int64(inbox, 2, inboxes[user])
        sqlite3_bind_int64(inbox, 3, nextID)
        try step(inbox)
    }

    private func step(_ statement: OpaquePointer) throws {
        guard sqlite3_step(statement) == SQLITE_DONE else { throw failure }
        sqlite3_reset(statement)
    }
}
