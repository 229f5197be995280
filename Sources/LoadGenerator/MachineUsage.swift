internal import Glibc

/// Time that all cores of the machine spent on something, from /proc/stat, in microseconds.
package struct MachineUsage: Sendable, Equatable {
    package var busyMicroseconds: Double
    /// What the hypervisor gave to others while something here wanted to run.
    package var stolenMicroseconds: Double

    /// Cores that are online.
    package static var coreCount: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

    /// The machine and the time, for the head of a page.
    package static var description: String {
        var names = utsname()
        uname(&names)
        let release = withUnsafeBytes(of: &names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let length = strftime(&text, text.count, "%Y-%m-%d %H:%M", &parts)
        let date = text.withUnsafeBytes { String(decoding: $0.prefix(length), as: UTF8.self) }
        return "\(date) UTC, Linux \(release), \(processor), \(coreCount) cores"
    }

    /// The processor's name as the kernel tells it.
    private static var processor: String {
        for line in (ProcFile.read("/proc/cpuinfo") ?? "").split(separator: "\n") where line.hasPrefix("model name") {
            if let colon = line.firstIndex(of: ":") { return String(line[line.index(after: colon)...].trimmed) }
        }
        return "a processor without a name"
    }

    package init() throws {
        guard
            let usage = MachineUsage(
                stat: ProcFile.read("/proc/stat") ?? "", ticksPerSecond: ProcessUsage.ticksPerSecond)
        else { throw BenchError("/proc/stat can't be read") }
        self = usage
    }

    /// Parses the line of all cores; nil if it isn't there.
    package init?(stat: String, ticksPerSecond: Double) {
        guard let line = stat.split(separator: "\n").first(where: { $0.hasPrefix("cpu ") }) else { return nil }
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        guard ticks.count >= 8 else { return nil }
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
        busyMicroseconds = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / ticksPerSecond * 1e6
        stolenMicroseconds = ticks[7] / ticksPerSecond * 1e6
    }
}
