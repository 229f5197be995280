import Glibc
import Reactor

/// SIGTERM and SIGINT, taken as a value to wait for.
struct TerminationSignals {
    /// Blocks the signals for this thread and all that it starts. To be made before any other thread.
    init() {
        var set = TerminationSignals.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
        // A reader of our output that went away is no reason to die.
        signal(SIGPIPE, SIG_IGN)
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        return set
    }

    /// Waits for one of them; returns its name.
    func wait() async -> String {
        await withCheckedContinuation { continuation in
            _ = LoopThread(name: "signals") {
                var set = TerminationSignals.set
                var signal: Int32 = 0
                sigwait(&set, &signal)
                continuation.resume(returning: signal == SIGINT ? "SIGINT" : "SIGTERM")
            }
        }
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
