import ArgumentParser
import LoadGenerator
import Reactor
import TLS

/// Whom to load: a router that runs, or one to start.
struct TargetOptions: ParsableArguments {
    @Option(help: "The router's address for HTTP and WebSocket; with wss:// both protocols are spoken over TLS.")
    var url = "ws://127.0.0.1:8080"

    @Option(help: "The router's address for the binary protocol.")
    var tcp = "127.0.0.1:8081"

    @Option(
        name: .customLong("protocol"), help: "What clients speak: json (over WebSocket), binary (over TCP), or both.")
    var wire = WireProtocol.json

    @Option(help: "Sign in with JWTs signed with this secret instead of by id alone.")
    var jwtSecret: String?

    @Option(help: "The router's process, to tell what it costs; else the one that listens on the address.")
    var serverPid: Int?

    @Option(help: "Start this router for the run, on free ports and with fresh data, and stop it afterwards.")
    var spawn: String?

    @Option(
        parsing: .singleValue,
        help: """
            An option for the started router, as --router-args=--loops=2; may be repeated. With --tls-cert=… and \
            --tls-key=… TLS is spoken.
            """)
    var routerArgs: [String] = []

    @Option(help: "The core that the started router is pinned to.")
    var pinServer: Int?

    mutating func validate() throws {
        try requireCore(pinServer, "--pin-server")
        try require(spawn == nil || serverPid == nil, "--server-pid is for a router that runs, not with --spawn")
        guard webAddress != nil else { throw ValidationError("--url must be like ws://127.0.0.1:8080") }
        guard SocketAddress(tcp) != nil else { throw ValidationError("--tcp must be like 127.0.0.1:8081") }
        if wire == .floor { throw ValidationError("the floor is measured by 'bench floor' and 'bench pair --floor'") }
        if spawn == nil, !routerArgs.isEmpty || pinServer != nil {
            throw ValidationError("--router-args and --pin-server are for a router that is started with --spawn")
        }
    }

    /// What every command asks of `--protocol` and `--lz4` together.
    func validateCompression(_ isCompressed: Bool, allowsBoth: Bool = false) throws {
        if wire == .both, !allowsBoth { throw ValidationError("only verify speaks both protocols in one run") }
        if isCompressed, wire == .json { throw ValidationError("--lz4 needs --protocol binary") }
    }

    /// The numeric address in the URL; nil if there is none.
    var webAddress: SocketAddress? {
        guard let scheme = ["ws://", "wss://"].first(where: url.hasPrefix) else { return nil }
        var rest = url.dropFirst(scheme.count)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        return SocketAddress(String(rest))
    }

    /// What makes clients speak TLS, if they shall. Whose certificate it is isn't looked at: it is our own router.
    private var security: ClientTLS? {
        get throws {
            let isSecure = spawn == nil ? url.hasPrefix("wss://") : routerArgs.contains { $0.hasPrefix("--tls-cert") }
            return isSecure ? try ClientTLS() : nil
        }
    }

    /// Calls `body` with the target and the router's process, which is started before and stopped after if asked for.
    ///
    /// - Parameter connections: those that a router which is started here must hold.
    func withTarget(connections: Int = 0, _ body: (Target, Int?) throws -> Void) throws {
        try withServer(connections: connections) { target, pid, _ in try body(target, pid) }
    }

    /// The same, with the router itself if it was started here, behind a shim if one is given.
    func withServer(
        connections: Int = 0, shim: String? = nil, _ body: (Target, Int?, ChildServer?) throws -> Void
    ) throws {
        guard let web = webAddress, let tcp = SocketAddress(tcp) else { return }
        let credential = jwtSecret.map { Credential.secret($0) } ?? .none
        let security = try security
        guard let spawn else {
            let target = Target(web: web, tcp: tcp, wire: wire, credential: credential, security: security)
            let port = wire == .binary ? tcp.port : web.port
            return try body(target, serverPid ?? ProcessUsage.listener(port: port), nil)
        }
        var arguments = routerArgs
        if let jwtSecret { arguments += ["--jwt-secret", jwtSecret] }
        // Users aren't spread quite evenly, and a router keeps some descriptors back.
        let loops = Target.tables(for: connections + connections / 16, limit: ProcessResources.descriptorLimit - 256)
        let server = try ChildServer.router(
            spawn, arguments: arguments, security: security, loops: loops, core: pinServer, shim: shim)
        defer { server.stop() }
        do {
            let target = Target(
                web: server.web, tcp: server.tcp, wire: wire, credential: credential, security: security)
            try body(target, server.pid, server)
        } catch let error as BenchError {
            guard let end = server.ownEnd else { throw error }
            throw BenchError("the router ended (\(end)):\n\(server.log)")
        }
    }
}

/// How long, with how many threads, and what is printed.
struct RunOptions: ParsableArguments {
    @Option(help: "Seconds that are measured.")
    var seconds = 10.0

    @Option(help: "Seconds of load before.")
    var warmup = 2.0

    @Option(help: "Threads of the load generator; more if the connections need more open files than the limit of one.")
    var loops = 1

    @Option(help: "The core that the load generator's first thread is pinned to; the next takes the next core.")
    var pinClient: Int?

    @Flag(help: "Print JSON instead of text.")
    var json = false

    mutating func validate() throws {
        try require((0.1...3_600).contains(seconds), "--seconds from 0.1 to 3600")
        try require((0...600).contains(warmup), "--warmup from 0 to 600")
        try require((1...64).contains(loops), "--loops from 1 to 64")
        try requireCore(pinClient, "--pin-client")
        try requireCore(pinClient.map { $0 + loops - 1 }, "--pin-client, for the last of \(loops) --loops")
    }

    /// - Parameter connections: how many the threads hold together.
    func circumstances(serverPID: Int?, connections: Int = 0) -> Circumstances {
        let threads = max(loops, Target.tables(for: connections, limit: ProcessResources.descriptorLimit))
        return Circumstances(
            seconds: seconds, warmup: warmup, serverPID: serverPID,
            cores: (0..<threads).map { thread in pinClient.map { $0 + thread % loops } },
            showsProgress: ProgressLine.isTerminal)
    }

    func show(_ report: Report) {
        var report = report
        report.origin = .current
        print(json ? report.json : report.text, terminator: "")
    }
}

/// Where a page with plots goes.
struct PageOption: ParsableArguments {
    @Option(help: "Write a page with plots to this file.")
    var html: String?

    mutating func validate() throws {
        guard let html else { return }
        let directory = html.lastIndex(of: "/").map { String(html[...$0]) } ?? "."
        try require(HTMLPage.canWrite(in: directory), "--html: no directory \(directory) to write to")
    }

    func write(_ report: Report, _ charts: [Chart], title: String) throws {
        guard let html else { return }
        var report = report
        report.origin = .current
        try HTMLPage.write(HTMLPage.make(title: title, report: report, charts: charts), to: html)
    }
}
