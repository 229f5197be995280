internal import CEpoll
internal import Glibc
internal import Synchronization

/// Wraps what belongs to one loop so that a posted closure may carry it; touching it elsewhere traps.
package final class LoopBound<Value>: @unchecked Sendable {
    private let value: Value
    private let thread: pthread_t

    /// *Thread:* the loop's.
    package init(_ value: Value) {
        self.value = value
        thread = pthread_self()
    }

    /// *Thread:* the loop's.
    package var onLoop: Value {
        precondition(pthread_equal(pthread_self(), thread) != 0, "loop-bound value used on another thread")
        return value
    }
}

/// A thread that runs one function.
package final class LoopThread: Sendable {
    private let thread: Mutex<pthread_t?>

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts the thread. `name` is what profilers show, at most 15 bytes.
    package init(name: String, _ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let result = pthread_create(&thread, nil, { argument in
            guard let argument else { return nil }
            let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
            _ = cep_name_thread(start.name)
            start.body()
            return nil
        }, start.toOpaque())
        precondition(result == 0, "the system refuses a thread")
        self.thread = Mutex(thread)
    }

    /// A thread that nobody waited for goes by itself when its function returns.
    deinit { thread.withLock { if let thread = $0 { pthread_detach(thread) } } }

    /// Waits until the function has returned; at once if someone waited before.
    package func join() {
        let thread = self.thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let thread { pthread_join(thread, nil) }
    }
}
