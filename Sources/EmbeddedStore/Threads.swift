internal import Glibc

/// A lock with a condition: what threads that wait for work need. The state is only reached through it.
final class Monitor<State>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State
    /// Threads that wait; nobody is woken in vain.
    private var waiting = 0

    init(_ state: State) {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Looks or changes; wakes nobody.
    func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&state)
    }

    /// Changes, and wakes whoever waits.
    func update(_ body: (inout State) -> Void) {
        pthread_mutex_lock(mutex)
        body(&state)
        if waiting > 0 { pthread_cond_broadcast(condition) }
        pthread_mutex_unlock(mutex)
    }

    /// Waits until `body` gives a result, which it is asked for whenever the state was updated or the time is over.
    ///
    /// - Parameter deadline: asked before each wait; nil waits without end, else monotonic nanoseconds.
    func wait<Result>(until deadline: (State) -> UInt64? = { _ in nil }, _ body: (inout State) -> Result?) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            waiting += 1
            if let deadline = deadline(state) {
                var time = timespec(
                    tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
                pthread_cond_timedwait(condition, mutex, &time)
            } else {
                pthread_cond_wait(condition, mutex)
            }
            waiting -= 1
        }
    }
}

/// A thread of the system with a name of at most 15 bytes.
struct OwnThread: Sendable {
    private let thread: UInt

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts at once. Traps if the system has no more threads.
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let named: @Sendable () -> Void = {
            OwnThread.setName(name)
            body()
        }
        let argument = Unmanaged.passRetained(Body(named)).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        precondition(code == 0, "the system gave no thread")
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }

    /// Names the calling thread for whoever looks with `top -H`; without effect where there is no `/proc`.
    private static func setName(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, name, name.utf8.count)
        close(file)
    }
}

/// The clocks of the machine.
enum SystemClock {
    /// Milliseconds since the Unix epoch.
    static func now() -> UInt64 { read(CLOCK_REALTIME) / 1_000_000 }

    /// Nanoseconds that never go back.
    static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
