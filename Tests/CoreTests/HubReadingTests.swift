import Base
import Store
import Testing

@testable import Core

struct HubReadingTests {
    @Test("Confirms of one tick become one record; the highest counts")
    func coalescedConfirms() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice")
        for _ in 0..<9 { writer.send(#"{"cmd":10,"dstid":"alice"}"#) }
        world.settle()
        alice.drop()
        for seq in [3, 7, 5] { alice.send(#"{"cmd":"confirm","seq":\#(seq)}"#) }
        world.settle()
        #expect(world.store.confirms == [7])
        #expect(alice.frames().isEmpty)
        alice.send(#"{"cmd":"confirm","seq":8}"#)
        world.settle()
        #expect(world.store.confirms == [7, 8])
        alice.send(#"{"cmd":"fetch"}"#)
        world.settle()
        #expect(try alice.frame()["entries"]?.items.map { $0["seq"] } == [9])
    }

    @Test("A confirm with ref is answered once, when it is durable; beyond the end it means the end")
    func answeredConfirm() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice"), other = world.online("alice", device: "o")
        for _ in 0..<4 { writer.send(#"{"cmd":10,"dstid":"alice"}"#) }
        world.settle()
        alice.drop()
        alice.send(#"{"cmd":"confirm","seq":1000,"ref":"r"}"#)
        world.handOver()
        #expect(alice.frames().isEmpty)
        world.settle()
        #expect(try alice.frame() == .object(["cmd": "ok", "ref": "r"]))
        #expect(world.hubs[0].outstandingReplies == 0)
        alice.send(#"{"cmd":"fetch"}"#)
        world.settle()
        #expect(try alice.frame()["entries"] == .array([]))
        other.drop()
        other.send(#"{"cmd":"fetch"}"#)
        world.settle()
        #expect(try other.frame()["entries"]?.items.count == 4)
        world.store.fail(with: .unavailable("x"))
        alice.send(#"{"cmd":"confirm","seq":4,"ref":"s"}"#)
        world.settle()
        let refusal = try alice.frame()
        #expect(refusal["cmd"] == "error" && refusal["ref"] == "s")
    }

    @Test("Fetch answers with pages, more, and its ref; limits are kept to")
    func fetching() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice")
        for _ in 0..<1_005 { writer.send(#"{"cmd":10,"dstid":"alice"}"#) }
        world.settle()
        alice.drop()
        let cases: [(String, ClosedRange<Int>?, Bool)] = [
            (#""after":0"#, 1...100, true), (#""after":0,"limit":3"#, 1...3, true),
            (#""after":1000,"limit":5"#, 1001...1005, false), (#""after":0,"limit":100000"#, 1...1000, true),
            (#""after":1005"#, nil, false), (#""after":9999"#, nil, false),
        ]
        for (query, expected, more) in cases {
            alice.send(#"{"cmd":"fetch",\#(query),"ref":"r"}"#)
            world.settle()
            let page = try alice.frame()
            #expect(page["cmd"] == "fetched" && page["ref"] == "r" && page["more"] == .bool(more), "\(query)")
            #expect(page["entries"]?.items.compactMap { $0["seq"]?.number } == expected.map(Array.init) ?? [])
        }
    }

    @Test("History gives a conversation's messages without inbox places, to its people only")
    func history() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob"), eve = world.online("eve")
        _ = world.group("g", ["alice": .admin, "bob": .member])
        for number in 1...7 { alice.send(#"{"cmd":10,"dstid":"bob","content":"\#(number)"}"#) }
        alice.send(#"{"cmd":11,"dstid":"g","content":"group"}"#)
        world.settle()
        for client in [alice, bob, eve] { client.drop() }
        let cases: [(String, ClosedRange<Int>, Bool)] = [
            ("", 1...7, false), (#","limit":2"#, 6...7, true), (#","before":4,"limit":2"#, 2...3, true),
            (#","before":3"#, 1...2, false), (#","after":5"#, 6...7, false), (#","after":0,"limit":3"#, 1...3, true),
        ]
        for (query, expected, more) in cases {
            bob.send(#"{"cmd":"history","conv":"alice:bob"\#(query),"ref":3}"#)
            world.settle()
            let page = try bob.frame()
            #expect(page["cmd"] == "history" && page["conv"] == "alice:bob" && page["ref"] == 3)
            #expect(page["more"] == .bool(more), "\(query)")
            let messages = page["messages"]?.items ?? []
            #expect(messages.compactMap { $0["cseq"]?.number } == Array(expected), "\(query)")
            #expect(messages.allSatisfy { $0["seq"] == nil && $0["userid"] == "alice" })
        }
        bob.send(#"{"cmd":"history","conv":"g"}"#)
        eve.send(#"{"cmd":"history","conv":"g","ref":1}"#)
        eve.send(#"{"cmd":"history","conv":"alice:bob","ref":2}"#)
        eve.send(#"{"cmd":"history","conv":"unknown","ref":3}"#)
        world.settle()
        #expect(try bob.frame()["messages"]?.items.map { $0["content"] } == ["group"])
        let refused = Dictionary(uniqueKeysWithValues: eve.frames().map { ($0["ref"]?.number ?? 0, $0["code"]) })
        #expect(refused == [1: "not_member", 2: "forbidden", 3: "not_found"])
    }

    @Test("Of a client's many reads one runs at a time, all are answered in their order, and too many are refused")
    func readsInTurn() throws {
        let world = World()
        let alice = world.online("alice")
        for number in 1...300 { alice.send(#"{"cmd":"fetch","ref":\#(number)}"#) }
        #expect(world.store.waitingCalls == 1)
        let refused = alice.frames()
        #expect(refused.allSatisfy { $0["code"] == "overloaded" })
        #expect(refused.compactMap { $0["ref"]?.number } == Array(258...300))
        world.settle()
        #expect(alice.frames().compactMap { $0["ref"]?.number } == Array(1...257))
        #expect(world.store.inboxReads == 257)
        alice.send(#"{"cmd":"fetch","ref":1}"#)
        world.settle()
        #expect(try alice.frame()["cmd"] == "fetched")
    }

    @Test("A session that ends takes the reads that wait with it")
    func readsOfTheGone() {
        let world = World()
        let alice = world.online("alice")
        for _ in 1...10 { alice.send(#"{"cmd":"fetch"}"#) }
        alice.signOut()
        world.settle()
        #expect(world.store.inboxReads == 1)
    }

    @Test("Reads rest while the client doesn't take the answers, and go on when it has")
    func readsRest() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice")
        alice.outlet.takesAll = true
        let text = String(repeating: "x", count: 300_000)
        for _ in 0..<5 { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(text)"}"#) }
        world.settle()
        alice.drop()
        alice.outlet.takesAll = false
        for number in 1...3 { alice.send(#"{"cmd":"fetch","after":0,"ref":\#(number)}"#) }
        world.settle()
        #expect(world.store.inboxReads == 1)
        #expect(alice.frames().map { $0["ref"] } == [1])
        for number in 2...3 {
            alice.drained()
            world.settle()
            #expect(alice.frames().map { $0["ref"]?.number } == [number])
        }
    }

    @Test("A read that fails is answered with an error and the ref")
    func failedReads() throws {
        let world = World()
        let alice = world.online("alice")
        world.store.fail(with: .unavailable("x"))
        for json in [#"{"cmd":"fetch","ref":"r"}"#, #"{"cmd":"history","conv":"alice:bob","ref":"r"}"#,
            #"{"cmd":"status","users":["nobody"],"ref":"r"}"#]
        {
            alice.send(json)
            world.settle()
            let frame = try alice.frame()
            #expect(frame["cmd"] == "error" && frame["code"] == "internal" && frame["ref"] == "r", "\(json)")
        }
    }

    // MARK: Live

    @Test("Typing reaches every session of the user, here or on another loop, and isn't stored", arguments: [1, 4])
    func typing(nodes: Int) throws {
        let world = World(nodes: nodes)
        let alice = world.online("alice")
        let users = (0..<12).map { "user\($0)" }
        for user in users {
            let sessions = [world.online(user, device: "a"), world.online(user, device: "b")]
            alice.send(#"{"cmd":"typing","dstid":"\#(user)","what":"audio","ref":"r"}"#)
            #expect(try alice.frame() == .object(["cmd": "ok", "ref": "r"]))
            world.handOver()
            let conversation = ["alice", user].sorted().joined(separator: ":")
            for session in sessions {
                #expect(
                    try session.frame()
                        == .object([
                            "cmd": "typing", "userid": "alice", "conv": .string(conversation), "what": "audio",
                        ]))
            }
        }
        if nodes == 1 { #expect(world.bus.passed.isEmpty) } else { #expect(!world.bus.passed.isEmpty) }
        #expect(world.store.batches == 0)
        alice.send(#"{"cmd":"typing","dstid":"offline"}"#)
        world.handOver()
        #expect(alice.frames().isEmpty)
    }

    @Test("Typing in a group reaches its other members on all loops, and only a member may")
    func typingInGroup() throws {
        let world = World(nodes: 3)
        let members = (0..<9).map { "m\($0)" }
        let roles = members.map { ($0, GroupRole.member) }
        _ = world.group("g", Dictionary(uniqueKeysWithValues: roles))
        let clients = members.map { world.online($0) }
        let eve = world.online("eve")
        clients[0].send(#"{"cmd":"typing","dstid":"g","group":true,"ref":1}"#)
        eve.send(#"{"cmd":"typing","dstid":"g","group":true,"ref":2}"#)
        eve.send(#"{"cmd":"typing","dstid":"none","group":true,"ref":3}"#)
        world.settle()
        #expect(try clients[0].frame() == .object(["cmd": "ok", "ref": 1]))
        for client in clients.dropFirst() {
            #expect(try client.frame() == .object(["cmd": "typing", "userid": "m0", "conv": "g"]))
        }
        let refused = Dictionary(uniqueKeysWithValues: eve.frames().map { ($0["ref"]?.number ?? 0, $0["code"]) })
        #expect(refused == [2: "not_member", 3: "not_found"])
        #expect(world.bus.passed == [nil])
    }

    @Test("Live events are lost rather than queued for a socket that doesn't drain")
    func typingToSlow() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        bob.outlet.prepareToWrite()
        let full = [UInt8](repeating: 0, count: Limits.sessionOutputBytesMax + 1)
        bob.outlet.buffer.append(full.span.bytes)
        alice.send(#"{"cmd":"typing","dstid":"bob"}"#)
        #expect(bob.outlet.pendingBytes == full.count)
    }

    @Test("Status tells who is online, when others were, and 0 for those whom nobody knows; each user once")
    func status() throws {
        let world = World(nodes: 2)
        let alice = world.online("alice"), bob = world.online("bob"), carol = world.online("carol")
        carol.signOut()
        let left = world.now
        world.now += 60_000
        world.settle()
        world.store.setSeen(name("dave"), at: 1_234)
        alice.send(#"{"cmd":"status","users":["bob","carol","dave","eve","bob",7],"ref":"r"}"#)
        world.settle()
        let offline: (Int) -> JSONValue = { .object(["online": false, "last_seen": .number($0)]) }
        #expect(
            try alice.frame()
                == .object([
                    "cmd": "status", "ref": "r",
                    "users": .object([
                        "bob": .object(["online": true, "last_seen": .number(Int(world.now))]),
                        "carol": offline(Int(left)), "dave": offline(1_234), "eve": offline(0), "7": offline(0),
                    ]),
                ]))
        alice.send(#"{"cmd":"status","users":["bob"]}"#)
        #expect(try alice.frame()["users"]?["bob"]?["online"] == true)
        alice.send(#"{"cmd":"status","users":[]}"#)
        #expect(try alice.frame()["users"] == .object([:]))
        _ = bob
    }
}
