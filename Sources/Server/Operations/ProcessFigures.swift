internal import Glibc

/// What the kernel says about this process. Read from `/proc`, so not on a loop.
struct ProcessFigures: Sendable {
    var cpuSeconds = 0.0
    var residentBytes: UInt64 = 0
    var virtualBytes: UInt64 = 0
    var threads: UInt64 = 0
    /// In the table that the store and the process's other threads share.
    var openDescriptors: UInt64 = 0
    /// Seconds since the Unix epoch.
    var startSeconds = 0.0

    static func read() -> ProcessFigures {
        var figures = ProcessFigures()
        // Behind the name, which may have spaces and brackets in it.
        let fields = text("/proc/self/stat").split(separator: ")").last?.split(separator: " ").map(String.init) ?? []
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        let number = { (index: Int) in index < fields.count ? UInt64(fields[index]) ?? 0 : 0 }
        // proc_pid_stat(5), counted from its third field.
        figures.cpuSeconds = Double(number(11) + number(12)) / ticks
        figures.threads = number(17)
        figures.virtualBytes = number(20)
        figures.residentBytes = number(21) * UInt64(getpagesize())
        let boot = text("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
        figures.startSeconds = (boot.flatMap { Double($0.dropFirst(6)) } ?? 0) + Double(number(19)) / ticks
        figures.openDescriptors = countDescriptors()
        return figures
    }

    /// Since Linux 6.2 the directory's size says it; before, it has to be read.
    private static func countDescriptors() -> UInt64 {
        var status = stat()
        if stat("/proc/self/fd", &status) == 0, status.st_size > 0 { return UInt64(status.st_size) }
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count: UInt64 = 0
        while readdir(directory) != nil { count += 1 }
        // Itself, its parent, and the one that it is read by.
        return count > 3 ? count - 3 : 0
    }

    private static func text(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        var count = 0
        while count < bytes.count {
            let more = bytes.withUnsafeMutableBytes { bytes in
                Glibc.read(file, bytes.baseAddress.map { $0 + count }, bytes.count - count)
            }
            guard more > 0 else { break }
            count += more
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
