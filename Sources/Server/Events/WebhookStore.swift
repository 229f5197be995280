internal import Base
internal import Store
internal import Synchronization

/// The store's answers to the webhook, which isn't a loop, as `async` calls. *Thread:* any.
final class WebhookStore: StoreMailbox {
    typealias Answer = Result<DirectoryAnswer, StoreError>

    private struct State {
        var lastTicket: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<Answer, Never>] = [:]
    }

    private let state = Mutex(State())

    func deliver(_ events: [StoreEvent]) {
        for case .directory(let ticket, let result) in events {
            state.withLock { $0.waiting.removeValue(forKey: ticket) }?.resume(returning: result)
        }
    }

    /// Calls `ask` with a ticket, and waits for the answer to it.
    func answer(_ ask: (UInt64) -> Void) async -> Answer {
        await withCheckedContinuation { continuation in
            let ticket = state.withLock { state in
                state.lastTicket += 1
                state.waiting[state.lastTicket] = continuation
                return state.lastTicket
            }
            ask(ticket)
        }
    }
}
