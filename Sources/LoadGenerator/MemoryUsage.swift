/// Memory of one process and of the kernel at one moment, in KiB.
package struct MemoryUsage: Sendable, Equatable {
    /// Resident memory of the process, all of it.
    package var resident: Int
    /// Resident memory that isn't backed by a file: heap and stacks.
    package var anonymous: Int
    /// TCP buffers of the whole machine.
    package var tcpBuffers: Int
    /// The kernel's slab of the whole machine: sockets, descriptors, epoll entries.
    package var slab: Int

    package init(resident: Int, anonymous: Int, tcpBuffers: Int, slab: Int) {
        self.resident = resident
        self.anonymous = anonymous
        self.tcpBuffers = tcpBuffers
        self.slab = slab
    }

    package init(pid: Int) throws {
        guard let rollup = ProcFile.read("/proc/\(pid)/smaps_rollup") else {
            throw BenchError("the memory of process \(pid) can't be read")
        }
        self.init(
            rollup: rollup, sockets: ProcFile.read("/proc/net/sockstat") ?? "",
            machine: ProcFile.read("/proc/meminfo") ?? "")
    }

    /// From the texts of /proc/PID/smaps_rollup, /proc/net/sockstat and /proc/meminfo.
    package init(rollup: String, sockets: String, machine: String) {
        let tcp = sockets.split(separator: "\n").first { $0.hasPrefix("TCP:") }?.split(separator: " ") ?? []
        let pages = tcp.firstIndex(of: "mem").flatMap { $0 + 1 < tcp.count ? Int(tcp[$0 + 1]) : nil } ?? 0
        self.init(
            resident: ProcFile.number("Rss", in: rollup) ?? 0,
            anonymous: ProcFile.number("Anonymous", in: rollup) ?? 0, tcpBuffers: pages * 4,
            slab: ProcFile.number("Slab", in: machine) ?? 0)
    }

    /// The difference to an earlier moment, in bytes, shared among `count`.
    package func bytes(_ field: KeyPath<MemoryUsage, Int>, since earlier: MemoryUsage, each count: Int) -> Double {
        Double((self[keyPath: field] - earlier[keyPath: field]) * 1024) / Double(max(count, 1))
    }
}
