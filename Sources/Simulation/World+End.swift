internal import Base
internal import Core
internal import Store
internal import Store

// The quiet phase: everything that is on its way arrives, everybody comes back and has everything.
extension World {
    /// Whether nothing is on its way any more.
    private var isQuiet: Bool {
        guard let machine else { return false }
        return machine.store.isIdle && machine.bus.isEmpty && installing.isEmpty && leaving.isEmpty
            && openConnections.allSatisfy { connection in
                connection.outlet.pendingBytes == 0 && connection.toServer.isEmpty && connection.view.isWelcome
            }
    }

    /// Lets everything arrive. Trouble is over: the disk works, sockets drain.
    func settle() {
        for _ in 0..<2_000 where !isBroken {
            crashIfHalted()
            if machine == nil { start() }
            if settleOnce() { return }
        }
        if !isBroken { checker.broken("everything arrives in the end: \(unrest)") }
    }

    /// Lets everything go one way on; whether nothing is left.
    private func settleOnce() -> Bool {
        guard let machine else { return false }
        while let connection = leaving.first { signOut(connection) }
        for connection in openConnections where connection.mayServe { serve(machine, connection, .max) }
        while !installing.isEmpty { installGroup(machine) }
        for hub in 0..<profile.hubs { endTick(machine, hub) }
        settleStore(machine)
        if disk.isHalted { return false }
        for pair in 0..<profile.hubs * profile.hubs {
            for _ in 0..<machine.bus.count(pair: pair) { carry(machine, pair, mayLose: false) }
        }
        for connection in openConnections {
            flush(connection, all: true)
            let view = connection.view
            if view.isBehind, view.binaryPages.isEmpty, !view.isFetching { fetch(on: connection) }
        }
        reap()
        return isQuiet
    }

    /// What doesn't come to rest.
    private var unrest: String {
        guard let machine else { return "the machine is down" }
        let connections = openConnections.map {
            "#\($0.number) \($0.outlet.pendingBytes) bytes, \($0.toServer.count) frames, welcome \($0.view.isWelcome)"
        }
        return "store idle \(machine.store.isIdle), bus \(machine.bus.isEmpty), \(connections)"
    }

    private func settleStore(_ machine: Machine) {
        let store = machine.store
        if store.waitingRequests > 0 { journal(machine, .max) }
        // A journal that stopped answers everything with an error until it is started again.
        if store.lastRoundFailed { return stop(cutsPower: false) }
        fold(machine, .max)
        while store.waitingCommands > 0, !disk.isHalted { changeGroup(machine) }
        while store.waitingReads > 0 { read(machine) }
        for hub in 0..<profile.hubs { deliver(machine, to: hub, .max) }
    }

    /// The end of a run: what must hold when nothing is in the way.
    func finish() {
        isFinal = true
        disk.heal()
        disk.halt(at: 0)
        settle()
        // Who went is told a few seconds later.
        for _ in 0..<6 where !isBroken {
            now += 1_000
            settle()
        }
        for connection in openConnections where !isBroken { checkBeliefs(of: connection) }
        for connection in openConnections where !isBroken {
            for (ref, question) in connection.view.questions {
                checker.broken("every question is answered: \(ref) \(question) on #\(connection.number)")
            }
        }
        if !isBroken { checkTold(hasAll: false) }
        checker.finishChannels(openConnections)
        for connection in openConnections {
            close(connection)
            signOut(connection)
        }
        if random.chance(50) { stop(cutsPower: random.chance(50)) }
        comeBack()
        playChannels()
        resendUnacked()
        readHistories()
        checkChatLists()
        readInboxes()
        if !isBroken { checkDevices() }
        if !isBroken { checkTold(hasAll: true) }
        if !isBroken { checkNotices() }
        if !isBroken { checker.finish() }
    }

