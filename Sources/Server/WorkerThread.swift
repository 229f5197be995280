internal import Reactor
internal import Synchronization

/// A thread for what takes long or blocks, which a loop has no time for: it does what it is given, one after the other.
/// *Thread:* any.
final class WorkerThread: Sendable {
    private final class Work: Sendable {
        let queue = WorkQueue()
        /// Jobs that wait or run.
        let jobs = Atomic(0)
    }

    private let work: Work
    private let thread: LoopThread

    /// Starts the thread. `name` has at most 15 bytes.
    init(name: String) {
        let work = Work()
        self.work = work
        thread = LoopThread(name: name) { work.queue.run() }
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
            work.queue.post {
                let value = body()
                work.jobs.subtract(1, ordering: .relaxed)
                continuation.resume(returning: value)
            }
        }
    }

    /// Does what waits, and ends the thread.
    func stop() {
        work.queue.close()
        thread.join()
    }
}
