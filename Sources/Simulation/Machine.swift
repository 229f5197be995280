internal import Base
internal import Core
internal import Store

/// The router's process: the store, the hubs and the bus. A crash takes it as a whole.
final class Machine {
    let store: SimulatedStore
    let hubs: [Hub]
    let bus: SimulatedBus
    let topology: Topology

    init(_ disk: SimulatedDisk, _ profile: Profile, number: UInt64, now: UInt64, plant: Plant?) throws {
        let store = try SimulatedStore(disk, profile, now: now, plant: plant)
        let bus = SimulatedBus(nodes: profile.hubs)
        let topology = Topology(nodes: profile.hubs, shardsPerNode: 2, usersPerShardMax: 100)
        let presence = PresenceDirectory()
        self.store = store
        self.bus = bus
        self.topology = topology
        var channels = profile.channels
        channels.instance = number
        hubs = (0..<profile.hubs).map {
            Hub(
                node: MailboxIndex($0), topology: topology, store: store, bus: SimulatedBus.Port(bus: bus, from: $0),
                presence: presence, channels: channels)
        }
    }

    func hub(of user: Identifier) -> Int { Int(topology.node(of: user).rawValue) }
}
