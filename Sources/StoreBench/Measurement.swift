import Glibc

/// Wall clock and CPU of a piece of work.
struct Measurement {
    var messages: Int
    var commits: Int
    var seconds: Double
    var cpuSeconds: Double
    /// Nanoseconds from a batch's submission to its answer.
    var latencies: [UInt64] = []

    var perSecond: Double { Double(messages) / seconds }
    var microseconds: Double { cpuSeconds * 1e6 / Double(messages) }
    var meanLatency: Double { Double(latencies.reduce(0, +)) / Double(max(latencies.count, 1)) }

    static func of(_ messages: Int, _ body: () throws -> Int) rethrows -> Measurement {
        let start = (nanoseconds(), cpu())
        let commits = try body()
        return Measurement(
            messages: messages, commits: commits, seconds: Double(nanoseconds() - start.0) / 1e9,
            cpuSeconds: cpu() - start.1)
    }

    static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func cpu() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}
