internal import Base
internal import Core
internal import Store
internal import Wire

// What happens: one piece of somebody's work at a time.
extension World {
    /// One step, drawn from the seed.
    func step() {
        now += UInt64(random.below(5))
        elapsed += 5
        if machine == nil { start() }
        perform(profile.next(&random))
        reap()
        crashIfHalted()
    }

    private func perform(_ action: Action) {
        guard let machine else { return }
        switch action {
        case .connect: connectSome()
        case .disconnect: disconnectSome()
        case .send: if let connection = someConnection() { sendNew(on: connection) }
        case .resend: if let connection = someConnection() { resend(on: connection) }
        case .confirm: if let connection = someConnection() { confirm(on: connection) }
        case .fetch: if let connection = someConnection() { fetch(on: connection) }
        case .history: if let connection = someConnection() { history(on: connection) }
        case .markRead: if let connection = someConnection() { markRead(on: connection) }
        case .edit: if let connection = someConnection() { edit(on: connection) }
        case .recall: if let connection = someConnection() { recall(on: connection) }
        case .typing: if let connection = someConnection() { typing(on: connection) }
        case .watch: if let connection = someConnection() { watch(on: connection) }
        case .channel: if let connection = someConnection() { useChannel(on: connection) }
        case .serve: serve(machine)
        case .flush:
            if let connection = openConnections.isEmpty ? nil : random.pick(openConnections) { flush(connection) }
        case .journal: journal(machine, random.below(machine.store.waitingRequests) + 1)
        case .fold: fold(machine, random.below(machine.store.waitingBatches) + 1)
        case .read: read(machine)
        case .deliver: deliver(machine, to: random.below(profile.hubs), random.below(profile.burst) + 1)
        case .bus:
            let pair = random.below(profile.hubs * profile.hubs)
            for _ in 0...random.below(profile.burst) { carry(machine, pair, mayLose: true) }
        case .groups: changeGroups(machine)
        case .crash, .powerCut, .haltLater, .diskFault, .heal: fail(action)
        case .clock: moveClock()
        }
    }

    private func connectSome() {
        let device = random.pick(devices)
        let after: UInt64? =
            switch random.below(20) {
            case 0: nil
            case 1: UInt64(random.below(Int(device.have) + 1))
            default: device.have
            }
        connect(device, after: after)
    }

    private func disconnectSome() {
        if !leaving.isEmpty, random.chance(50) { return signOut(random.pick(leaving)) }
        guard !openConnections.isEmpty else { return }
        let connection = random.pick(openConnections)
        close(connection)
        if random.chance(50) { signOut(connection) }
    }

    // MARK: Hubs

    /// A tick of a hub: frames of one or two connections.
    private func serve(_ machine: Machine) {
        let hub = random.below(profile.hubs)
        for _ in 0...random.below(2) {
            let ready = (openConnections + leaving).filter { $0.hub == hub && $0.mayServe }
            if !ready.isEmpty { serve(machine, random.pick(ready), random.below(profile.burst) + 1) }
        }
        endTick(machine, hub)
    }

    func serve(_ machine: Machine, _ connection: ClientConnection, _ count: Int) {
        guard let session = connection.session else { return }
        let hub = machine.hubs[connection.hub]
        hub.milliseconds = now
        for frame in connection.toServer.prefix(count) {
            trace.note("serve", UInt64(connection.number), 0, "#\(connection.number)")
            switch frame {
            case .json(let bytes): hub.receive(json: bytes.span.bytes, from: session)
            case .binary(let bytes): serve(bytes, hub, session)
            }
        }
        connection.toServer.removeFirst(min(count, connection.toServer.count))
    }

    private func serve(_ bytes: [UInt8], _ hub: Hub, _ session: Session) {
        do {
            let header = try BinaryHeader(message: bytes.span.bytes)
            let payload = bytes.span.bytes.extracting(BinaryHeader.byteCount..<bytes.count)
            hub.receive(
                try BinaryRequest(header, payload: payload), flags: header.flags, payload: payload, from: session)
        } catch {
            checker.broken("a good frame is understood: \(error)")
        }
    }

    func endTick(_ machine: Machine, _ hub: Int) {
        machine.hubs[hub].milliseconds = now
        machine.hubs[hub].handOver()
        for connection in openConnections + leaving where connection.hub == hub { connection.outlet.ticked() }
    }

    // MARK: The network

    func flush(_ connection: ClientConnection, all: Bool = false) {
        guard let machine, connection.outlet.pendingBytes > 0 else { return }
        let bytes = connection.outlet.take(all ? .max : random.below(profile.flushBytesMax) + 1)
        trace.note(
            "flush", UInt64(connection.number), UInt64(bytes.count), "#\(connection.number) \(bytes.count) bytes")
        guard let frames = connection.receive(bytes) else {
            return checker.broken(
                "every frame of the router can be read: \(String(decoding: bytes.prefix(300), as: UTF8.self))")
        }
        for frame in frames {
            trace.note("receive", UInt64(connection.number), 0, "#\(connection.number) \(frame)")
            checker.take(frame, on: connection)
        }
        guard connection.outlet.pendingBytes == 0, let session = connection.session else { return }
        machine.hubs[connection.hub].milliseconds = now
        machine.hubs[connection.hub].drained(session)
    }

    func carry(_ machine: Machine, _ pair: Int, mayLose: Bool) {
        guard let (node, freight) = machine.bus.take(pair: pair) else { return }
        machine.hubs[node].milliseconds = now
        switch freight {
        case .frame(let frame):
            if mayLose, random.chance(profile.busLossShare) { return }
            machine.hubs[node].handle(frame)
        case .mail(let mail):
            if plant == .lostPublication, case .channel(let mail) = mail, case .published = mail.content,
                random.chance(20)
            {
                return
            }
            machine.hubs[node].handle(mail)
        }
        endTick(machine, node)
    }

