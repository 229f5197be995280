internal import EmbeddedStore
internal import Reactor

/// Gives memory back to the kernel after many connections have come or gone.
///
/// Signing in leaves a lot of freed memory between what stays (requests, answers, batches of the store), which the
/// allocator would keep for good. Returning it holds allocations up for milliseconds, so it waits until the burst is
/// over, and a few connections more or less aren't worth it.
enum MemoryTidying {
    private static let intervalNanoseconds: UInt64 = 1_500_000_000
    /// A change since the last time that is worth returning memory for, and one within an interval that isn't over.
    private static let worthwhileConnections = 1_000
    private static let quietConnections = 50

    /// How often memory is returned for one burst: what is asked to be freed at one turn is there at the next. The last
    /// turns wait until the store has put into its index what the burst left to do.
    private static let turns = 4
    private static let lastTurns = 2

    static func run(_ nodes: [NodeHandle], _ store: EmbeddedStore) async {
        var connections = 0
        var connectionsWhenTidied = 0
        var turnsLeft = 0
        while !Task.isCancelled {
            try? await Task.sleep(nanoseconds: intervalNanoseconds)
            let before = connections
            connections = 0
            for node in nodes { connections += await node.run { $0.loop.channelCount } }
            guard abs(connections - before) <= quietConnections else { continue }
            if abs(connections - connectionsWhenTidied) >= worthwhileConnections {
                connectionsWhenTidied = connections
                turnsLeft = turns
            }
            guard turnsLeft > lastTurns || turnsLeft > 0 && store.counters.unfoldedBytes == 0 else { continue }
            turnsLeft -= 1
            await tidy(nodes, store)
        }
    }

    /// Has everyone give back what is kept for speed.
    static func tidy(_ nodes: [NodeHandle], _ store: EmbeddedStore) async {
        store.releaseSpareMemory()
        for node in nodes { await node.run { $0.releaseSpareMemory() } }
        ProcessResources.returnFreedMemory()
    }
}
