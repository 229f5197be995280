internal import Base
internal import Core
internal import Store

/// One run: a router, its disk, its clients and the network between them, in one thread, from one seed.
final class World {
    let seed: UInt64
    var random: SeededRandom
    let profile: Profile
    let disk: SimulatedDisk
    let plant: Plant?
    let checker: Checker
    var trace: Trace
    /// Milliseconds since the Unix epoch, as the machine's clock has it.
    var now: UInt64 = 1_767_225_600_000
    /// How far the clock went forwards; the window of the `cid`s is 24 hours.
    var elapsed: UInt64 = 0
    /// Nil while it is down.
    var machine: Machine?
    let devices: [Device]
    let groups: [Identifier]
    /// The newest membership that each hub surely has, by group.
    var installed: [[Int]] = []
    /// Changes of groups on their way to the hubs.
    var installing: [(hub: Int, group: Group)] = []
    /// Connections that the client has given up and the router not yet.
    var leaving: [ClientConnection] = []
    private(set) var connections = 0
    var lastRef: UInt64 = 0
    /// Whether the next halt of the disk is a power cut.
    var haltIsPowerCut = false
    var isFinal = false
    var crashes = 0

    init(seed: UInt64, disk: SimulatedDisk, plant: Plant?, keepsTrace: Bool) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        profile = Profile(&random)
        self.disk = disk
        self.plant = plant
        trace = Trace(isKept: keepsTrace)
        let users = (0..<profile.users).map { World.identifier("u\($0)") }
        var devices: [Device] = []
        for (index, user) in users.enumerated() {
            for device in 0..<random.below(profile.devicesPerUser) + 1 {
                let name = World.identifier("d\(device)")
                devices.append(Device(index: devices.count, user: index, userID: user, name: name))
            }
        }
        self.devices = devices
        groups = (0..<profile.groups).map { World.identifier("group_\($0)") }
        checker = Checker(userNames: users.map(\.description), inboxMembersMax: profile.inboxMembersMax)
        checker.memberships = groups.map { _ in [[]] }
        self.random = random
        disk.reset(to: .emptyStore, seed: random.next())
        disk.setLying(plant == .lyingDisk)
    }

    static func identifier(_ text: String) -> Identifier {
        guard let identifier = Identifier(text) else { preconditionFailure("\(text) is no id") }
        return identifier
    }

    var isBroken: Bool { checker.violation != nil }

    // MARK: The process

    /// Starts the router; with a disk that fails, as often as it takes.
    func start() {
        for attempt in 0..<20 {
            if attempt > 3 { disk.heal() }
            do {
                let machine = try Machine(disk, profile, number: UInt64(crashes), now: now, plant: plant)
                self.machine = machine
                trace.note("start", UInt64(attempt), 0, "attempt \(attempt)")
                readGroups(machine)
                return
            } catch {
                trace.note("start failed", UInt64(attempt), 0, "\(error)")
                if disk.isHalted { endHalt() } else { disk.heal() }
                if attempt == 19 { checker.broken("the store opens after a crash: \(error)") }
            }
        }
    }

    /// What the groups are, now that it is known which of their changes came through.
    private func readGroups(_ machine: Machine) {
        installed = Array(repeating: Array(repeating: 0, count: groups.count), count: profile.hubs)
        installing = []
        for (index, group) in groups.enumerated() {
            noteMembership(index, machine.store.group(group))
            for hub in installed.indices { installed[hub][index] = checker.memberships[index].count - 1 }
        }
    }

    func noteMembership(_ index: Int, _ group: Group?) {
        let names = group?.members.keys.map(\.description) ?? []
        let members = Set(names.compactMap { name in checker.userNames.firstIndex(of: name) })
        if checker.memberships[index].last != members { checker.memberships[index].append(members) }
    }

    /// Stops the process, or the whole machine, at the end of this step.
    func stop(cutsPower: Bool) {
        haltIsPowerCut = cutsPower
        disk.halt()
    }

    /// A halted disk is the end of the process: takes everything in memory away, and what isn't synced if the power is
    /// cut. Nobody may hold the machine.
    func crashIfHalted() {
        guard disk.isHalted else { return }
        crashes += 1
        for connection in openConnections { close(connection) }
        leaving = []
        weak let store = machine?.store
        machine = nil
        precondition(store == nil, "a dead process holds no files")
        endHalt()
        if plant == .lostTail { disk.loseTail() }
    }

    private func endHalt() {
        if haltIsPowerCut {
            trace.note("power cut", disk.changes, disk.syncs, "after \(disk.changes) changes, \(disk.syncs) syncs")
            disk.cutPower()
        } else {
            trace.note("crash", disk.changes, disk.syncs, "after \(disk.changes) changes, \(disk.syncs) syncs")
            disk.restart()
        }
    }

    // MARK: Connections

    var openConnections: [ClientConnection] { devices.compactMap(\.connection) }

    func connect(_ device: Device, after: UInt64?) {
        guard let machine, device.connection == nil else { return }
        connections += 1
        let form = random.pick([Session.Form.json, .json, .binaryWebSocket, .binaryTCP])
        let hub = machine.hub(of: device.userID)
        let connection = ClientConnection(number: connections, device: device, hub: hub, form: form, after: after)
        connection.view.known = checker.heads[device.user]
        connection.view.moment = checker.moment
        machine.hubs[hub].milliseconds = now
        guard
            let session = machine.hubs[hub].signIn(
                device.userID, device: device.name, after: after, form: form, readsLZ4: random.chance(50),
                outlet: connection.outlet, owner: connection)
        else { return checker.broken("a shard with room takes a user") }
        connection.session = session
        device.connection = connection
        trace.note(
            "connect", UInt64(device.index), after ?? .max,
            "#\(connection.number) \(device.userID)/\(device.name) after \(after.map { "\($0)" } ?? "-") \(form)")
    }

    /// The client's end of a connection goes; the router learns of it later.
    func close(_ connection: ClientConnection) {
        trace.note("close", UInt64(connection.number), 0, "#\(connection.number)")
        connection.device.connection = nil
        connection.hasClient = false
        leaving.append(connection)
    }

    func signOut(_ connection: ClientConnection) {
        guard let machine, let session = connection.session else { return }
        trace.note("sign out", UInt64(connection.number), 0, "#\(connection.number)")
        machine.hubs[connection.hub].milliseconds = now
        machine.hubs[connection.hub].signOut(session)
        connection.session = nil
        connection.cut()
        leaving.removeAll { $0 === connection }
    }

    /// Connections that the router ended.
    func reap() {
        for connection in openConnections where connection.outlet.isClosing {
            close(connection)
            signOut(connection)
        }
    }
}
