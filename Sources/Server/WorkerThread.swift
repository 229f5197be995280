internal import Logging
internal import Reactor
internal import Synchronization

/// A thread for what takes long or blocks, which a loop has no time for: it does what it is given, one after the other.
/// *Thread:* any.
final class WorkerThread: Sendable {
    /// A loop without connections, which does what is mailed to it.
    private final class Work: Sendable {
        let mailbox: Mailbox
        /// Jobs that wait or run.
        let jobs = Atomic(0)
        let isStopping = Atomic(false)

        init() throws(Errno) { mailbox = try Mailbox() }

        func run(_ name: String, _ log: Logger) {
            do {
                let loop = try EventLoop(mailbox: mailbox)
                while !isStopping.load(ordering: .relaxed) { loop.runOnce() }
            } catch {
                log.critical("the thread \(name) does nothing: it got no descriptor (\(error))")
            }
        }
    }

    private let work: Work
    private let thread: LoopThread

    /// Starts the thread. `name` has at most 15 bytes.
    init(name: String, log: Logger) throws(Errno) {
        let work = try Work()
        self.work = work
        thread = LoopThread(name: name) { work.run(name, log) }
    }

    /// Jobs that wait or run.
    var jobs: Int { work.jobs.load(ordering: .relaxed) }

    /// Runs `body` on the thread; nil if that would make more than `jobsMax` jobs.
    func run<Value: Sendable>(jobsMax: Int, _ body: @escaping @Sendable () -> Value) async -> Value? {
        guard work.jobs.add(1, ordering: .relaxed).newValue <= jobsMax else {
            work.jobs.subtract(1, ordering: .relaxed)
            return nil
        }
        let work = work
        return await withCheckedContinuation { continuation in
            work.mailbox.post {
                let value = body()
                work.jobs.subtract(1, ordering: .relaxed)
                continuation.resume(returning: value)
            }
        }
    }

    /// Does what waits, and ends the thread.
    func stop() {
        let work = work
        work.mailbox.post { work.isStopping.store(true, ordering: .relaxed) }
        thread.join()
    }
}