    // MARK: The store

    func journal(_ machine: Machine, _ count: Int) {
        guard machine.store.waitingRequests > 0 else { return }
        if plant == .earlyAnswers {
            disk.syncAll()
            disk.setLying(true)
        }
        machine.store.journalStep(count, now: now) { spoil($0) }
        if plant == .earlyAnswers { disk.setLying(false) }
        trace.note(
            "journal", UInt64(count), machine.store.lastRoundFailed ? 1 : 0,
            "\(count) requests\(machine.store.lastRoundFailed ? ", failed" : "")")
        // A journal that stopped needs somebody to start it again.
        if machine.store.lastRoundFailed, random.chance(20) { stop(cutsPower: random.chance(30)) }
    }

    /// The canaries that lose or swap what the store answers.
    private func spoil(_ events: [[StoreEvent]]) -> [[StoreEvent]] {
        guard plant == .lostEvent || plant == .swappedEvents, random.chance(20) else { return events }
        var events = events
        for mailbox in events.indices where !events[mailbox].isEmpty {
            if plant == .lostEvent {
                events[mailbox].remove(at: random.below(events[mailbox].count))
            } else {
                events[mailbox].reverse()
            }
        }
        return events
    }

    func fold(_ machine: Machine, _ count: Int) {
        guard machine.store.waitingBatches > 0 else { return }
        let skips = plant == .skippedFold && random.chance(30)
        let isDone = machine.store.foldStep(count, now: now, skipsFirst: skips)
        trace.note("fold", UInt64(count), isDone ? 0 : 1, "\(count) batches\(isDone ? "" : ", failed")")
    }

    func read(_ machine: Machine) {
        guard machine.store.waitingReads > 0 else { return }
        trace.note("read", UInt64(machine.store.waitingReads), 0, "\(machine.store.waitingReads) waiting")
        machine.store.readStep(random.below(2), now: now, isHasty: plant == .hastyReads)
    }

    func deliver(_ machine: Machine, to hub: Int, _ count: Int) {
        let events = machine.store.takeEvents(hub, count)
        guard !events.isEmpty else { return }
        trace.note("deliver", UInt64(hub), UInt64(events.count), "\(events.count) events to hub \(hub)")
        machine.hubs[hub].milliseconds = now
        machine.hubs[hub].handle(events)
        endTick(machine, hub)
    }

    // MARK: Groups

    private func changeGroups(_ machine: Machine) {
        if !installing.isEmpty, random.chance(60) { return installGroup(machine) }
        if machine.store.waitingCommands > 0, random.chance(70) { return changeGroup(machine) }
        guard !groups.isEmpty else { return }
        let index = random.below(groups.count)
        let user = World.identifier(checker.userNames[random.below(profile.users)])
        let members = checker.memberships[index].last ?? []
        let command: GroupCommand
        if members.isEmpty {
            let all = checker.userNames.map { World.identifier($0) }.filter { _ in random.chance(60) }
            command = .create(
                id: groups[index], name: "g", members: Dictionary(uniqueKeysWithValues: all.map { ($0, .member) }),
                by: user)
        } else if random.chance(50) {
            let role: GroupRole = random.chance(10) ? .silent : .member
            command = .setMember(group: groups[index], user: user, role: role, by: user)
        } else {
            command = .removeMember(group: groups[index], user: user, by: user)
        }
        trace.note("group", UInt64(index), 0, "\(command)")
        machine.hubs[random.below(profile.hubs)].perform(.group(command)) { [unowned self] result in
            guard case .success(.group(let group)) = result else { return }
            for hub in 0..<profile.hubs { installing.append((hub, group)) }
        }
    }

    /// Does the next change. From then on any hub may load the group as it is now.
    func changeGroup(_ machine: Machine) {
        machine.store.directoryStep(now: now)
        guard !disk.isHalted else { return }
        for index in groups.indices { noteMembership(index, machine.store.group(groups[index])) }
    }

    func installGroup(_ machine: Machine) {
        let (hub, group) = installing.removeFirst()
        if plant != .staleGroups { machine.hubs[hub].install(group) }
        endTick(machine, hub)
        guard let index = groups.firstIndex(of: group.id) else { return }
        let members = Set(group.members.keys.compactMap { checker.userNames.firstIndex(of: $0.description) })
        let version = checker.memberships[index].lastIndex(of: members) ?? 0
        // Another change may have been installed out of turn; the older one is the safe assumption.
        installed[hub][index] = max(installed[hub][index], min(version, installed[hub][index] + 1))
    }

    // MARK: Trouble

    private func fail(_ action: Action) {
        switch action {
        case .crash:
            if random.chance(20) {
                trace.note("close store", 0, 0, "")
                machine?.store.close(now: now)
            }
            stop(cutsPower: false)
        case .powerCut: stop(cutsPower: true)
        case .haltLater:
            haltIsPowerCut = random.chance(70)
            disk.halt(at: UInt64(random.below(30)) + 1)
        case .diskFault:
            let fault = random.pick(SimulatedDisk.Fault.allCases)
            trace.note("disk fault", UInt64(fault.rawValue), 0, "\(fault)")
            disk.fail(fault, first: UInt64(random.below(10)) + 1, count: UInt64(random.pick([1, 1, 3, 100])))
        default: disk.heal()
        }
    }

    private func moveClock() {
        if random.chance(20) {
            now -= UInt64(random.below(10_000))
        } else {
            let far: UInt64 = elapsed < 18 * 3_600_000 ? 3_600_000 : 10
            let step = UInt64(random.below(Int(random.chance(10) ? far : 1_000)))
            now += step
            elapsed += step
        }
    }
}
