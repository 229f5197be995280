/// The threads that hash passwords: it takes long on purpose. *Thread:* any.
final class PasswordWorkers: Sendable {
    private let workers: [WorkerThread]

    /// Jobs of one thread beyond which more are refused: about three seconds of work.
    private static let jobsMax = 16

    /// - Parameter count: threads; each needs 32 MiB while it works.
    init(count: Int) { workers = (1...count).map { WorkerThread(name: "passwords \($0)") } }

    /// Runs `work` on one of the threads; nil if too much waits for them.
    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value? {
        await workers.min { $0.jobs < $1.jobs }?.run(jobsMax: PasswordWorkers.jobsMax, work)
    }

    /// Does what waits, and ends the threads.
    func stop() {
        for worker in workers { worker.stop() }
    }
}
