internal import CEpoll
internal import Synchronization

/// How other threads reach a loop: a queue of work, and one wake-up for all that is posted while the loop sleeps.
///
/// *Thread:* any may post; only the loop takes.
package final class Mailbox: Sendable {
    enum Mail: Sendable {
        case work(@Sendable () -> Void)
        case job(UnownedJob)
    }

    private struct State {
        var mails: [Mail] = []
        /// While the loop is awake it looks here before it sleeps, so nobody needs to wake it.
        var isAwake = true
    }

    private let state = Mutex(State())
    private let wakeUp: Descriptor
    private let capacity: Int

    /// - Parameter capacity: how many mails may wait before ``postIfRoom(_:)`` refuses.
    package init(capacity: Int = 65_536) throws(Errno) {
        wakeUp = try SystemCall.eventfd()
        self.capacity = capacity
    }

    var descriptor: Int32 { wakeUp.rawValue }

    /// Runs `work` on the loop, after what was posted before.
    package func post(_ work: @escaping @Sendable () -> Void) { put(.work(work)) }

    /// Like ``post(_:)``, for what may be lost: refuses when the loop is far behind.
    package func postIfRoom(_ work: @escaping @Sendable () -> Void) -> Bool {
        let isFull = state.withLock { $0.mails.count >= capacity }
        if !isFull { put(.work(work)) }
        return !isFull
    }

    func put(_ mail: Mail) {
        let mustWake = state.withLock { state in
            state.mails.append(mail)
            defer { state.isAwake = true }
            return !state.isAwake
        }
        if mustWake { _ = cep_eventfd_signal(wakeUp.rawValue) }
    }

    /// Takes all mail. *Thread:* the loop's.
    func takeAll(into mails: inout [Mail]) {
        state.withLock { swap(&$0.mails, &mails) }
    }

    /// Drops what will never run, since the loop has ended: the mails may own what owns this mailbox.
    package func discardAll() {
        var mails: [Mail] = []
        takeAll(into: &mails)
    }

    /// Says that the loop is going to sleep; false if there is mail, and it must not. *Thread:* the loop's.
    func prepareToSleep() -> Bool {
        state.withLock { state in
            guard state.mails.isEmpty else { return false }
            state.isAwake = false
            return true
        }
    }

    /// *Thread:* the loop's.
    func wokeUp() { state.withLock { $0.isAwake = true } }

    func drainWakeUp() { _ = cep_eventfd_drain(wakeUp.rawValue) }
}

/// Runs the jobs of `async` functions on a loop, so that an `await` comes back to the thread it left.
package final class LoopExecutor: TaskExecutor {
    private let mailbox: Mailbox

    init(mailbox: Mailbox) { self.mailbox = mailbox }

    package func enqueue(_ job: consuming ExecutorJob) {
        mailbox.put(.job(UnownedJob(job)))
    }
}
