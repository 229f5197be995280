internal import Logging
internal import Reactor
internal import Synchronization

/// The threads that hash passwords: it takes long on purpose, and a loop has no time for it. *Thread:* any.
final class PasswordWorkers: Sendable {
    /// A loop without connections, which does what is mailed to it.
    private final class Worker: Sendable {
        let mailbox: Mailbox
        /// Jobs that wait or run.
        let jobs = Atomic(0)
        let isStopping = Atomic(false)

        init() throws(Errno) { mailbox = try Mailbox() }

        func run(_ log: Logger) {
            do {
                let loop = try EventLoop(mailbox: mailbox)
                while !isStopping.load(ordering: .relaxed) { loop.runOnce() }
            } catch {
                log.critical("passwords can't be checked: no descriptor for a thread (\(error))")
            }
        }
    }

    private let workers: [Worker]
    private let threads: [LoopThread]

    /// Jobs of one thread beyond which more are refused: about three seconds of work.
    private static let jobsMax = 16

    /// - Parameter count: threads; each needs 32 MiB while it works.
    init(count: Int, log: Logger) throws(Errno) {
        var workers: [Worker] = []
        for _ in 0..<count { workers.append(try Worker()) }
        self.workers = workers
        threads = workers.enumerated().map { number, worker in
            LoopThread(name: "passwords \(number + 1)") { worker.run(log) }
        }
    }

    /// Runs `work` on one of the threads; nil if too much waits for them.
    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value? {
        let load = { (worker: Worker) in worker.jobs.load(ordering: .relaxed) }
        guard let worker = workers.min(by: { load($0) < load($1) }) else { return nil }
        guard worker.jobs.add(1, ordering: .relaxed).newValue <= PasswordWorkers.jobsMax else {
            worker.jobs.subtract(1, ordering: .relaxed)
            return nil
        }
        return await withCheckedContinuation { continuation in
            worker.mailbox.post {
                let value = work()
                worker.jobs.subtract(1, ordering: .relaxed)
                continuation.resume(returning: value)
            }
        }
    }

    /// Does what waits, and ends the threads.
    func stop() {
        for worker in workers { worker.mailbox.post { worker.isStopping.store(true, ordering: .relaxed) } }
        for thread in threads { thread.join() }
    }
}
