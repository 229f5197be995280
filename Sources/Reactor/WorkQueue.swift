internal import Glibc

/// Work for a thread that isn't a loop, in its order. *Thread:* any may post; one runs.
///
/// The thread is woken by a condition, not by a descriptor: whoever posts may have another descriptor table, in which
/// the same number is a client's connection.
package final class WorkQueue: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var works: [@Sendable () -> Void] = []
    private var isClosed = false

    package init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `work` on the thread, after what was posted before; never, once the queue has ended.
    package func post(_ work: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        works.append(work)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Lets ``run()`` return when it has done what waits. *Thread:* any.
    package func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Does what is posted, until the queue is closed.
    package func run() {
        while let next = take() {
            for work in next { work() }
        }
    }

    private func take() -> [@Sendable () -> Void]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while works.isEmpty, !isClosed { pthread_cond_wait(condition, mutex) }
        defer { works = [] }
        return works.isEmpty ? nil : works
    }
}
