internal import Base
internal import Reactor

/// Clients that send to each other, in a closed loop (a window of unanswered messages each) or at a rate.
package final class ExchangeLoop: LoadLoop {
    private var isSending = false
    private var pace: Pace?
    /// Whose turn it is in an open loop.
    private var turn = 0

    /// Gives every client its message and whom to wait for. All of them must be ready.
    package func prepare() throws {
        var byIndex: [Int: LoadClient] = [:]
        for client in clients where client.state == .ready { byIndex[client.index] = client }
        for client in byIndex.values {
            let template = try plan.makeTemplate(client.index)
            stampDepth = template.stampDepth
            client.template = consume template
            byIndex[plan.peer(of: client.index)]?.source = client
        }
    }

    /// Begins to send; in an open loop at `messagesPerSecond`, this loop's share.
    package func start(messagesPerSecond: Double?) {
        isSending = true
        guard let messagesPerSecond else {
            let now = Stamp.now
            for client in clients { for _ in 0..<plan.window { client.send(stamp: now) } }
            return
        }
        pace = Pace(start: Stamp.now, messagesPerSecond: messagesPerSecond)
        loop.beforeFlush = { [unowned self] in sendWhatIsDue() }
        sendWhatIsDue()
    }

    /// Sends nothing more; answers still count.
    package func stopSending() {
        isSending = false
        pace = nil
        loop.beforeFlush = nil
        loop.wakeAt = nil
    }

    private func sendWhatIsDue() {
        guard var pace else { return }
        let now = Stamp.now
        // A few at a time: a loop that is behind must still read, or each turn would take longer than the last.
        var left = ExchangeLoop.sendsMax
        while left > 0, let intended = pace.take(now: now) {
            left -= 1
            let client = clients[turn]
            turn = turn + 1 == clients.count ? 0 : turn + 1
            if client.pendingBytes > ExchangeLoop.pendingBytesMax {
                meter.skipped += 1
            } else {
                client.send(stamp: intended)
            }
        }
        loop.wakeAt = Stamp.monotonic(pace.next)
        self.pace = pace
    }

    /// What one turn of an open loop sends at most.
    private static let sendsMax = 1_024

    /// What an open loop keeps for a connection that doesn't take it.
    private static let pendingBytesMax = 1 << 20

    // MARK: Answers

    override func acked(_ client: LoadClient, _ stamp: UInt64?, isAccepted: Bool, _ now: UInt64) {
        // The ack of the commit follows the early one; only the level that was asked for is the answer.
        guard isAccepted == (plan.mode == .accepted) else { return }
        meter.acked += 1
        if isMeasuring, let stamp { meter.ackLatency.record(from: stamp, to: now) }
        answered(client, now)
    }

    override func delivered(_ client: LoadClient, _ stamp: UInt64?, _ now: UInt64) {
        meter.delivered += 1
        if isMeasuring, let stamp { meter.deliveryLatency.record(from: stamp, to: now) }
        if plan.mode == .typing, let source = client.source { answered(source, now) }
    }

    override func refused(_ client: LoadClient) {
        meter.refused += 1
        answered(client, Stamp.now)
    }

    @inline(__always)
    private func answered(_ sender: LoadClient, _ now: UInt64) {
        sender.outstanding -= 1
        if isSending, pace == nil { sender.send(stamp: now) }
    }
}
