import Glibc
import Synchronization

/// SIGTERM and SIGINT, as something to wait for, and SIGHUP, as something to do.
enum TerminationSignals {
    private enum State {
        case quiet
        case came(String)
        case awaited(CheckedContinuation<String, Never>)
    }

    private static let state = Mutex(State.quiet)
    private static let hangUp = Mutex<(@Sendable () -> Void)?>(nil)

    /// Leaves the signals to ``deliver()``: blocks them for this thread and all that it starts. To be called before any
    /// other thread exists.
    static func hold() {
        var set = signals
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A reader of our output that went away is no reason to die.
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow is an error of the write, like a full disk.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Takes the signals as they come, for ``wait()``. *Thread:* the main one, which has nothing else to do.
    static func deliver() -> Never {
        while true {
            var set = signals
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            if number == SIGHUP {
                hangUp.withLock { $0 }?()
                continue
            }
            let name = number == SIGINT ? "SIGINT" : "SIGTERM"
            state.withLock { state in
                if case .awaited(let continuation) = state { continuation.resume(returning: name) }
                state = .came(name)
            }
        }
    }

    /// Waits for one of them; returns its name. *Thread:* any; once.
    static func wait() async -> String {
        await withCheckedContinuation { continuation in
            state.withLock { state in
                if case .came(let name) = state {
                    continuation.resume(returning: name)
                } else {
                    state = .awaited(continuation)
                }
            }
        }
    }

    /// Calls `body` for each SIGHUP from now on, on the main thread. Before that SIGHUP does nothing.
    static func onHangUp(_ body: @escaping @Sendable () -> Void) { hangUp.withLock { $0 = body } }

    private static var signals: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGHUP)
        return set
    }
}

/// Standard error as a text stream, for `print`.
struct StandardError: TextOutputStream {
    mutating func write(_ text: String) {
        let bytes = Array(text.utf8)
        // Nobody could be told that this failed.
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
