internal import Glibc
internal import Logging
internal import Reactor
internal import Synchronization

/// Where lines of the log go.
package enum LogTarget: Sendable, Equatable {
    case standardError
    /// Opened anew by ``LogWriter/reopen()``.
    case file(String)
    /// The system's log, by `syslog(3)`.
    case syslog
}

/// Writes lines of the log on a thread of its own, so that nobody else waits for a full pipe or a slow disk: what
/// doesn't fit into the queue is dropped and counted. *Thread:* any.
package final class LogWriter: Sendable {
    private struct Queue {
        var lines: [(line: [UInt8], priority: Int32)] = []
        var bytes = 0
        var dropped: UInt64 = 0
    }

    private struct Sink {
        let target: LogTarget
        var descriptor: Int32
    }

    let format: LogFormat
    private let target: LogTarget
    private let queue = Mutex(Queue())
    private let work = WorkQueue()
    private let sink: Mutex<Sink>
    private let writtenLines = Atomic<UInt64>(0)
    private let lostLines = Atomic<UInt64>(0)
    private let hasEnded = Atomic(false)
    private let thread = Mutex<LoopThread?>(nil)

    /// What may wait: a burst, not a day.
    private static let linesMax = 8_192
    private static let bytesMax = 4 << 20
    /// How long ``stop()`` waits for what is in the queue.
    private static let stopMilliseconds = 1_000

    /// Opens the target and starts the thread. Throws in words for the operator.
    package init(_ target: LogTarget, _ format: LogFormat) throws(ConfigurationError) {
        self.target = target
        self.format = format
        var descriptor = STDERR_FILENO
        switch target {
        case .standardError: break
        case .syslog: LogWriter.openSystemLog()
        case .file(let path):
            descriptor = LogWriter.open(path)
            guard descriptor >= 0 else {
                throw ConfigurationError("can't open the log file \(path): \(String(cString: strerror(errno)))")
            }
        }
        sink = Mutex(Sink(target: target, descriptor: descriptor))
        thread.withLock { $0 = LoopThread(name: "log") { [self] in run() } }
    }

    /// Lines that were written, and that were dropped since the target took nothing.
    package var lineCounts: (written: UInt64, dropped: UInt64) {
        (writtenLines.load(ordering: .relaxed), lostLines.load(ordering: .relaxed))
    }

    /// Queues a line; never waits.
    func write(_ line: LogLine) {
        let bytes = target == .syslog ? Array(line.plain.utf8) : line.encoded(format) + [UInt8(ascii: "\n")]
        let mustWake = queue.withLock { queue in
            guard queue.lines.count < LogWriter.linesMax, queue.bytes + bytes.count <= LogWriter.bytesMax else {
                queue.dropped += 1
                lostLines.add(1, ordering: .relaxed)
                return false
            }
            queue.lines.append((bytes, LogWriter.priority(line.level)))
            queue.bytes += bytes.count
            return queue.lines.count == 1
        }
        if mustWake { work.post { [weak self] in self?.drain() } }
    }

    /// Opens the log file anew: it may have been moved away.
    package func reopen() { work.post { [weak self] in self?.openAnew() } }

    /// Writes what waits, as far as the target takes it within a second, and ends the thread.
    package func stop() {
        work.close()
        for _ in 0..<LogWriter.stopMilliseconds where !hasEnded.load(ordering: .acquiring) { usleep(1_000) }
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        // One that is stuck in a full pipe ends with the process.
        if hasEnded.load(ordering: .acquiring) { thread?.join() }
    }

    // MARK: The thread

    private func run() {
        work.run()
        hasEnded.store(true, ordering: .releasing)
    }

    private func drain() {
        let (lines, dropped) = queue.withLock { queue in
            defer { queue = Queue() }
            return (queue.lines, queue.dropped)
        }
        for (line, priority) in lines { put(line, priority) }
        guard dropped > 0 else { return }
        let note = LogLine(
            level: .warning, subsystem: .router, message: "lines of the log were dropped: the target took nothing",
            metadata: [("lines", .stringConvertible(dropped))], time: Clock.realtimeMilliseconds)
        write(note)
    }

    private func put(_ line: [UInt8], _ priority: Int32) {
        let isWritten = sink.withLock { sink in
            guard sink.target != .syslog else {
                let text = String(decoding: line, as: UTF8.self)
                text.withCString { text in withVaList([text]) { vsyslog(priority, "%s", $0) } }
                return true
            }
            return LogWriter.writeAll(line, to: sink.descriptor)
        }
        if isWritten { writtenLines.add(1, ordering: .relaxed) } else { lostLines.add(1, ordering: .relaxed) }
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress.map { $0 + offset }, bytes.count - offset)
            }
            if count > 0 {
                offset += count
            } else if errno == EAGAIN {
                // Whoever gave us the descriptor made it so that it doesn't wait.
                var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waited, 1, 1_000)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    private func openAnew() {
        sink.withLock { sink in
            guard case .file(let path) = sink.target else { return }
            let descriptor = LogWriter.open(path)
            // The old one is better than none.
            guard descriptor >= 0 else { return }
            _ = close(sink.descriptor)
            sink.descriptor = descriptor
        }
    }

    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }

    /// Once a process: the system keeps the pointer.
    private static func openSystemLog() { openlog(strdup("switchboard"), LOG_PID, LOG_DAEMON) }

    private static func priority(_ level: Logger.Level) -> Int32 {
        switch level {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }
}
