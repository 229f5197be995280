internal import EmbeddedStore
internal import Logging

/// Tells the log when the store begins to refuse work, and when it is well again.
enum StoreWatch {
    private static let intervalNanoseconds: UInt64 = 1_000_000_000

    static func run(_ store: EmbeddedStore, _ log: Logger) async {
        var before: String?
        while !Task.isCancelled {
            let trouble = store.trouble
            if let trouble, trouble != before { log.error("\(trouble)") }
            if trouble == nil, before != nil { log.notice("the store is well again") }
            before = trouble
            try? await Task.sleep(nanoseconds: intervalNanoseconds)
        }
    }
}
