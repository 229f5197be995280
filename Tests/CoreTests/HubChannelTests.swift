import Base
import Core
import Store
import Testing

/// Channels on one loop and on several: what holds must hold wherever home, publisher and subscribers are.
struct HubChannelTests {
    private static let loops = [1, 4]

    private static func subscribed(
        _ client: Client, _ world: World, _ more: String = "", channel: String = "news"
    ) throws -> JSONValue {
        client.send(#"{"cmd":"subscribe","channel":"\#(channel)","ref":"s"\#(more)}"#)
        world.settle()
        let frames = client.frames()
        try #require(frames.first?["cmd"] == "subscribed" && frames.first?["ref"] == "s")
        try #require(frames.count == 1, "what follows is taken by another helper")
        return frames[0]
    }

    private static func publish(_ client: Client, _ world: World, _ range: ClosedRange<Int>, channel: String = "news") {
        for number in range { client.send(#"{"cmd":"publish","channel":"\#(channel)","data":\#(number)}"#) }
        world.settle()
    }

    private static func offsets(_ frames: [JSONValue]) -> [Int?] { frames.map { $0["offset"]?.number } }

    @Test("Subscribers on all loops get each publication once, in order, with its data byte for byte", arguments: loops)
    func everyone(nodes: Int) throws {
        let world = World(nodes: nodes)
        let writer = world.online("writer")
        let readers = (0..<12).map { world.online("r\($0)") }
        for reader in readers {
            let answer = try HubChannelTests.subscribed(reader, world)
            #expect(answer["offset"] == 0 && answer["recovered"] == false && answer["channel"] == "news")
        }
        writer.send(#"{"cmd":"publish","channel":"news","data":{"a" : [1.50,"\u00e9"]},"ref":7}"#)
        world.settle()
        #expect(try writer.frame() == .object(["cmd": "ok", "ref": 7, "offset": 1]))
        for reader in readers {
            let payloads = reader.payloads(opcode: 1)
            let text = payloads.map { String(decoding: $0, as: UTF8.self) }
            #expect(
                text == [
                    #"{"cmd":"channel","channel":"news","offset":1,"data":{"a" : [1.50,"\u00e9"]},"userid":"writer"}"#
                ])
        }
        HubChannelTests.publish(writer, world, 2...40)
        for reader in readers { #expect(HubChannelTests.offsets(reader.frames()) == Array(2...40)) }
        #expect(writer.frames().isEmpty)
    }

    @Test("Binary sessions get the same as EVENT", arguments: loops)
    func binary(nodes: Int) throws {
        let world = World(nodes: nodes)
        let tcp = world.online("tcp", form: .binaryTCP), web = world.online("web", form: .binaryWebSocket)
        for client in [tcp, web] { client.send(#"{"cmd":"subscribe","channel":"c"}"#) }
        world.settle()
        tcp.drop()
        web.drop()
        HubChannelTests.publish(web, world, 1...2, channel: "c")
        let events = (1...2).map { number in
            Array(#"{"cmd":"channel","channel":"c","offset":\#(number),"data":\#(number),"userid":"web"}"#.utf8)
        }
        let frames = events.map { [UInt8($0.count), 0, 0, 0, 13, 0, 0, 0] + $0 }
        #expect(tcp.outlet.take() == frames.flatMap { $0 })
        #expect(web.payloads(opcode: 2) == frames)
    }

    @Test("Who comes back gets what it missed and then what is new, without a gap, while others publish", arguments: loops)
    func recovery(nodes: Int) throws {
        let world = World(nodes: nodes)
        let writer = world.online("writer"), reader = world.online("reader")
        let epoch = try HubChannelTests.subscribed(reader, world)["epoch"]?.text ?? ""
        HubChannelTests.publish(writer, world, 1...10)
        #expect(HubChannelTests.offsets(reader.frames()) == Array(1...10))
        reader.send(#"{"cmd":"unsubscribe","channel":"news","ref":"u"}"#)
        HubChannelTests.publish(writer, world, 11...30)
        #expect(try reader.frame() == .object(["cmd": "ok", "ref": "u"]))
        // Published before, between and behind each step of the answer.
        reader.send(#"{"cmd":"subscribe","channel":"news","after":10,"epoch":"\#(epoch)"}"#)
        for number in 31...60 {
            writer.send(#"{"cmd":"publish","channel":"news","data":\#(number)}"#)
            world.handOver()
        }
        world.settle()
        let frames = reader.frames()
        #expect(frames.first?["recovered"] == true)
        #expect(HubChannelTests.offsets(Array(frames.dropFirst())) == Array(11...60))
        #expect(frames.dropFirst().map { $0["data"]?.number } == Array(11...60))
    }

    @Test("Another epoch, an offset of the future and a history that is too short aren't recovered")
    func notRecovered() throws {
        var limits = ChannelLimits()
        limits.historyCountMax = 5
        let world = World(nodes: 2, channels: limits)
        let writer = world.online("writer"), reader = world.online("reader")
        HubChannelTests.publish(writer, world, 1...20)
        for (more, recovered) in [
            (#","after":20"#, true), (#","after":21"#, false), (#","after":14"#, false),
            (#","after":20,"epoch":"other""#, false), ("", false),
        ] {
            let answer = try HubChannelTests.subscribed(reader, world, more)
            #expect(answer["recovered"] == .bool(recovered) && answer["offset"] == 20, "\(more)")
        }
        reader.send(#"{"cmd":"subscribe","channel":"news","after":15}"#)
        world.settle()
        let frames = reader.frames()
        #expect(frames.first?["recovered"] == true)
        #expect(HubChannelTests.offsets(Array(frames.dropFirst())) == [16, 17, 18, 19, 20])
    }

    @Test("A history is bounded by bytes and time, and all of them together by bytes")
    func bounds() throws {
        var limits = ChannelLimits()
        limits.historyBytesMax = 10_000
        limits.allHistoriesBytesMax = 40_000
        let world = World(channels: limits)
        let writer = world.online("writer"), reader = world.online("reader")
        let text = String(repeating: "x", count: 900)
        func publish(_ channel: String, _ count: Int) {
            for _ in 0..<count { writer.send(#"{"cmd":"publish","channel":"\#(channel)","data":"\#(text)"}"#) }
            world.settle()
        }
        func isKept(_ channel: String, after: Int) throws -> Bool {
            reader.send(#"{"cmd":"subscribe","channel":"\#(channel)","after":\#(after)}"#)
            world.settle()
            let answer = try #require(reader.frames().first)
            reader.send(#"{"cmd":"unsubscribe","channel":"\#(channel)"}"#)
            return answer["recovered"] == true
        }
        publish("a", 20)
        #expect(try !isKept("a", after: 9) && isKept("a", after: 11))
        // Eight channels of 9,000 bytes and more: those that rested longest have lost theirs, the last one hasn't.
        for index in 0..<8 {
            world.now += 1
            publish("b\(index)", 9)
        }
        #expect(try !isKept("b0", after: 1) && isKept("b0", after: 9))
        #expect(try isKept("b7", after: 1))
        world.now += limits.historyMilliseconds + 1
        #expect(try !isKept("b7", after: 1) && isKept("b7", after: 9))
    }

    @Test("An idle channel is forgotten, and the next of its name has another epoch; one with subscribers stays")
    func idle() throws {
        let limits = ChannelLimits()
        let world = World(nodes: 2)
        let writer = world.online("writer"), reader = world.online("reader"), other = world.online("other")
        HubChannelTests.publish(writer, world, 1...3)
        HubChannelTests.publish(writer, world, 1...3, channel: "kept")
        _ = try HubChannelTests.subscribed(other, world, channel: "kept")
        let first = try HubChannelTests.subscribed(reader, world)
        reader.send(#"{"cmd":"unsubscribe","channel":"news"}"#)
        world.settle()
        world.now += limits.idleMilliseconds + limits.historyMilliseconds + 1
        world.settle()
        let again = try HubChannelTests.subscribed(reader, world, #","after":3"#)
        #expect(again["offset"] == 0 && again["recovered"] == false && again["epoch"] != first["epoch"])
        let kept = try HubChannelTests.subscribed(reader, world, #","after":3"#, channel: "kept")
        #expect(kept["offset"] == 3 && kept["recovered"] == true)
    }

    @Test("There is room for a number of channels; those that nobody uses make place")
    func channelRoom() throws {
        var limits = ChannelLimits()
        limits.channelsMax = 4
        let world = World(channels: limits)
        let client = world.online("a")
        for index in 0..<4 { _ = try HubChannelTests.subscribed(client, world, channel: "c\(index)") }
        client.send(#"{"cmd":"subscribe","channel":"c4","ref":1}"#)
        client.send(#"{"cmd":"publish","channel":"c4","data":1,"ref":2}"#)
        world.settle()
        #expect(client.frames().map { $0["code"] } == ["overloaded", "overloaded"])
        client.send(#"{"cmd":"unsubscribe","channel":"c0"}"#)
        world.now += 2_000
        HubChannelTests.publish(client, world, 1...1, channel: "c5")
        world.now += 2_000
        HubChannelTests.publish(client, world, 1...1, channel: "c6")
        #expect(try HubChannelTests.subscribed(client, world, channel: "c1")["cmd"] == "subscribed")
        #expect(client.frames().isEmpty)
    }

    // MARK: Slow readers

    @Test("Who reads slowly is served from the history and misses nothing that it still has", arguments: loops)
    func slowReader(nodes: Int) throws {
        let world = World(nodes: nodes)
        let writer = world.online("writer"), slow = world.online("slow"), quick = world.online("quick")
        _ = try HubChannelTests.subscribed(slow, world)
        _ = try HubChannelTests.subscribed(quick, world)
        let text = String(repeating: "x", count: 2_000)
        var seen: [Int?] = []
        for _ in 0..<300 {
            writer.send(#"{"cmd":"publish","channel":"news","data":"\#(text)"}"#)
            world.settle()
        }
        #expect(slow.outlet.pendingBytes < 2 * Limits.sessionOutputBytesMax)
        #expect(HubChannelTests.offsets(quick.frames()).count <= 300)
        for _ in 0..<20 {
            seen += HubChannelTests.offsets(slow.frames())
            slow.drained()
            world.settle()
            #expect(slow.outlet.pendingBytes < 2 * Limits.sessionOutputBytesMax)
        }
        #expect(seen == Array(1...300))
        // Live again.
        HubChannelTests.publish(writer, world, 301...302)
        #expect(HubChannelTests.offsets(slow.frames()) == [301, 302])
    }

    @Test("Who reads slower than the history lasts is told once what it lost, and goes on")
    func lost() throws {
        var limits = ChannelLimits()
        limits.historyCountMax = 10
        let world = World(nodes: 3, channels: limits)
        let writer = world.online("writer"), slow = world.online("slow")
        _ = try HubChannelTests.subscribed(slow, world)
        let text = String(repeating: "x", count: 8_000)
        for _ in 0..<100 {
            writer.send(#"{"cmd":"publish","channel":"news","data":"\#(text)"}"#)
            world.settle()
        }
        let before = slow.frames()
        let last = try #require(before.last?["offset"]?.number)
        #expect(HubChannelTests.offsets(before) == Array(1...last))
        slow.drained()
        world.settle()
        let after = slow.frames()
        #expect(
            after.first
                == .object([
                    "cmd": "channel.lost", "channel": "news", "after": .number(last), "offset": 90,
                ]))
        slow.drained()
        world.settle()
        let rest = Array(after.dropFirst()) + slow.frames()
        #expect(HubChannelTests.offsets(rest) == Array(91...100))
    }

    @Test("Leaving and coming back while a page is on its way gives each publication once")
    func resubscribing() throws {
        let world = World(nodes: 2)
        let writer = world.online("writer"), reader = world.online("reader")
        let text = String(repeating: "x", count: 30_000)
        for _ in 0..<10 { writer.send(#"{"cmd":"publish","channel":"news","data":"\#(text)"}"#) }
        world.settle()
        reader.send(#"{"cmd":"subscribe","channel":"news","after":0}"#)
        for _ in 0..<3 { world.handOver() }
        reader.send(#"{"cmd":"unsubscribe","channel":"news"}"#)
        reader.send(#"{"cmd":"subscribe","channel":"news","after":4}"#)
        var frames: [JSONValue] = []
        for _ in 0..<8 {
            world.settle()
            frames += reader.frames()
            reader.drained()
        }
        let second = try #require(frames.lastIndex { $0["cmd"] == "subscribed" })
        #expect(HubChannelTests.offsets(Array(frames[(second + 1)...])) == Array(5...10))
        let first = HubChannelTests.offsets(Array(frames[1..<second]))
        #expect(first == Array(1..<(first.count + 1)))
    }

    @Test("A loop that doesn't keep up makes publications be refused, nothing else")
    func congestion() throws {
        var limits = ChannelLimits()
        limits.underwayMax = 100_000
        let world = World(nodes: 2, channels: limits)
        let writer = world.online("writer")
        world.bus.isStuck = true
        let text = String(repeating: "x", count: 30_000)
        for _ in 0..<6 { writer.send(#"{"cmd":"publish","channel":"news","data":"\#(text)","ref":1}"#) }
        #expect(writer.frames().map { $0["code"] } == ["overloaded", "overloaded"])
        world.bus.isStuck = false
        world.settle()
        #expect(HubChannelTests.offsets(writer.frames()) == [1, 2, 3, 4])
        HubChannelTests.publish(writer, world, 1...50)
        #expect(writer.frames().isEmpty)
    }

    // MARK: Presence

    @Test("Who asked for it is told of users who come and go, not of their further sessions", arguments: loops)
    func presence(nodes: Int) throws {
        let world = World(nodes: nodes)
        let watcher = world.online("watcher"), plain = world.online("plain")
        _ = try HubChannelTests.subscribed(watcher, world, #","presence":true"#)
        _ = try HubChannelTests.subscribed(plain, world)
        let bob = world.online("bob", device: "a"), second = world.online("bob", device: "b")
        for session in [bob, second] { _ = try HubChannelTests.subscribed(session, world) }
        plain.send(#"{"cmd":"subscribers","channel":"news","ref":3}"#)
        world.settle()
        let answer = try plain.frame()
        #expect(answer["cmd"] == "subscribers" && answer["count"] == 3 && answer["ref"] == 3)
        #expect(Set(answer["users"]?.items.compactMap(\.text) ?? []) == ["watcher", "plain", "bob"])
        bob.signOut()
        world.settle()
        second.send(#"{"cmd":"unsubscribe","channel":"news"}"#)
        world.settle()
        #expect(
            watcher.frames().map { [$0["cmd"], $0["channel"], $0["userid"]] } == [
                ["channel.joined", "news", "plain"], ["channel.joined", "news", "bob"],
                ["channel.left", "news", "bob"],
            ])
        #expect(plain.frames().isEmpty)
        // The last one who wants to know leaves: nobody is told any more.
        _ = try HubChannelTests.subscribed(watcher, world)
        plain.signOut()
        world.settle()
        #expect(watcher.frames().isEmpty)
    }

    // MARK: Fine print

    @Test("Frames behind a subscribe wait for it, whatever they are")
    func order() throws {
        let world = World(nodes: 4)
        let client = world.online("a")
        client.send(#"{"cmd":"subscribe","channel":"c","ref":1}"#)
        client.send(#"{"cmd":"publish","channel":"c","data":null,"ref":2}"#)
        client.send(#"{"cmd":"unsubscribe","channel":"c","ref":3}"#)
        client.send(#"{"cmd":"subscribe","channel":"c","ref":4}"#)
        client.send(#"{"cmd":"subscribers","channel":"c","ref":5}"#)
        client.send(#"{"cmd":0,"ref":6}"#)
        #expect(!client.outlet.isReading)
        world.settle()
        #expect(client.outlet.isReading)
        let refs = client.frames().compactMap { $0["ref"]?.number }
        #expect(refs.filter { $0 != 2 } == [1, 3, 4, 5, 6] && refs.count == 6)
    }

    @Test(
        "What is wrong is refused with a reason, and the session goes on",
        arguments: [
            (#"{"cmd":"subscribe"}"#, "bad_request"), (#"{"cmd":"subscribe","channel":"a b"}"#, "bad_request"),
            (#"{"cmd":"subscribe","channel":"a","after":-1}"#, "bad_request"),
            (#"{"cmd":"subscribe","channel":"a","epoch":5}"#, "bad_request"),
            (#"{"cmd":"subscribe","channel":"a","presence":1}"#, "bad_request"),
            (#"{"cmd":"publish","channel":"a"}"#, "bad_request"), (#"{"cmd":"publish","data":1}"#, "bad_request"),
            (#"{"cmd":"unsubscribe"}"#, "bad_request"), (#"{"cmd":"subscribers","channel":"/"}"#, "bad_request"),
            (#"{"cmd":"publish","channel":"a","data":"\#(String(repeating: "x", count: 65_535))"}"#, "too_large"),
        ])
    func refusals(frame: String, code: String) throws {
        let world = World()
        let client = world.online("a")
        client.send(frame)
        world.settle()
        let answer = try client.frame()
        #expect(answer["cmd"] == "error" && answer["code"] == .string(code))
        #expect(try HubChannelTests.subscribed(client, world)["offset"] == 0)
    }

    @Test("A session has at most 256 channels; leaving one makes room")
    func sessionLimit() throws {
        let world = World(nodes: 2)
        let client = world.online("a")
        for index in 0..<256 { client.send(#"{"cmd":"subscribe","channel":"c\#(index)"}"#) }
        world.settle()
        #expect(client.frames().all("cmd") == Array(repeating: "subscribed", count: 256))
        client.send(#"{"cmd":"subscribe","channel":"more"}"#)
        client.send(#"{"cmd":"subscribe","channel":"c7"}"#)
        client.send(#"{"cmd":"unsubscribe","channel":"c7"}"#)
        client.send(#"{"cmd":"subscribe","channel":"more"}"#)
        world.settle()
        #expect(client.frames().map { $0["code"] ?? $0["cmd"] } == ["too_large", "subscribed", "subscribed"])
        client.signOut()
        world.settle()
        let other = world.online("b")
        other.send(#"{"cmd":"subscribers","channel":"more"}"#)
        world.settle()
        #expect(try other.frame()["count"] == 0)
    }

    @Test("A session that ends while it is served leaves the others what is theirs")
    func endingInFanOut() throws {
        let world = World(usersPerShardMax: 1_000)
        let writer = world.online("writer")
        let readers = (0..<600).map { world.online("r\($0)") }
        for reader in readers { reader.send(#"{"cmd":"subscribe","channel":"c"}"#) }
        world.settle()
        for (index, reader) in readers.enumerated() {
            reader.drop()
            if index % 3 == 0 { reader.outlet.whenFlushed = { reader.signOut() } }
        }
        HubChannelTests.publish(writer, world, 1...1, channel: "c")
        for reader in readers { reader.outlet.whenFlushed = nil }
        #expect(readers.indices.filter { readers[$0].frames().count != 1 } == [])
        HubChannelTests.publish(writer, world, 2...2, channel: "c")
        for (index, reader) in readers.enumerated() {
            #expect(HubChannelTests.offsets(reader.frames()) == (index % 3 == 0 ? [] : [2]))
        }
    }
}
