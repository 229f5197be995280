internal import Logging
internal import Reactor
internal import Synchronization

/// The thread on which the webhook waits for its receiver: a loop without connections, which does what is mailed to it.
final class WebhookThread: Sendable {
    private final class Work: Sendable {
        let mailbox: Mailbox
        let isStopping = Atomic(false)

        init() throws(Errno) { mailbox = try Mailbox() }

        func run(_ log: Logger) {
            do {
                let loop = try EventLoop(mailbox: mailbox)
                while !isStopping.load(ordering: .relaxed) { loop.runOnce() }
            } catch {
                log.critical("no events are sent: no descriptor for a thread (\(error))")
            }
        }
    }

    private let work: Work
    private let thread: LoopThread

    init(log: Logger) throws(Errno) {
        let work = try Work()
        self.work = work
        thread = LoopThread(name: "webhook") { work.run(log) }
    }

    /// Runs `body` on the thread.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            work.mailbox.post { continuation.resume(returning: body()) }
        }
    }

    /// Ends the thread once it has done what waits.
    func stop() {
        let work = work
        work.mailbox.post { work.isStopping.store(true, ordering: .relaxed) }
        thread.join()
    }
}
