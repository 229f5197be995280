internal import CSQLite
internal import Glibc
internal import Store

/// Looks whether a store's files hold what they should; changes nothing.
package struct StoreCheck {
    /// What is wrong, in words for the operator; empty if nothing is.
    package private(set) var findings: [String] = []
    /// How much was looked at.
    package private(set) var summary = ""
    private var omitted = 0
    private let directory: String
    private let progress: (String) -> Void

    /// Findings that are listed; the rest is counted.
    private static let findingsMax = 100

    private init(_ directory: String, _ progress: @escaping (String) -> Void) {
        self.directory = directory
        self.progress = progress
    }

    /// Looks at everything in a data directory that no router runs on.
    ///
    /// - Parameter progress: told what is being done.
    package static func run(
        directory: String, progress: @escaping (String) -> Void
    ) throws(StoreOpenError) -> StoreCheck {
        let lock = try ReadLock(directory)
        var check = StoreCheck(directory, progress)
        do {
            try check.run()
        } catch {
            check.add("the check can't go on: \(error)")
        }
        if check.omitted > 0 { check.findings.append("… and \(check.omitted) more") }
        _ = consume lock
        return check
    }

    mutating func add(_ finding: String) {
        if findings.count < StoreCheck.findingsMax { findings.append(finding) } else { omitted += 1 }
    }

    func tell(_ text: String) { progress(text) }

    private mutating func run() throws(SQLiteError) {
        for path in [journalPath, indexPath] {
            guard try WriteAheadLog.exists(path, vfs: nil) else { return add("\(path) is missing") }
            do {
                try OpenMark.check(database: path, vfs: nil)
            } catch {
                return add("\(error)")
            }
        }
        let journal = try open(journalPath)
        let index = try open(indexPath)
        guard try isSound(journal, "journal.db", .journal), try isSound(index, "switchboard.db", .index) else { return }
        let epochs = try [journal.text(StoreCheck.epoch) ?? "none", index.text(StoreCheck.epoch) ?? "none"]
        if epochs[0] != epochs[1] {
            add("journal.db and switchboard.db aren't of one store (epochs \(epochs[0]) and \(epochs[1]))")
        }
        var heads = try checkIndex(index)
        let batches = try checkJournal(journal, index, &heads)
        let messages = try index.integer("SELECT count(*) FROM messages WHERE kind = 1") ?? 0
        summary =
            "\(messages) indexed messages, \(heads.conversations.count) conversations, \(heads.users.count) inboxes, "
            + "\(batches) batches in the journal that aren't indexed yet"
    }

    private static let epoch = "SELECT value FROM meta WHERE key = 'epoch'"
    private var journalPath: String { directory + "/journal.db" }
    private var indexPath: String { directory + "/switchboard.db" }

    /// Without anything in the WAL a file is read as it lies, so that nothing is made beside it.
    private func open(_ path: String) throws(SQLiteError) -> Connection {
        var options = ConnectionOptions(isReadOnly: true, cacheBytes: 64 << 20)
        var log = stat()
        options.isImmutable = stat(path + "-wal", &log) != 0 || log.st_size == 0
        return try Connection(path: path, options: options)
    }

    /// Whether it makes sense to look at what a database says.
    private mutating func isSound(
        _ connection: borrowing Connection, _ file: String, _ schema: Schema
    ) throws(SQLiteError) -> Bool {
        let pages = try connection.integer("PRAGMA page_count") ?? 0
        let bytes = pages * (try connection.integer("PRAGMA page_size") ?? 0)
        tell("\(file): integrity of \(bytes >> 20) MiB")
        let rows = try connection.prepare("PRAGMA integrity_check")
        var isWhole = true
        while try rows.step() {
            let text = rows.text(0)
            if text == "ok" { continue }
            isWhole = false
            add("\(file): \(text)")
        }
        guard isWhole else { return false }
        let missing = try schema.missingSteps(connection, file: file)
        if !missing.isEmpty {
            add(
                "\(file) was written by an older version (it lacks \(missing.joined(separator: ", "))); the router "
                    + "brings it up to date when it starts. Check it again after that")
        }
        return missing.isEmpty
    }
}

/// A lock on a data directory for who reads its files; nothing where there is no lock file, as in a backup.
private struct ReadLock: ~Copyable {
    private let file: Int32

    init(_ directory: String) throws(StoreOpenError) { file = try ReadLock.lock(directory) }

    deinit { if file >= 0 { close(file) } }

    private static func lock(_ directory: String) throws(StoreOpenError) -> Int32 {
        var status = stat()
        guard stat(directory, &status) == 0 else {
            throw StoreOpenError("can't read \(directory): \(String(cString: strerror(errno)))")
        }
        let file = open(directory + "/switchboard.lock", O_RDONLY | O_CLOEXEC)
        guard file >= 0, flock(file, LOCK_SH | LOCK_NB) != 0 else { return file }
        close(file)
        throw StoreOpenError(
            "the data directory \(directory) is in use by another process. Stop the router, or check a backup that "
                + "`router backup` takes while it runs")
    }
}
