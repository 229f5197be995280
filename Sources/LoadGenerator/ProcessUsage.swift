internal import Glibc

/// What /proc tells of one process's time.
package struct ProcessUsage: Sendable, Equatable {
    /// CPU of one thread, in microseconds.
    package struct Thread: Sendable, Equatable {
        package var id: Int
        package var name: String
        package var userMicroseconds: Double
        package var systemMicroseconds: Double
        package var microseconds: Double { userMicroseconds + systemMicroseconds }

        package init(id: Int, name: String, userMicroseconds: Double, systemMicroseconds: Double) {
            self.id = id
            self.name = name
            self.userMicroseconds = userMicroseconds
            self.systemMicroseconds = systemMicroseconds
        }
    }

    package var threads: [Thread]

    /// User time of all threads.
    package var userMicroseconds: Double { threads.reduce(0) { $0 + $1.userMicroseconds } }
    /// System time of all threads.
    package var systemMicroseconds: Double { threads.reduce(0) { $0 + $1.systemMicroseconds } }
    package var microseconds: Double { userMicroseconds + systemMicroseconds }

    package init(threads: [Thread]) { self.threads = threads }

    /// Reads the threads of a process, which must be alive. Threads that ended are missing: a server has none such.
    package init(pid: Int) throws {
        let names = try ProcFile.list("/proc/\(pid)/task")
        threads = names.compactMap { name in
            guard let text = ProcFile.read("/proc/\(pid)/task/\(name)/stat") else { return nil }
            return ProcessUsage.thread(stat: text, ticksPerSecond: ProcessUsage.ticksPerSecond)
        }
        guard !threads.isEmpty else { throw BenchError("process \(pid) isn't there") }
    }

    /// This process.
    package static var ownPID: Int { Int(getpid()) }

    /// Where this program lies.
    package static var ownDirectory: String {
        let path = ProcFile.link("/proc/self/exe") ?? ""
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// Parses a line of /proc/PID/stat; nil if it isn't one. The name stands in brackets and may have some itself.
    package static func thread(stat: String, ticksPerSecond: Double) -> Thread? {
        guard let opening = stat.firstIndex(of: "("), let closing = stat.lastIndex(of: ")"), opening < closing,
            let id = Int(stat[..<opening].trimmed)
        else { return nil }
        let fields = stat[stat.index(after: closing)...].split(separator: " ")
        // Fields 14 and 15 of proc(5); the first behind the name is field 3.
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return Thread(
            id: id, name: String(stat[stat.index(after: opening)..<closing]),
            userMicroseconds: user / ticksPerSecond * 1e6, systemMicroseconds: system / ticksPerSecond * 1e6)
    }

    /// What was used since `earlier`; threads that didn't exist then count from nothing.
    package func since(_ earlier: ProcessUsage) -> ProcessUsage {
        ProcessUsage(
            threads: threads.map { thread in
                var used = thread
                if let before = earlier.threads.first(where: { $0.id == thread.id }) {
                    used.userMicroseconds -= before.userMicroseconds
                    used.systemMicroseconds -= before.systemMicroseconds
                }
                return used
            })
    }

    private func isOwner(of id: Int) -> Bool { threads.contains { $0.id == id } }

    /// Adds what the same process, or another one that did the same work, used in another interval.
    package mutating func add(_ other: ProcessUsage) {
        var added: Set<Int> = []
        for thread in other.threads {
            let same =
                threads.firstIndex { $0.id == thread.id }
                // The thread of the same name in another process that did the same.
                ?? threads.firstIndex { $0.name == thread.name && !other.isOwner(of: $0.id) && !added.contains($0.id) }
            if let index = same {
                added.insert(threads[index].id)
                threads[index].userMicroseconds += thread.userMicroseconds
                threads[index].systemMicroseconds += thread.systemMicroseconds
            } else {
                added.insert(thread.id)
                threads.append(thread)
            }
        }
    }

    /// Whether a process is no more; one that nobody asked for its exit code counts as ended.
    package static func hasEnded(pid: Int) -> Bool {
        guard let stat = ProcFile.read("/proc/\(pid)/stat"), let closing = stat.lastIndex(of: ")") else { return true }
        return stat[stat.index(after: closing)...].trimmed.first == "Z"
    }

    /// Bytes that a process had written to disks so far, from /proc/PID/io; nil if that may not be read.
    package static func writtenBytes(pid: Int) -> Int? {
        ProcFile.read("/proc/\(pid)/io").flatMap { ProcFile.number("write_bytes", in: $0) }
    }

    /// The process that listens on a TCP port of this machine; nil if none is found or may be looked at.
    package static func listener(port: UInt16) -> Int? {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].compactMap(ProcFile.read)
        let sockets = Set(tables.flatMap { listeningSockets(table: $0, port: port) })
        guard !sockets.isEmpty else { return nil }
        for pid in ((try? ProcFile.list("/proc")) ?? []).compactMap({ Int($0) }) {
            // Threads may have descriptor tables of their own.
            for thread in (try? ProcFile.list("/proc/\(pid)/task")) ?? [] {
                let directory = "/proc/\(pid)/task/\(thread)/fd"
                for descriptor in (try? ProcFile.list(directory)) ?? [] {
                    guard let link = ProcFile.link("\(directory)/\(descriptor)") else { continue }
                    if sockets.contains(where: { link == "socket:[\($0)]" }) { return pid }
                }
            }
        }
        return nil
    }

    /// Inodes of the sockets that listen on `port`, from the text of /proc/net/tcp.
    package static func listeningSockets(table: String, port: UInt16) -> [String] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":") else { return nil }
            let digits = fields[1][fields[1].index(after: colon)...]
            return UInt16(digits, radix: 16) == port ? String(fields[9]) : nil
        }
    }
}
