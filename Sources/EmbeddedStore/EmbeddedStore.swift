package import Base
package import Store
internal import Synchronization

/// The store in this process: a journal that makes messages durable and an index that answers, on SQLite.
///
/// Four threads: one writes `journal.db`, one writes `switchboard.db`, two read. Callers only put work into queues.
/// It must be closed with ``close()``; what was acknowledged survives without.
package final class EmbeddedStore: Store {
    package let epoch: String
    package let hadBlocks: Bool
    package let hadHeldMessages: Bool
    /// The key of logins, and those that were ended before the store was opened.
    package let logins: LoginState
    private let work: SharedWork
    private let directory: String
    private let largeGroupMembers: LargeGroupMembers
    private let threads: [OwnThread]
    private let isClosed = Atomic(false)

    /// Opens or creates the store and brings the index up to date.
    ///
    /// - Parameter mailboxes: where answers go; a ``MailboxIndex`` is an index into them.
    package init(_ options: EmbeddedStoreOptions, mailboxes: [any StoreMailbox]) throws(StoreOpenError) {
        let directory = try DataDirectory(options.directory)
        do {
            let files = StoreFiles(journal: directory.journal, index: directory.index)
            let recovery = try EmbeddedStore.recover(files, options, directory, mailboxes: mailboxes.count)
            epoch = recovery.epoch
            hadBlocks = recovery.hasBlocks
            hadHeldMessages = recovery.hasHeldMessages
            logins = recovery.logins
            largeGroupMembers = recovery.largeGroupMembers
            let work = SharedWork(options: options, mailboxes: mailboxes, position: recovery.position)
            self.work = work
            self.directory = options.directory
            if let notices = recovery.unsentNotices { work.enqueue(notices: notices) }
            threads = try EmbeddedStore.start(recovery, directory, work)
        } catch {
            throw StoreOpenError("can't open the store in \(options.directory): \(error.description)")
        }
    }

    private static func recover(
        _ files: StoreFiles, _ options: EmbeddedStoreOptions, _ directory: borrowing DataDirectory, mailboxes: Int
    ) throws(SQLiteError) -> Recovery {
        do {
            let recovery = try Recovery.run(files, options, mailboxes: mailboxes)
            guard recovery.hasUnfinishedErasure else { return recovery }
        }
        try UserErasure.finish(directory)
        return try Recovery.run(files, options, mailboxes: mailboxes)
    }

    private static func start(
        _ recovery: consuming Recovery, _ directory: consuming DataDirectory, _ work: SharedWork
    ) throws(SQLiteError) -> [OwnThread] {
        let indexPath = directory.index
        let readerOptions = ConnectionOptions(isReadOnly: true)
        let readers = [
            HandOver(try ReaderThread(indexPath, readerOptions, work)),
            HandOver(try ReaderThread(indexPath, readerOptions, work)),
        ]
        let parts = recovery.split()
        let index = HandOver(IndexThread(fold: parts.fold, directory: parts.directory, work: work, files: directory))
        let journal = HandOver(JournalThread(journal: parts.journal, index: parts.lookup, work: work))
        return [
            OwnThread("journal") { journal.take { $0.run() } },
            OwnThread("index") { index.take { $0.run() } },
            OwnThread("reader 1") { readers[0].take { $0.run() } },
            OwnThread("reader 2") { readers[1].take { $0.run() } },
        ]
    }

    /// Finishes what was submitted, folds everything, empties the WALs and ends the threads. Later calls are refused.
    package func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        work.journal.update { $0.isClosing = true }
        for thread in threads { thread.join() }
    }

    /// Lets the threads give back what they keep for speed, such as pages of the files, as soon as each has nothing
    /// to do. *Thread:* any.
    package func releaseSpareMemory() { work.releaseSpareMemory() }

    /// What has been done and what waits. *Thread:* any.
    package var counters: StoreCounters { work.counters }

    /// The same with how long things take, and how the store is. *Thread:* any.
    package var figures: StoreFigures { work.figures }

    /// Why the store takes no messages, or answers no questions; nil if it does. *Thread:* any.
    package var trouble: String? { work.trouble }

    /// How large the files are. Asks the file system. *Thread:* any but a loop's.
    package var fileSizes: StoreFileSizes { StoreFileSizes(directory: directory) }

    // MARK: Store

    package var isCongested: Bool { work.isCongested }
    /// Whether what waits takes longer than others should wait.
    package var isLaden: Bool { work.isLaden }

    package func submit(_ batch: RecordArena) {
        work.enqueue(.batch(batch), bytes: batch.byteCount)
    }

    package func attach(
        _ user: Identifier, device: Identifier, token: UInt32, mailbox: MailboxIndex, ticket: UInt64
    ) {
        let request = AttachRequest(user: user, device: device, token: token, mailbox: mailbox, ticket: ticket)
        work.enqueue(.attach(request), bytes: SharedWork.attachBytes)
    }

    package func detach(_ user: Identifier, mailbox: MailboxIndex) {
        work.enqueue(.detach(user, mailbox: mailbox), bytes: SharedWork.attachBytes)
    }

    package func mayOweMarks(to user: Identifier) -> Bool { largeGroupMembers.mayContain(user) }

    package func mark(_ user: Identifier, mailbox: MailboxIndex, ticket: UInt64) {
        let request = MarkRequest(user: user, mailbox: mailbox, ticket: ticket)
        work.enqueue(.mark(request), bytes: SharedWork.attachBytes)
    }

    package func read(_ query: ReadQuery, mailbox: MailboxIndex, ticket: UInt64) {
        work.enqueue(ReadRequest(question: .page(query), mailbox: mailbox, ticket: ticket))
    }

    package func perform(_ command: DirectoryCommand, mailbox: MailboxIndex, ticket: UInt64) {
        work.enqueue(DirectoryRequest(command: command, mailbox: mailbox, ticket: ticket))
    }

    package func ask(_ question: DirectoryQuestion, mailbox: MailboxIndex, ticket: UInt64) {
        if case .search = question { work.hurrySearch() }
        work.enqueue(ReadRequest(question: .directory(question), mailbox: mailbox, ticket: ticket))
    }
}

/// Carries a value that can't be copied to the thread that will own it.
private final class HandOver<Value: ~Copyable>: @unchecked Sendable {
    private var value: Value?

    init(_ value: consuming Value) { self.value = consume value }

    /// Calls `body` with the value. *Thread:* one, once, after the value was put in.
    func take(_ body: (inout Value) -> Void) {
        guard var value = value.take() else { return }
        body(&value)
    }
}
