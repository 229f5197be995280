internal import Base
package import Store

/// Where the databases are.
package struct StoreFiles: Sendable {
    package var journal: String
    package var index: String
    /// Name of a registered VFS; nil for the system's.
    package var vfs: String?

    package init(journal: String, index: String, vfs: String? = nil) {
        self.journal = journal
        self.index = index
        self.vfs = vfs
    }
}

/// Opens both databases and folds what the index doesn't have yet, so that the journal starts with an empty memory.
package struct Recovery: ~Copyable {
    package let epoch: String
    /// Whether anybody has blocked anybody.
    package let hasBlocks: Bool
    package let hasHeldMessages: Bool
    package let position: UInt64
    package let logins: LoginState
    private let fold: Fold
    private let directory: Directory
    /// What an earlier run couldn't give the journal.
    package let unsentNotices: RecordArena?
    private let journal: Journal
    private let lookup: Connection
    /// Who may be owed marks.
    package let largeGroupMembers: LargeGroupMembers
    /// Whether an erasure of a user was interrupted: it must be finished before anything else is done.
    let hasUnfinishedErasure: Bool

    /// What ``split()`` gives: each part goes to a thread of its own.
    package struct Parts: ~Copyable {
        package var fold: Fold
        package var directory: Directory
        package var journal: Journal
        /// To be kept open for the journal's questions.
        package let lookup: Connection

        /// Makes a change of the directory; for an owner of all parts.
        package mutating func perform(
            _ command: DirectoryCommand, now: UInt64
        ) -> Result<DirectoryAnswer, StoreError> {
            fold.perform(command, &directory, now: now)
        }
    }

    /// Takes what was opened apart, for the threads that will own it.
    package consuming func split() -> Parts {
        Parts(fold: fold, directory: directory, journal: journal, lookup: lookup)
    }

    /// Opens or creates the files and brings the index up to date.
    package static func run(
        _ files: StoreFiles, _ options: EmbeddedStoreOptions, mailboxes: Int
    ) throws(SQLiteError) -> Recovery {
        // Before anything is believed or acknowledged, what can be read must be what is on the disk.
        try OpenMark.check(database: files.journal, vfs: files.vfs)
        try OpenMark.check(database: files.index, vfs: files.vfs)
        try WriteAheadLog.rewrite(database: files.journal, vfs: files.vfs)
        try WriteAheadLog.rewrite(database: files.index, vfs: files.vfs)
        let index = try Connection(
            path: files.index, options: ConnectionOptions(vfs: files.vfs, cacheBytes: options.indexCacheBytes))
        var fold = try Fold(index, options: options.fold)
        let journalOptions = ConnectionOptions(
            vfs: files.vfs, isExclusive: true, pageBytes: JournalFile.pageBytes, cacheBytes: JournalFile.cacheBytes)
        let file = try JournalFile(
            Connection(path: files.journal, options: journalOptions), checkpointBytes: options.journalCheckpointBytes)
        let epoch = try fold.withConnection { (connection) throws(SQLiteError) in
            try agreeOnEpoch(connection, file)
        }
        try fold.withConnection { (connection) throws(SQLiteError) in try OpenMark.set(connection) }
        try file.markOpen()
        try catchUp(&fold, file, options)
        try fold.noteStart(now: options.now())
        // What the folds released lies in the same table.
        _ = fold.takeReleases()
        let members = try fold.withConnection { (connection) throws(SQLiteError) in
            try LargeGroupMembers(connection)
        }
        let directory = try fold.withConnection { (connection) throws(SQLiteError) in
            try Directory(connection, options: options.fold, largeGroupMembers: members)
        }
        let unsent = try fold.withConnection { (connection) throws(SQLiteError) in
            try PendingRecords.left(in: connection)
        }
        let hasBlocks = try fold.withConnection { (connection) throws(SQLiteError) in
            try connection.integer("SELECT EXISTS(SELECT 1 FROM user_blocks)") == 1
        }
        let hasHeldMessages = try fold.withConnection { (connection) throws(SQLiteError) in
            try connection.integer("SELECT EXISTS(SELECT 1 FROM held)") == 1
        }
        let hasUnfinishedErasure = try fold.withConnection { (connection) throws(SQLiteError) in
            try connection.integer("SELECT EXISTS(SELECT 1 FROM erased WHERE unfinished)") == 1
        }
        let logins = try fold.withConnection { (connection) throws(SQLiteError) in
            try LoginState(connection, now: options.now())
        }
        let lookup = try Connection(
            path: files.index, options: ConnectionOptions(vfs: files.vfs, isReadOnly: true))
        let journal = try Journal(
            file: file, index: lookup, mailboxes: mailboxes, cacheMax: options.cachedUsersMax,
            largeGroupMembers: members)
        return Recovery(
            epoch: epoch, hasBlocks: hasBlocks, hasHeldMessages: hasHeldMessages, position: fold.position,
            logins: logins, fold: fold, directory: directory, unsentNotices: unsent, journal: journal, lookup: lookup,
            largeGroupMembers: members, hasUnfinishedErasure: hasUnfinishedErasure)
    }

    /// Folds the journal's tail.
    private static func catchUp(
        _ fold: inout Fold, _ file: borrowing JournalFile, _ options: EmbeddedStoreOptions
    ) throws(SQLiteError) {
        if let first = try file.first(after: fold.position), first > fold.position + 1 {
            throw SQLiteError(
                corrupt: "journal.db begins at batch \(first), but switchboard.db ends at \(fold.position): the "
                    + "messages between them are missing. Restore both files from the same backup")
        }
        while true {
            let batches = try file.batches(after: fold.position, bytesMax: options.foldBytes)
            guard !batches.isEmpty else { return }
            try fold.fold(batches, now: options.now())
        }
    }

    /// Both files carry the epoch. When one of them was restored or replaced they differ, a tail may be lost, and
    /// clients must start over.
    private static func agreeOnEpoch(
        _ index: borrowing Connection, _ file: borrowing JournalFile
    ) throws(SQLiteError) -> String {
        let known = try index.text("SELECT value FROM meta WHERE key = 'epoch'")
        let journals = try file.epoch()
        if let known, known == journals { return known }
        if journals != nil, try file.last() > 0 {
            throw SQLiteError(
                corrupt: "journal.db doesn't belong to this switchboard.db (epochs \(journals ?? "") and "
                    + "\(known ?? "none")). Restore both files from the same backup; or move journal.db away to go "
                    + "on without its messages")
        }
        let fresh = Epoch.fresh()
        try index.execute("INSERT OR REPLACE INTO meta VALUES('epoch', '\(fresh)')")
        try file.setEpoch(fresh)
        return fresh
    }
}
