internal import Base
internal import Core
internal import EmbeddedStore
internal import Logging
internal import Reactor
internal import Store
internal import Synchronization
internal import Tokens

/// Sends events to the operator's own system, in their order, each at least once.
///
/// Up to where they were taken is noted in the store after each request; a crash between the two sends some again.
/// After long failure it parks: it sends no more until ``resume()`` or the next start, and goes on where it stood.
final class Webhook: Sendable {
    private let settings: WebhookSettings
    private let store: EmbeddedStore
    private let answers: WebhookStore
    private let mailbox: MailboxIndex
    private let client: WebhookClient
    private let log: Logger
    private let isResuming = Atomic(false)
    private let taken = Atomic(0)
    private let failed = Atomic(0)
    private let events = Atomic(0)
    private let isParked = Atomic(false)

    /// Events of one request; large messages make it fewer.
    private static let eventsMax = 100
    /// How often it looks for new events: how late they are at most, and how often it lets the store fold for them.
    private static let intervalMilliseconds: UInt64 = 250
    /// What the store's trouble, not the receiver's, waits for.
    private static let storeMilliseconds: UInt64 = 1_000

    /// - Parameter mailbox: where the store delivers to `answers`.
    init(
        _ settings: WebhookSettings, _ store: EmbeddedStore, _ answers: WebhookStore, mailbox: MailboxIndex,
        log: Logger
    ) throws {
        self.settings = settings
        self.store = store
        self.answers = answers
        self.mailbox = mailbox
        self.log = log
        client = try WebhookClient(settings)
    }

    /// What it has done. *Thread:* any.
    var counters: WebhookCounters {
        WebhookCounters(
            taken: taken.load(ordering: .relaxed), failed: failed.load(ordering: .relaxed),
            events: events.load(ordering: .relaxed), isParked: isParked.load(ordering: .relaxed))
    }

    /// Goes on at once, also when it is parked. *Thread:* any.
    func resume() { isResuming.store(true, ordering: .relaxed) }

    /// Sends what there is and what comes, until the task is cancelled.
    func run() async {
        let thread = WorkerThread(name: "webhook")
        await withTaskCancellationHandler {
            await send(on: thread)
        } onCancel: {
            client.stop()
        }
        thread.stop()
    }

    private func send(on thread: WorkerThread) async {
        var failing = Failing()
        var seen: UInt64?
        while !Task.isCancelled {
            let committed = store.counters.committedBatch
            if committed != seen {
                guard let page = await page() else {
                    await pause(Webhook.storeMilliseconds)
                    continue
                }
                if let last = page.events.last {
                    await deliver(page, through: last.number, on: thread, &failing)
                    continue
                }
                seen = committed
            }
            await pause(Webhook.intervalMilliseconds)
        }
    }

    private func page() async -> EventPage? {
        let question = DirectoryQuestion.events(EventQuery(after: nil, limit: Webhook.eventsMax))
        let answer = await answers.answer { store.ask(question, mailbox: mailbox, ticket: $0) }
        guard case .success(.events(let page)) = answer else { return nil }
        return page
    }

    private func deliver(
        _ page: EventPage, through number: UInt64, on thread: WorkerThread, _ failing: inout Failing
    ) async {
        var body = OutputBuffer()
        var inflated = OutputBuffer()
        body.appendEvents(page, epoch: store.epoch, inflated: &inflated)
        let bytes = Array(body.unsafeBytes)
        let signature = Webhook.signature(
            of: bytes, secret: settings.secret, seconds: Clock.realtimeMilliseconds / 1_000)
        let client = client
        switch await thread.run(jobsMax: 1, { client.post(bytes, signature: signature) }) {
        case .taken:
            taken.add(1, ordering: .relaxed)
            events.add(page.events.count, ordering: .relaxed)
            if failing.count > 0 { log.notice("events are taken again, after \(failing.count) tries") }
            failing = Failing()
            let command = DirectoryCommand.eventsDelivered(through: number)
            let answer = await answers.answer { store.perform(command, mailbox: mailbox, ticket: $0) }
            if case .failure = answer { await pause(Webhook.storeMilliseconds) }
        case .failed(let reason):
            guard !Task.isCancelled else { return }
            failed.add(1, ordering: .relaxed)
            await wait(after: reason, &failing)
        case nil: preconditionFailure("the webhook sends one body at a time")
        }
    }

    /// Waits for the next attempt, or parks.
    private func wait(after reason: String, _ failing: inout Failing) async {
        let now = Clock.monotonicNanoseconds
        failing.count += 1
        let since = failing.since ?? now
        failing.since = since
        guard now - since >= UInt64(settings.patienceSeconds) * 1_000_000_000 else {
            let delay = failing.delay(random: .random(in: 0..<1))
            log.warning("events weren't taken: \(reason); trying again in \(delay) ms")
            await pause(delay)
            return
        }
        log.error(
            """
            parked after \(failing.count) tries in \(settings.patienceSeconds) s (\(reason)); events are \
            kept. SIGHUP or the next start goes on
            """)
        isParked.store(true, ordering: .relaxed)
        while !Task.isCancelled, !(await pause(Webhook.intervalMilliseconds)) {}
        isParked.store(false, ordering: .relaxed)
        failing = Failing()
    }

    /// Sleeps, but not through a ``resume()``; whether there was one.
    @discardableResult
    private func pause(_ milliseconds: UInt64) async -> Bool {
        var left = milliseconds
        while left > 0, !Task.isCancelled {
            if isResuming.exchange(false, ordering: .relaxed) { return true }
            let slice = min(left, Webhook.intervalMilliseconds)
            try? await Task.sleep(nanoseconds: slice * 1_000_000)
            left -= slice
        }
        return false
    }

    /// The header of a body: a time, and the HMAC-SHA256 of the time, a dot and the body.
    static func signature(of body: [UInt8], secret: String, seconds: UInt64) -> String {
        let signed = Array("\(seconds).".utf8) + body
        let digest = Digests.hmacSHA256(key: Array(secret.utf8), signed)
        return "t=\(seconds),v1=\(Digests.hexadecimal(digest))"
    }

    /// Attempts since the last one that went well.
    struct Failing {
        var count = 0
        /// When the first of them was, monotonic.
        var since: UInt64?

        private static let firstMilliseconds: UInt64 = 1_000
        private static let longestMilliseconds: UInt64 = 300_000

        /// Milliseconds until the next attempt: twice as many each time, and by chance somewhat fewer, so that many
        /// routers don't come at once.
        func delay(random: Double) -> UInt64 {
            let doublings = UInt64(min(max(count - 1, 0), 20))
            let most = min(Failing.firstMilliseconds << doublings, Failing.longestMilliseconds)
            return most / 2 + UInt64(Double(most / 2) * random)
        }
    }
}

/// What a webhook has done since the start.
struct WebhookCounters: Sendable {
    /// Requests that were taken, and that weren't.
    var taken: Int
    var failed: Int
    /// Events that were taken.
    var events: Int
    /// Whether it sends no more until it is told to.
    var isParked: Bool
}
