internal import Base
internal import EmbeddedStore
internal import Logging
package import Reactor
internal import Store
internal import Synchronization
internal import TLS

/// A running router: its loops and its store. *Thread:* any.
package final class RouterServer: Sendable {
    /// Where it listens, with the ports that the kernel chose where 0 was asked for.
    package let http: SocketAddress
    package let tcp: SocketAddress
    /// How many connections there is room for.
    package let tables: TablePlan
    /// Whether clients speak TLS.
    package var speaksTLS: Bool { context.tls != nil }
    private let context: RouterContext
    private let store: EmbeddedStore
    private let threads: Mutex<[LoopThread]>
    private let tidying: Task<Void, Never>
    private let watching: [Task<Void, Never>]
    private let webhook: Webhook?
    private let sending: Task<Void, Never>?

    /// How long clients get to take their last frames when the router goes down.
    private static let drainSeconds = 5
    /// Connections of a loop that are closed together, at least; slots in which all are; and the time between two.
    private static let slotConnectionsMin = 250
    private static let slotsMax = 40
    private static let slotNanoseconds: UInt64 = 50_000_000
    private static let tickMilliseconds: UInt64 = 100
    private static let reconnectsPerMillisecond = 5
    private static let reconnectMillisecondsMax = 30_000

    /// Opens the store, recovers what a crash left, starts the loops and listens.
    ///
    /// Errors: in words for the operator (``ConfigurationError``, `ListenError`, the store's own).
    package static func start(_ configuration: Configuration, log: RouterLog) async throws -> RouterServer {
        try configuration.validate()
        let loops = configuration.loops > 0 ? configuration.loops : ProcessResources.coreCount
        let plan = try TablePlan(configuration, loops: loops, limit: ProcessResources.descriptorLimit)
        let nodes = try plan.makeTables(loops: loops).map { try NodeHandle($0, isOwn: plan.isOwn) }
        let tls = try makeTLS(configuration)
        let answers = WebhookStore()
        let loopMailboxes: [any StoreMailbox] = nodes.map { NodeMailbox(handle: $0) }
        let store = try EmbeddedStore(EmbeddedStoreOptions(configuration), mailboxes: loopMailboxes + [answers])
        do {
            let passwords = PasswordWorkers(count: min(2, (loops + 1) / 2))
            do {
                var sources = OperatorSources(store, plan)
                sources.webhook = try configuration.webhook.map { settings in
                    try Webhook(settings, store, answers, mailbox: MailboxIndex(nodes.count), log: log.webhook)
                }
                let context = try RouterContext(
                    configuration, nodes: nodes, logins: Logins(store.logins), passwords: passwords, tls: tls,
                    log: log, sources: sources)
                return try await RouterServer(context, store, plan)
            } catch {
                passwords.stop()
                throw error
            }
        } catch {
            store.close()
            release(nodes)
            throw error
        }
    }

    private static func makeTLS(_ configuration: Configuration) throws -> ServerTLS? {
        guard let certificate = configuration.tlsCertificate, let key = configuration.tlsKey else { return nil }
        return try ServerTLS(certificate: certificate, key: key) { Clock.monotonicNanoseconds / 1_000_000_000 }
    }

    private init(
        _ context: RouterContext, _ store: EmbeddedStore, _ plan: TablePlan
    ) async throws {
        self.context = context
        let webhook = context.sources.webhook
        self.webhook = webhook
        tables = plan
        self.store = store
        var http = context.configuration.listen
        var tcp = context.configuration.tcpListen
        var threads: [LoopThread] = []
        do {
            for index in context.nodes.indices {
                let (thread, ports) = try await RouterServer.startLoop(index, context, store, http: http, tcp: tcp)
                threads.append(thread)
                // All loops share the ports that the first one got.
                http = SocketAddress(host: http.host, port: ports.http)
                tcp = SocketAddress(host: tcp.host, port: ports.tcp)
            }
        } catch {
            for index in threads.indices { context.nodes[index].post { $0.loop.stop() } }
            for thread in threads { thread.join() }
            throw error
        }
        self.http = http
        self.tcp = tcp
        self.threads = Mutex(threads)
        tidying = Task.detached { await MemoryTidying.run(context.nodes, store) }
        let memory = context.configuration.memory.bytes.map { limit in
            Task.detached {
                await MemoryWatch.run(context.memory, limit: limit, context.nodes, store, context.log.router)
            }
        }
        watching = [Task.detached { await StoreWatch.run(store, context.log.store) }, memory].compactMap(\.self)
        sending = webhook.map { webhook in Task.detached { await webhook.run() } }
    }

    private static func startLoop(
        _ index: Int, _ context: RouterContext, _ store: EmbeddedStore, http: SocketAddress, tcp: SocketAddress
    ) async throws -> (LoopThread, ports: (http: UInt16, tcp: UInt16)) {
        let started = AsyncStream<Result<(http: UInt16, tcp: UInt16), any Error>>.makeStream()
        let thread = LoopThread(name: "loop-\(index)") {
            do {
                let handle = context.nodes[index]
                if handle.passage != nil { try RouterServer.makeOwnTable(handle, context.nodes) }
                let loop = try EventLoop(mailbox: handle.mailbox, table: handle.table, entrance: handle.passage)
                let node = LoopNode(index: index, context: context, loop: loop, store: store)
                handle.bind(node)
                defer { loop.end() }
                started.continuation.yield(.success(try node.listen(on: http, tcp: tcp)))
                loop.run()
            } catch {
                started.continuation.yield(.failure(error))
            }
        }
        for await result in started.stream {
            switch result {
            case .success(let ports): return (thread, ports)
            case .failure(let error):
                thread.join()
                throw error
            }
        }
        preconditionFailure("a starting loop always says how it went")
    }

    private static func makeOwnTable(_ handle: NodeHandle, _ nodes: [NodeHandle]) throws {
        do {
            try DescriptorTable.makeOwn(
                mailboxes: nodes.map(\.mailbox), passages: nodes.compactMap(\.passage), entrance: handle.passage)
        } catch {
            throw ConfigurationError("a loop gets no descriptor table of its own (\(error)): "
                + "start with --descriptor-tables shared")
        }
    }

    /// Goes down in order: no new connections, everything that was taken is committed and answered, clients get
    /// 1001, the store is folded and closed.
    package func stop() async {
        context.beginDraining()
        tidying.cancel()
        for task in watching { task.cancel() }
        sending?.cancel()
        await tidying.value
        for task in watching { await task.value }
        await sending?.value
        for node in context.nodes { await node.run { $0.beginDraining() } }
        let deadline = Clock.monotonicNanoseconds + UInt64(RouterServer.drainSeconds) * 1_000_000_000
        await wait(until: deadline) { $0.isSettled }
        // A loop's time is that of its tick, which may have begun before.
        StopMark.leave(in: context.configuration.data, at: Clock.realtimeMilliseconds - RouterServer.tickMilliseconds)
        await closeConnections(until: deadline)
        await wait(until: deadline) { $0.loop.channelCount == 0 }
        context.passwords.stop()
        for node in context.nodes { node.post { $0.loop.stop() } }
        let threads = threads.withLock { $0 }
        for thread in threads { thread.join() }
        store.close()
        RouterServer.release(context.nodes)
    }

    /// Says goodbye in slots, so that the last frames of all needn't be sent in one moment, and tells each client when
    /// to come back, so that not all do at once.
    private func closeConnections(until deadline: UInt64) async {
        var count = 0
        for node in context.nodes { count += await node.run { $0.loop.channelCount } }
        let spread = RouterServer.reconnectMilliseconds(clients: count)
        let slot = max(RouterServer.slotConnectionsMin, count / RouterServer.slotsMax / context.nodes.count)
        var isDone = false
        while !isDone {
            isDone = true
            // The last moment is everyone's.
            let isLast = Clock.monotonicNanoseconds + RouterServer.slotNanoseconds > deadline
            for node in context.nodes {
                let hasMore = await node.run { $0.closeConnections(isLast ? .max : slot, spread: spread) }
                if hasMore { isDone = false }
            }
            if !isDone { try? await Task.sleep(nanoseconds: RouterServer.slotNanoseconds) }
        }
    }

    /// Within how many milliseconds clients shall come back: a second, and as long as the router needs to take them.
    static func reconnectMilliseconds(clients: Int) -> UInt64 {
        UInt64(min(1_000 + clients / reconnectsPerMillisecond, reconnectMillisecondsMax))
    }

    /// Goes on with what waits for the operator to mend something, and reads certificate and keys again. *Thread:* any
    /// that may open files.
    package func resume() {
        webhook?.resume()
        reloadTokenKeys()
        reloadCertificate()
    }

    private func reloadTokenKeys() {
        guard context.configuration.hasKeyFiles else { return }
        do throws(ConfigurationError) {
            try context.authenticator.reload()
            context.log.router.notice("the keys of tokens were read again")
        } catch {
            context.log.router.error("the keys of tokens stay as they were: \(error)")
        }
    }

    private func reloadCertificate() {
        guard let tls = context.tls else { return }
        do {
            try tls.reload()
            context.log.router.notice("certificate and key were read anew, for connections that begin from now on")
        } catch {
            context.log.router.error("the old certificate and key stay in use: \(error)")
        }
    }

    /// Parts what knows each other, once nothing runs any more.
    private static func release(_ nodes: [NodeHandle]) {
        for node in nodes {
            node.unbind()
            node.mailbox.discardAll()
        }
    }

    private func wait(until deadline: UInt64, _ isDone: @escaping @Sendable (LoopNode) -> Bool) async {
        for node in context.nodes {
            while await !node.run(isDone), Clock.monotonicNanoseconds < deadline {
                try? await Task.sleep(nanoseconds: 2_000_000)
            }
        }
    }
}

extension OperatorSources {
    fileprivate init(_ store: EmbeddedStore, _ plan: TablePlan) {
        self.store = { store.figures }
        files = { store.fileSizes }
        trouble = { store.trouble }
        connectionsMax = plan.room
    }
}

extension EmbeddedStoreOptions {
    fileprivate init(_ configuration: Configuration) {
        self.init(directory: configuration.data)
        fold.retentionMilliseconds = UInt64(configuration.retentionDays) * 86_400_000
        if configuration.search { fold.search = SearchOptions() }
        if configuration.recordsEvents {
            fold.events = EventOptions(
                retentionMilliseconds: UInt64(configuration.eventsDays) * 86_400_000,
                waitsForDelivery: configuration.webhook != nil)
        }
        fold.inboxMembersMax = configuration.inboxMembersMax
    }
}
