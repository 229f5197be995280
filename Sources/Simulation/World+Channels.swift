internal import Base

// What clients do with channels.
extension World {
    private static let names = ["c0", "c1"]

    func useChannel(on connection: ClientConnection) {
        let channel = random.pick(World.names)
        switch random.below(10) {
        case 0...3: subscribe(channel, on: connection)
        case 4: ask(.unsubscribe(channel), #""cmd":"unsubscribe","channel":"\#(channel)""#, on: connection)
        default: for _ in 0...random.below(min(profile.burst, 5)) { publish(on: channel, connection) }
        }
    }

    /// Some rounds without trouble, in which everybody keeps what there is to recover.
    func playChannels() {
        for _ in 0..<4 where !isBroken {
            for connection in openConnections where connection.view.isWelcome { useChannel(on: connection) }
            settle()
            checker.finishChannels(openConnections)
        }
    }

    private func subscribe(_ channel: String, on connection: ClientConnection) {
        var text = #""cmd":"subscribe","channel":"\#(channel)""#
        var after: UInt64?
        var epoch: String?
        if let known = connection.device.channels[channel], random.chance(80) {
            after = random.chance(80) ? known.last : UInt64(random.below(Int(known.last) + 3))
            text += #","after":\#(after ?? 0)"#
            if random.chance(80) {
                epoch = known.epoch
                text += #","epoch":"\#(known.epoch)""#
            }
        }
        trace.note("subscribe", after ?? .max, UInt64(connection.number), "#\(connection.number) \(text)")
        ask(.subscribe(channel, after: after, epoch: epoch), text, on: connection)
    }

    private func publish(on channel: String, _ connection: ClientConnection) {
        let number = checker.channels.senders.count
        checker.channels.senders.append(connection.device.user)
        let filler = String(repeating: "x", count: random.chance(20) ? random.below(profile.bodyBytesMax + 1) : 0)
        let text = #""cmd":"publish","channel":"\#(channel)","data":[\#(number),"\#(filler)"]"#
        trace.note("publish", UInt64(number), UInt64(connection.number), "#\(connection.number) \(text.prefix(80))")
        ask(.publish(channel), text, on: connection)
    }
}
