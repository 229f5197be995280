internal import Glibc
internal import Store

/// A data directory that no router has open, for commands that work on it.
enum StoppedStore {
    /// Locks a directory and brings all that was acknowledged into its index.
    ///
    /// What a crash left is folded, as a start of the router does; an erasure that was interrupted is finished.
    static func open(_ path: String, inboxMembersMax: Int) throws(StoreOpenError) -> DataDirectory {
        try requireStore(path)
        do {
            let options: FoldOptions?
            do {
                let directory = try DataDirectory(path)
                options = try pendingWork(directory, inboxMembersMax: inboxMembersMax)
                if options == nil { return directory }
            }
            if let options { try settle(path, options) }
            let directory = try DataDirectory(path)
            guard try pendingWork(directory, inboxMembersMax: inboxMembersMax) == nil else {
                throw StoreOpenError(
                    "\(path) can't be tidied up. An erasure takes as much free space there as the files have now: make "
                        + "room and do it again. If there is room, start the router and stop it again; it says what "
                        + "is wrong")
            }
            return directory
        } catch let error as SQLiteError {
            throw StoreOpenError("can't open the store in \(path): \(error.description)")
        } catch let error as StoreOpenError {
            throw error
        } catch {
            throw StoreOpenError("can't open the store in \(path): \(error)")
        }
    }

    /// Refuses a directory without a store: nothing is to be created by asking.
    static func requireStore(_ path: String) throws(StoreOpenError) {
        guard access(path + "/switchboard.db", F_OK) == 0 else {
            throw StoreOpenError("there is no store in \(path). Name the router's data directory with --data")
        }
    }

    /// How the store has to be opened to finish what an earlier process left; nil if that is nothing.
    private static func pendingWork(
        _ directory: borrowing DataDirectory, inboxMembersMax: Int
    ) throws(SQLiteError) -> FoldOptions? {
        for database in [directory.journal, directory.index] { try OpenMark.check(database: database, vfs: nil) }
        let index = try Connection(path: directory.index, options: ConnectionOptions())
        try Schema.index.migrate(index, file: "switchboard.db")
        let file = try JournalFile(
            Connection(
                path: directory.journal,
                options: ConnectionOptions(
                    isExclusive: true, pageBytes: JournalFile.pageBytes, cacheBytes: JournalFile.cacheBytes)))
        let isLeft = try index.integer(
            "SELECT EXISTS(SELECT 1 FROM pending) OR EXISTS(SELECT 1 FROM erased WHERE unfinished)")
        // What the index has already lies in the journal until that is trimmed.
        guard try file.last() > 0 || isLeft == 1 else { return nil }
        var options = FoldOptions()
        options.inboxMembersMax = inboxMembersMax
        // What is too old is the router's business, and so is what is kept at all: nothing changes here.
        options.retentionMilliseconds = .max
        options.search = try searchOptions(index)
        if try index.integer("SELECT EXISTS(SELECT 1 FROM events)") == 1 {
            options.events = EventOptions(retentionMilliseconds: .max, waitsForDelivery: true)
        }
        return options
    }

    /// The full-text index as it is: on if there is one.
    static func searchOptions(_ index: borrowing Connection) throws(SQLiteError) -> SearchOptions? {
        let version = try index.integer("SELECT value FROM meta WHERE key = 'search_version'")
        return version == nil ? nil : SearchOptions()
    }

    /// Opens the store as the router does and closes it.
    private static func settle(_ path: String, _ fold: FoldOptions) throws(StoreOpenError) {
        var options = EmbeddedStoreOptions(directory: path)
        options.fold = fold
        try EmbeddedStore(options, mailboxes: []).close()
    }
}
