internal import CFloor
internal import FoundationEssentials
internal import Glibc
package import Reactor
package import TLS
internal import Synchronization

/// Lets an interrupted run leave nothing behind: its servers and their data go too.
package enum Interruption {
    /// The servers that run, and where their data is.
    fileprivate static let servers = Mutex<[Int: String]>([:])

    /// Takes SIGINT and SIGTERM on a thread of its own. To be called before any other thread exists, since they
    /// inherit that the signals are held.
    package static func prepare() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let held = signals
        _ = LoopThread(name: "signals") {
            var signals = held
            var signal: Int32 = 0
            sigwait(&signals, &signal)
            servers.withLock { servers in
                for (pid, directory) in servers {
                    kill(pid_t(pid), SIGKILL)
                    try? FileManager.default.removeItem(atPath: directory)
                }
            }
            _exit(128 + signal)
        }
    }
}

/// A server that the load generator starts itself, on free ports and with data of its own, and stops again.
package final class ChildServer {
    package private(set) var pid = 0
    package let web: SocketAddress
    package let tcp: SocketAddress
    private let path: String
    private let arguments: [String]
    /// What is added to the environment, as `NAME=value`.
    private let environment: [String]
    private let core: Int?
    private let directory: String
    private let probe: (SocketAddress, SocketAddress) -> Bool
    private var hasEnded = true

    private init(
        _ path: String, core: Int?, probe: @escaping (SocketAddress, SocketAddress) -> Bool,
        environment: (_ directory: String) -> [String] = { _ in [] },
        arguments: (_ directory: String, _ web: SocketAddress, _ tcp: SocketAddress) throws -> [String]
    ) throws {
        directory = try ChildServer.makeDirectory()
        web = try ChildServer.freeAddress()
        tcp = try ChildServer.freeAddress()
        self.path = path
        self.core = core
        self.probe = probe
        self.arguments = try arguments(directory, web, tcp)
        self.environment = environment(directory)
        try start()
    }

    deinit { stop() }

    /// Starts the server, again if it was killed: with the same options, ports and data. Waits until it is ready.
    package func start() throws {
        try launch()
        try wait()
    }

    /// Refuses what can't be started as a program.
    package static func requireProgram(_ path: String) throws {
        var information = stat()
        guard stat(path, &information) == 0 else { throw BenchError("no such program \(path)") }
        guard information.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 else {
            throw BenchError("\(path) is no program")
        }
    }

    /// Whether there is a file to be read.
    package static func canRead(_ path: String) -> Bool { access(path, R_OK) == 0 }

    /// How the server ended by itself; nil if it runs, or was told to end.
    package var ownEnd: String? {
        var status: Int32 = 0
        guard !hasEnded, cfl_has_ended(pid_t(pid), &status) == 1 else { return nil }
        hasEnded = true
        forget()
        return ChildServer.description(ofEnd: status)
    }

    /// A wait status in words.
    package static func description(ofEnd status: Int32) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "exit code \(status >> 8 & 0xFF)" : "signal \(signal)"
    }

    /// Starts the server and doesn't wait for it.
    package func launch() throws {
        try ChildServer.requireProgram(path)
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
        words.append(nil)
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) }
        var inherited = environ
        while let variable = inherited.pointee {
            variables.append(strdup(variable))
            inherited += 1
        }
        variables.append(nil)
        defer { for word in words + variables { free(word) } }
        let child = cfl_spawn(path, &words, &variables, Int32(core ?? -1), directory + "/log")
        guard child > 0 else { throw BenchError("\(path) can't be started") }
        pid = Int(child)
        hasEnded = false
        Interruption.servers.withLock { $0[Int(child)] = directory }
    }

    /// Starts a router for development, with as many loops as given unless `arguments` say otherwise, and waits until
    /// it is ready.
    ///
    /// - Parameter shim: a library that stands in front of the router's C library, see ``FaultControl``.
    package static func router(
        _ path: String, arguments: [String], security: ClientTLS?, loops: Int, core: Int?, shim: String? = nil
    ) throws -> ChildServer {
        try ChildServer(
            path, core: core,
            probe: { web, _ in (try? HTTPCall.send("GET", "/readyz", to: web, security: security))?.status == 200 },
            environment: { directory in
                shim.map {
                    FaultControl.environment(shim: $0, control: directory + "/faults", directory: directory + "/data")
                } ?? []
            },
            arguments: { directory, web, tcp in
                var words = ["--dev", "--data", directory + "/data", "--listen", "\(web)", "--tcp-listen", "\(tcp)"]
                if !arguments.contains(where: { $0.hasPrefix("--loops") }) { words += ["--loops", "\(loops)"] }
                return words + arguments
            })
    }

    /// Starts the floor's forwarder: `executable` run again with the command that serves it.
    package static func floor(_ executable: String, capacity: Int, core: Int?) throws -> ChildServer {
        try listener(executable, core: core) { _, address in
            ["floor-server", "--port", "\(address.port)", "--capacity", "\(capacity)"]
        }
    }

    /// Starts a program that listens on one address and keeps its data in one directory.
    package static func listener(
        _ executable: String, core: Int?,
        arguments: (_ directory: String, _ address: SocketAddress) throws -> [String]
    ) throws -> ChildServer {
        try ChildServer(
            executable, core: core, probe: { _, tcp in ProcessUsage.listener(port: tcp.port) != nil },
            arguments: { directory, _, tcp in try arguments(directory, tcp) })
    }

    /// Serves as the floor's forwarder, for good.
    package static func serveFloor(port: UInt16, capacity: Int) throws -> Never {
        let result = cfl_forward(port, UInt32(capacity))
        throw BenchError("forwarder: \(String(cString: strerror(-result)))")
    }

    /// Ends the server by SIGTERM, by SIGKILL if it doesn't within ten seconds, and deletes its data.
    package func stop() {
        end(SIGTERM)
        forget()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Ends the server, by SIGKILL at once or by SIGTERM, and keeps its data for ``start()``.
    package func end(isKilled: Bool) {
        end(isKilled ? SIGKILL : SIGTERM)
        forget()
    }

    private func end(_ signal: Int32) {
        guard !hasEnded else { return }
        hasEnded = true
        kill(pid_t(pid), signal)
        var status: Int32 = 0
        var attempts = 0
        while cfl_has_ended(pid_t(pid), &status) == 0 {
            attempts += 1
            if attempts == 1_000 { kill(pid_t(pid), SIGKILL) }
            usleep(10_000)
        }
    }

    private func forget() {
        Interruption.servers.withLock { _ = $0.removeValue(forKey: pid) }
    }

    /// Waits until the server is ready, at most ten seconds.
    private func wait() throws {
        var status: Int32 = 0
        for _ in 0..<1_000 {
            if probe(web, tcp) { return }
            if cfl_has_ended(pid_t(pid), &status) != 0 {
                hasEnded = true
                forget()
                throw BenchError("the server ended at once (\(ChildServer.description(ofEnd: status))):\n\(log)")
            }
            usleep(10_000)
        }
        throw BenchError("the server isn't ready after ten seconds:\n\(log)")
    }

    /// The file by which a shim in front of the server is steered.
    var faultControl: String { directory + "/faults" }

    /// What the server printed.
    package var log: String { ProcFile.read(directory + "/log") ?? "" }

    private static func freeAddress() throws -> SocketAddress {
        let port = cfl_free_port()
        guard port > 0 else { throw BenchError("no free port") }
        return SocketAddress(host: "127.0.0.1", port: UInt16(port))
    }

    private static let directories = "/var/tmp/switchboard-bench-"

    /// Deletes what runs left behind that were killed. The name of a directory tells the process that made it.
    package static func removeAbandoned() {
        for name in (try? ProcFile.list("/var/tmp")) ?? [] {
            guard let pid = owner(ofDirectory: "/var/tmp/" + name), kill(pid_t(pid), 0) != 0, errno == ESRCH else {
                continue
            }
            try? FileManager.default.removeItem(atPath: "/var/tmp/" + name)
        }
    }

    /// The process that made a directory; nil for one of anybody else.
    package static func owner(ofDirectory path: String) -> Int32? {
        guard path.hasPrefix(directories) else { return nil }
        let parts = path.dropFirst(directories.count).split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2 ? Int32(parts[0]).flatMap { $0 > 0 ? $0 : nil } : nil
    }

    /// A directory on a disk: `/tmp` may be memory, where a commit costs nothing.
    package static func makeDirectory() throws -> String {
        var template = Array("\(directories)\(ProcessUsage.ownPID)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError("no directory below /var/tmp") }
        return template.withUnsafeBytes { String(decoding: $0.dropLast(), as: UTF8.self) }
    }
}