    /// A session knows who of those whom it watches is online.
    private func checkBeliefs(of connection: ClientConnection) {
        for user in connection.view.watched.sorted() {
            guard let belief = connection.view.online[user] else { continue }
            let isOnline = openConnections.contains { $0.device.userID.description == user }
            checker.expect(
                belief == isOnline,
                "watchers hear who comes and goes: #\(connection.number) takes \(user) as \(belief ? "here" : "away")")
        }
    }

    /// Everybody reconnects and catches up.
    private func comeBack() {
        for _ in 0..<5 where !isBroken {
            settle()
            for device in devices { connect(device, after: device.have) }
            settle()
            if devices.allSatisfy({ $0.connection != nil }) { return }
        }
        if !isBroken { checker.broken("everybody can come back") }
    }

    private func resendUnacked() {
        for message in checker.messages where !message.isAcked && message.cid != 0 && message.attempts > 0 {
            let sender = openConnections.first {
                $0.device.user == message.sender && (!message.hasExtra || $0.form == .json)
            }
            let isRecent = message.number + 200 > checker.messages.count
            if let sender, isRecent { send(message.number, on: sender) }
        }
        settle()
    }

    private func readHistories() {
        for conversation in checker.conversations.keys.sorted() {
            guard let reader = openConnections.first(where: { mayRead(conversation, $0.device.user) }) else { continue }
            ask(
                HistoryQuestion(
                    conversation: conversation, after: 0, limit: 1_000,
                    known: checker.conversationHeads[conversation] ?? 0, moment: checker.moment, isFinal: true),
                on: reader)
        }
        settle()
    }

    /// What an inbox still has is what it had, but for what was edited or recalled since.
    private func readInboxes() {
        for connection in openConnections { fetch(after: 0, limit: 1_000, on: connection) }
        settle()
    }

    /// Each change of a group is a version, and is told by one notice.
    private func checkNotices() {
        guard let store = machine?.store else { return }
        for id in groups {
            let version = store.group(id)?.version ?? 0
            let notices = store.noticeCount(about: id)
            checker.expect(notices == version, "each change is told once: \(notices) notices of \(version) in \(id)")
        }
    }

    /// Every session of a member was told of its groups' newest messages: by the message, or by a mark in the inbox.
    ///
    /// - Parameter hasAll: everybody has been shown the whole inbox.
    private func checkTold(hasAll: Bool) {
        guard let store = machine?.store else { return }
        for (index, group) in groups.enumerated() {
            for connection in openConnections {
                let device = connection.device
                let (sent, placed) = checker.lastMessage(of: index, for: device.user)
                let mark = store.told(device.userID, of: group)
                let told = max(placed, mark, connection.view.pushed[group.description] ?? 0)
                checker.expect(
                    told >= sent,
                    "everybody is told of the newest: \(device.userID)/\(device.name) of \(told), not \(sent) "
                        + "in \(group)")
                let seen = checker.marks[.init(user: device.user, conversation: group.description)]?.values.max() ?? 0
                checker.expect(
                    seen == mark || (seen < mark && (!hasAll || checker.unseen[device.user] > 0)),
                    "marks are entries: \(device.userID) has seen \(seen), told \(mark) in \(group)")
            }
        }
    }

    private func checkChatLists() {
        guard let machine, !isBroken else { return }
        for (user, name) in checker.userNames.enumerated() {
            var list: ChatList?
            let query = ChatListQuery(user: World.identifier(name), before: nil, limit: 100)
            machine.hubs[0].ask(.chatList(query)) { result in
                if case .success(.chatList(let answer)) = result { list = answer }
            }
            settle()
            guard let list else { return checker.broken("a chat list is answered: \(name)") }
            checker.finishChatList(list, user)
        }
    }

    private func checkDevices() {
        for device in devices {
            let head = max(checker.heads[device.user], checker.unseen[device.user])
            checker.expect(
                device.have == head,
                "everybody catches up: \(device.userID)/\(device.name) has \(device.have) of \(head)")
        }
    }
}

extension SessionView {
    /// Whether a page is being fetched with a reference.
    var isFetching: Bool {
        questions.values.contains { if case .page = $0 { true } else { false } }
    }
}
