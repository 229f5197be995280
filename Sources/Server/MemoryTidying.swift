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

    /// How often memory is returned for one burst: what the store still did for it is freed later.
    private static let turns = 3

    static func run(_ nodes: [NodeHandle]) async {
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
            guard turnsLeft > 0 else { continue }
            turnsLeft -= 1
            for node in nodes { await node.run { $0.loop.releaseSpareMemory() } }
            ProcessResources.returnFreedMemory()
        }
    }
}
