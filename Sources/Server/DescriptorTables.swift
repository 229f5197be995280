internal import Reactor

/// Whether the loops share the process's descriptor table.
package enum DescriptorTables: String, Sendable, CaseIterable {
    /// `own` where several loops may hold more users than one table has room for, else `shared`.
    case auto
    /// One table for the process: the limit of open files is the limit of its connections.
    case shared
    /// A table for each loop: the limit counts for each of them.
    case own
}

/// How many descriptors the loops of a router have for their connections.
package struct TablePlan: Sendable {
    /// Whether each loop has a table of its own.
    package let isOwn: Bool
    /// Tables that hold connections.
    package let count: Int
    /// Connections that each of them can hold.
    let capacity: Int

    /// What the store, the runtime and the standard streams need in a table, with some to spare.
    private static let storeDescriptors = 64
    /// What the runtime or a library may open for a moment.
    private static let spareDescriptors = 8
    /// Epoll set and two listeners.
    private static let descriptorsPerLoop = 3

    /// - Parameter limit: descriptors that a table may hold.
    /// - Throws: in words for the operator, if there is no room for a connection.
    init(_ configuration: Configuration, loops: Int, limit: Int) throws(ConfigurationError) {
        let usersMax = loops * configuration.shardsPerLoop * configuration.usersPerShardMax
        switch configuration.descriptorTables {
        case .own: isOwn = true
        case .shared: isOwn = false
        case .auto: isOwn = loops > 1 && limit < usersMax
        }
        if isOwn {
            count = loops
            // Standard streams, what reaches the other loops (two each), the loop's own way in.
            capacity = limit - 3 - 2 * loops - 1 - TablePlan.descriptorsPerLoop - TablePlan.spareDescriptors
        } else {
            count = 1
            let needed = TablePlan.storeDescriptors + (TablePlan.descriptorsPerLoop + 1) * loops
            // With very few, half of them: better a little too many connections than none.
            capacity = limit - min(needed, limit / 2)
        }
        guard capacity > 0 else {
            throw ConfigurationError("\(limit) open files leave no room for connections: raise the limit (ulimit -n)")
        }
    }

    /// A table for each loop; several loops may have the same.
    func makeTables(loops: Int) -> [DescriptorTable] {
        let shared = DescriptorTable(capacity: capacity)
        return (0..<loops).map { _ in isOwn ? DescriptorTable(capacity: capacity) : shared }
    }

    /// Signed-in connections that find room in all tables together.
    package var room: Int { count * (capacity - DescriptorTable(capacity: capacity).headroom) }
}
