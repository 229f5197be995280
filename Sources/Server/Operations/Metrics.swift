internal import Base
internal import Core
internal import EmbeddedStore
internal import Reactor
internal import Wire

/// What parts of the router that aren't loops tell about themselves. *Thread:* any.
struct OperatorSources: Sendable {
    var store: @Sendable () -> StoreFigures = { StoreFigures() }
    /// Asks the file system.
    var files: @Sendable () -> StoreFileSizes = { StoreFileSizes() }
    /// Why the store takes no messages, or answers no questions; nil if it does.
    var trouble: @Sendable () -> String? = { nil }
    var webhook: Webhook?
    /// How many connections there is room for.
    var connectionsMax = 0
    /// When the router started, monotonic nanoseconds.
    let begun = Clock.monotonicNanoseconds
}

/// Everything that the metrics are made of, as it stood within a moment.
struct Metrics: Sendable {
    var loops: [LoopSnapshot]
    var store: StoreFigures
    var files: StoreFileSizes
    var process: ProcessFigures
    var webhook: WebhookCounters?
    var log: (written: UInt64, dropped: UInt64)?
    var connectionsMax: Int
    var uptimeSeconds: Double
    var descriptorsMax: Int
    var usersPerShardMax: Int
    /// Names of the routes, in the order in which loops count them.
    var routes: [(method: String, path: String)]

    /// The page. Asks each loop for its numbers, and puts them together on a thread that no loop waits for.
    static func page(_ form: MetricsText.Form, _ context: RouterContext, routes: [APIRouter.Route]) async -> [UInt8] {
        var loops: [LoopSnapshot] = []
        for node in context.nodes { loops.append(await node.run { $0.snapshot() }) }
        let snapshots = loops
        let names = routes.map { (method: $0.method.rawValue, path: $0.path) }
        return await Task.detached {
            let sources = context.sources
            let metrics = Metrics(
                loops: snapshots, store: sources.store(), files: sources.files(), process: .read(),
                webhook: sources.webhook?.counters, log: context.log.writer?.lineCounts,
                connectionsMax: sources.connectionsMax,
                uptimeSeconds: Double(Clock.monotonicNanoseconds - sources.begun) / 1e9,
                descriptorsMax: ProcessResources.descriptorLimit,
                usersPerShardMax: context.configuration.usersPerShardMax, routes: names)
            return metrics.text(form)
        }.value
    }

    func text(_ form: MetricsText.Form) -> [UInt8] {
        var text = MetricsText(form)
        appendProcess(to: &text)
        appendLoops(to: &text)
        appendConnections(to: &text)
        appendSessions(to: &text)
        appendMessages(to: &text)
        appendChannels(to: &text)
        appendRequests(to: &text)
        appendStore(to: &text)
        appendStoreTimes(to: &text)
        appendWebhook(to: &text)
        return text.finish()
    }

    // MARK: By loop

    /// One sample a loop.
    func byLoop(_ value: (LoopSnapshot) -> Double) -> [MetricsText.Sample] {
        loops.enumerated().map { ([("loop", String($0))], value($1)) }
    }

    func byLoop(_ value: (LoopSnapshot) -> Int) -> [MetricsText.Sample] {
        byLoop { Double(value($0)) }
    }

    func byLoop(_ value: (LoopSnapshot) -> UInt64) -> [MetricsText.Sample] {
        byLoop { Double(value($0)) }
    }

    /// One sample a loop and value of a label.
    func byLoop<Kind>(
        _ label: String, _ kinds: [Kind], _ name: (Kind) -> String, _ value: (LoopSnapshot, Kind) -> UInt64
    ) -> [MetricsText.Sample] {
        loops.enumerated().flatMap { index, loop in
            kinds.map { kind -> MetricsText.Sample in
                ([("loop", String(index)), (label, name(kind))], Double(value(loop, kind)))
            }
        }
    }

    func histogramByLoop(
        _ value: (LoopSnapshot) -> Histogram
    ) -> [(labels: MetricsText.Labels, value: Histogram)] {
        loops.enumerated().map { ([("loop", String($0))], value($1)) }
    }
}
