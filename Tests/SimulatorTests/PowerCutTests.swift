import CSQLite
import Simulation
import Testing

/// A database on a simulated disk, by SQLite's own interface.
private final class Database {
    private var handle: OpaquePointer?

    init(_ disk: SimulatedDisk, _ journalMode: String = "WAL") {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        #expect(sqlite3_open_v2("test.db", &handle, flags, disk.vfs) == SQLITE_OK)
        run("PRAGMA journal_mode=\(journalMode)")
        run("PRAGMA synchronous=FULL")
    }

    deinit { sqlite3_close_v2(handle) }

    @discardableResult
    func run(_ sql: String) -> Int32 { sqlite3_exec(handle, sql, nil, nil, nil) & 0xFF }

    /// The first column of the first row; -1 if there is none.
    func integer(_ sql: String) -> Int {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK,
            sqlite3_step(statement) == SQLITE_ROW
        else { return -1 }
        return Int(sqlite3_column_int64(statement, 0))
    }
}

@Suite struct PowerCutTests {
    private func database(_ disk: SimulatedDisk, _ body: (Database) -> Void) {
        let database = Database(disk)
        // The machine stops with the connection open: closing it would move the WAL.
        withExtendedLifetime(database) {
            body(database)
            disk.halt()
        }
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>) func keepsWhatWasCommitted(seed: UInt64) {
        let disk = SimulatedDisk(name: "committed \(seed)")
        disk.reset(to: nil, seed: seed)
        database(disk) {
            $0.run("CREATE TABLE t(n INTEGER PRIMARY KEY, filling)")
            for n in 1...20 { #expect($0.run("INSERT INTO t VALUES(\(n), zeroblob(3000))") == SQLITE_OK) }
        }
        disk.cutPower()
        database(disk) {
            #expect($0.integer("SELECT count(*) FROM t") == 20)
        }
        disk.restart()
    }

    /// Where the machine stops inside of a commit, all of it is there afterwards or nothing.
    @Test(arguments: ["WAL", "DELETE"]) func isWholeOrNothing(journalMode: String) {
        let disk = SimulatedDisk(name: "whole \(journalMode)")
        var counts: Set<Int> = []
        for change in 1...60 as ClosedRange<UInt64> {
            disk.reset(to: nil, seed: change)
            do {
                let database = Database(disk, journalMode)
                database.run("CREATE TABLE t(n INTEGER PRIMARY KEY, filling)")
                disk.halt(at: change)
                for n in 1...5 {
                    database.run("INSERT INTO t VALUES(\(n)1, zeroblob(2000)), (\(n)2, zeroblob(2000)), (\(n)3, 0)")
                }
                withExtendedLifetime(database) { disk.halt() }
            }
            disk.cutPower()
            do {
                let database = Database(disk, journalMode)
                // Without WAL, a deletion that wasn't synced may bring the last journal back, and undo the table.
                let count = max(database.integer("SELECT count(*) FROM t"), 0)
                #expect(count % 3 == 0, "stopped at change \(change)")
                counts.insert(count)
                withExtendedLifetime(database) { disk.halt() }
            }
            disk.restart()
        }
        #expect(counts.count > 2)
    }

    @Test func mayLoseWhatWasNotSynced() {
        let disk = SimulatedDisk(name: "unsynced")
        var kept = 0
        for seed in 1...100 as ClosedRange<UInt64> {
            disk.reset(to: nil, seed: seed)
            database(disk) {
                $0.run("CREATE TABLE t(n)")
                $0.run("PRAGMA synchronous=OFF")
                $0.run("INSERT INTO t VALUES(1)")
            }
            disk.cutPower()
            database(disk) { kept += $0.integer("SELECT count(*) FROM t") }
            disk.restart()
        }
        #expect(kept > 0 && kept < 100)
    }

    @Test func killingTheProcessLosesNothing() {
        let disk = SimulatedDisk(name: "killed")
        database(disk) {
            $0.run("PRAGMA synchronous=OFF")
            $0.run("CREATE TABLE t(n)")
            $0.run("INSERT INTO t VALUES(1)")
        }
        disk.restart()
        database(disk) { #expect($0.integer("SELECT n FROM t") == 1) }
        disk.restart()
    }

    @Test func failsWhereItIsTold() {
        let disk = SimulatedDisk(name: "faults")
        let database = Database(disk)
        database.run("CREATE TABLE t(n)")
        disk.fail(.full, first: 1, count: 1)
        #expect(database.run("INSERT INTO t VALUES(1)") == SQLITE_FULL)
        #expect(database.run("INSERT INTO t VALUES(2)") == SQLITE_OK)
        disk.fail(.syncError, first: 1, count: 1)
        #expect(database.run("INSERT INTO t VALUES(3)") == SQLITE_IOERR)
        disk.fail(.writeError, first: 2, count: 1)
        #expect(database.run("INSERT INTO t VALUES(4)") == SQLITE_IOERR)
        #expect(disk.failures == 3)
        #expect(database.integer("SELECT count(*) FROM t") == 1)
    }

    /// What a failed sync gave up is read back, and is gone after a power cut although later syncs succeed.
    @Test func aFailedSyncIsForGood() {
        let disk = SimulatedDisk(name: "failed sync")
        var lost = 0
        for seed in 1...50 as ClosedRange<UInt64> {
            disk.reset(to: nil, seed: seed)
            database(disk) {
                $0.run("CREATE TABLE t(n)")
                disk.fail(.syncError, first: 1, count: 1)
                $0.run("INSERT INTO t VALUES(1)")
            }
            disk.restart()
            // The WAL has the row for whoever opens it, and the next commit is synced behind it.
            database(disk) {
                #expect($0.integer("SELECT count(*) FROM t") == 1)
                #expect($0.run("INSERT INTO t VALUES(2)") == SQLITE_OK)
            }
            disk.cutPower()
            database(disk) { lost += $0.integer("SELECT count(*) FROM t WHERE n = 2") == 1 ? 0 : 1 }
            disk.restart()
        }
        #expect(lost > 0)
    }

    @Test func clonesAnImage() {
        let disk = SimulatedDisk(name: "original")
        do { _ = Database(disk).run("CREATE TABLE t AS SELECT 7 AS n") }
        let image = disk.capture()
        let other = SimulatedDisk(name: "clone")
        for seed in 1...3 as ClosedRange<UInt64> {
            other.reset(to: image, seed: seed)
            let clone = Database(other)
            #expect(clone.integer("SELECT sum(n) FROM t") == 7)
            clone.run("INSERT INTO t VALUES(1)")
        }
    }
}
