package import Base
package import Store

/// Which loop and which shard a user lives on. The same for all loops of a process, and fixed while it runs.
package struct Topology: Sendable {
    /// Event loops.
    package let nodes: Int
    package let shardsPerNode: Int
    /// Signed-in users a shard takes before it refuses.
    package let usersPerShardMax: Int

    package init(nodes: Int, shardsPerNode: Int, usersPerShardMax: Int) {
        precondition(nodes > 0 && shardsPerNode > 0 && usersPerShardMax > 0)
        self.nodes = nodes
        self.shardsPerNode = shardsPerNode
        self.usersPerShardMax = usersPerShardMax
    }

    /// Shard of a user, counted over all loops.
    package func shard(of user: Identifier) -> Int {
        let hash = user.hash64
        return Int(node(hash: hash).rawValue) * shardsPerNode + shardOfNode(hash: hash)
    }

    /// Shard of a user, counted within its loop.
    func shardOfNode(hash: UInt64) -> Int { pick(hash.byteSwapped, of: shardsPerNode) }

    /// The loop that owns a user's shard.
    package func node(of user: Identifier) -> MailboxIndex { node(hash: user.hash64) }

    func node(hash: UInt64) -> MailboxIndex { MailboxIndex(pick(hash, of: nodes)) }

    /// One of `count`, by a multiplication where a remainder would take a division.
    @inline(__always)
    private func pick(_ hash: UInt64, of count: Int) -> Int {
        Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(truncatingIfNeeded: count)).high)
    }
}
