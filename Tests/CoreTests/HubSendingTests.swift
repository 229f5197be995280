import Base
import Store
import Testing
import Wire

@testable import Core

struct HubSendingTests {
    @Test("A private message is acked to its sender and pushed to its recipient, with the server's fields")
    func privateMessage() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":10,"dstid":"bob","content":"hi","cid":"x1","memo":"m"}"#)
        #expect(world.store.batches == 0)
        world.handOver()
        #expect(alice.frames().isEmpty)
        world.settle()
        let time = JSONValue.number(Int(world.now))
        #expect(
            try alice.frame()
                == .object([
                    "cmd": "ack", "cid": "x1", "id": 1, "conv": "alice:bob", "cseq": 1, "seq": 1, "time": time,
                ]))
        #expect(
            try bob.frame()
                == .object([
                    "cmd": 10, "userid": "alice", "dstid": "bob", "content": "hi", "cid": "x1", "memo": "m", "id": 1,
                    "conv": "alice:bob", "cseq": 1, "seq": 1, "time": time,
                ]))
    }

    @Test("All messages of a tick go to the store in one batch")
    func oneBatchATick() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        let before = world.store.batches
        for number in 0..<10 { alice.send(#"{"cmd":10,"dstid":"bob","content":"\#(number)"}"#) }
        world.handOver()
        #expect(world.store.batches == before + 1)
        world.settle()
        #expect(bob.frames().all("content") == (0..<10).map { .string("\($0)") })
        #expect(alice.frames().all("seq") == (1...10).map { .number($0) })
        #expect(world.hubs[0].outstandingReplies == 0)
    }

    @Test("A message to oneself has one entry: acked to its session, pushed to the others")
    func toOneself() throws {
        let world = World()
        let phone = world.online("alice", device: "phone"), tablet = world.online("alice", device: "tablet")
        phone.send(#"{"cmd":10,"dstid":"alice","content":"note"}"#)
        world.settle()
        #expect(try phone.frame()["cmd"] == "ack")
        let frame = try tablet.frame()
        #expect(frame["content"] == "note")
        #expect(frame["conv"] == "alice:alice")
        #expect(world.store.head(name("alice")) == 1)
    }

    @Test("Fields of the server that a sender gives are dropped, ref and level stay here")
    func reservedFields() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(
            #"{"cmd":10,"dstid":"bob","userid":"eve","id":9,"seq":9,"cseq":9,"time":9,"conv":"x","ref":"r","x":1}"#)
        world.settle()
        let frame = try bob.frame()
        #expect(frame["userid"] == "alice")
        #expect(frame["seq"] == 1)
        #expect(frame["conv"] == "alice:bob")
        #expect(frame["x"] == 1)
        #expect(frame["ref"] == nil)
        #expect(try alice.frame()["ref"] == "r")
    }

    @Test("A resend is answered by the same numbers with dup, and pushed to nobody")
    func resend() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":10,"dstid":"bob","cid":"x"}"#)
        world.settle()
        let first = try alice.frame()
        bob.drop()
        world.now += 5_000
        alice.send(#"{"cmd":10,"dstid":"bob","cid":"x","ref":7}"#)
        world.settle()
        let second = try alice.frame()
        #expect(second["dup"] == true)
        #expect(second["ref"] == 7)
        for key in ["id", "cseq", "seq", "time", "conv", "cid"] { #expect(second[key] == first[key], "\(key)") }
        #expect(bob.frames().isEmpty)
        #expect(world.store.head(name("bob")) == 1)
    }

    @Test("A batch that isn't stored is refused to every sender of it with cid and ref, and reaches nobody")
    func failure() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        for (error, text) in [
            (StoreError.unavailable("disk full"), "nothing was stored"),
            (.unknownOutcome("lost"), "isn't known whether"),
        ] {
            world.store.fail(with: error)
            alice.send(#"{"cmd":10,"dstid":"bob","cid":"x","ref":"r"}"#)
            bob.send(#"{"cmd":10,"dstid":"alice","cid":"y"}"#)
            world.settle()
            let toAlice = try alice.frame()
            #expect(toAlice["cmd"] == "error" && toAlice["code"] == "internal")
            #expect(toAlice["cid"] == "x" && toAlice["ref"] == "r")
            #expect(toAlice["message"]?.text?.contains(text) == true)
            #expect(try bob.frame()["cid"] == "y")
            #expect(world.hubs[0].outstandingReplies == 0)
        }
        world.store.fail(with: nil)
        alice.send(#"{"cmd":10,"dstid":"bob","cid":"x"}"#)
        world.settle()
        #expect(try alice.frame()["dup"] == nil)
    }

    @Test("Who asks for it hears accepted before the commit; the ref is answered once, then the durable ack follows")
    func accepted() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":10,"dstid":"bob","cid":"x","level":"accepted","ref":"r","content":"hi"}"#)
        let early = try alice.frame()
        #expect(early["cmd"] == "ack" && early["level"] == "accepted" && early["cid"] == "x" && early["ref"] == "r")
        #expect(early["id"] == nil && early["seq"] == nil)
        #expect(bob.frames().isEmpty)
        world.settle()
        let durable = try alice.frame()
        #expect(durable["cmd"] == "ack" && durable["level"] == nil && durable["ref"] == nil && durable["seq"] == 1)
        let pushed = try bob.frame()
        #expect(pushed["content"] == "hi" && pushed["level"] == nil)
    }

    @Test("Unknown levels, bad destinations and bad frames are refused with cid and ref, and nothing is stored")
    func refusals() throws {
        let world = World()
        let alice = world.online("alice")
        let cases: [(String, JSONValue)] = [
            (#"{"cmd":10,"dstid":"bob","level":"fast","cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":10,"cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":10,"dstid":"a b","cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":"nonsense","cid":"c","ref":"r"}"#, "unsupported"),
            (#"{"cmd":"connect","token":"t","cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":"fetch","limit":0,"cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":"history","cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":"history","conv":"bob:carol","cid":"c","ref":"r"}"#, "forbidden"),
            (#"{"cmd":"history","conv":"a:b","before":1,"after":1,"cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":"confirm","cid":"c","ref":"r"}"#, "bad_request"),
            (#"{"cmd":"status","cid":"c","ref":"r"}"#, "bad_request"),
        ]
        for (json, code) in cases {
            alice.send(json)
            let frame = try alice.frame()
            #expect(frame["cmd"] == "error" && frame["code"] == code && frame["ref"] == "r", "\(json)")
            if code != "forbidden" { #expect(frame["cid"] == "c", "\(json)") }
        }
        let long = String(repeating: "a", count: Limits.messageBytesMax + 1)
        alice.send(#"{"cmd":10,"dstid":"bob","cid":"c","content":"\#(long)"}"#)
        #expect(try alice.frame()["code"] == "too_large")
        alice.send("not json")
        #expect(try alice.frame()["code"] == "bad_request")
        world.settle()
        #expect(world.store.batches == 0)
    }

    @Test("Heartbeats are answered, with their ref")
    func heartbeat() throws {
        let world = World()
        let alice = world.online("alice")
        alice.send(#"{"cmd":0}"#)
        #expect(try alice.frame() == .object(["cmd": 0]))
        alice.send(#"{"cmd":0,"ref":"a\"b"}"#)
        #expect(try alice.frame() == .object(["cmd": 0, "ref": "a\"b"]))
    }

    // MARK: Groups

    @Test("Many messages to many members at once: everyone gets all in order, senders their acks")
    func wideCommit() throws {
        let world = World(usersPerShardMax: 1_000)
        let members = (0..<200).map { "member\($0)" }
        _ = world.group("g", Dictionary(uniqueKeysWithValues: members.map { ($0, GroupRole.member) }))
        let clients = members.map { world.online($0) }
        for client in clients { client.outlet.takesAll = true }
        let stranger = world.online("stranger")
        clients[0].send(#"{"cmd":11,"dstid":"g","content":"load the group"}"#)
        world.settle()
        for client in clients { client.drop() }
        for number in 0..<5 {
            clients[number % 2].send(#"{"cmd":11,"dstid":"g","content":"\#(number)","cid":"c\#(number)"}"#)
        }
        stranger.send(#"{"cmd":10,"dstid":"member7","content":"5"}"#)
        world.settle()
        for (index, client) in clients.enumerated() {
            let frames = client.frames()
            let expected = index == 7 ? 2...7 : 2...6
            #expect(frames.compactMap { $0["seq"]?.number } == Array(expected), "member \(index)")
            #expect(frames.filter { $0["cmd"] == "ack" }.count == (index == 0 ? 3 : index == 1 ? 2 : 0))
            let pushed = frames.filter { $0["cmd"] == 11 }
            #expect(pushed.allSatisfy { $0["content"] == .string("\(($0["seq"]?.number ?? 0) - 2)") })
        }
        #expect(try stranger.frame()["cmd"] == "ack")
    }

    @Test("A group message reaches every member, once, and the sender's other sessions")
    func groupMessage() throws {
        let world = World(nodes: 2)
        _ = world.group("g", ["alice": .admin, "bob": .member, "carol": .silent])
        let alice = world.online("alice"), other = world.online("alice", device: "other")
        let bob = world.online("bob"), carol = world.online("carol"), dave = world.online("dave")
        alice.send(#"{"cmd":11,"dstid":"g","content":"all"}"#)
        world.settle()
        let ack = try alice.frame()
        #expect(ack["cmd"] == "ack" && ack["conv"] == "g" && ack["cseq"] == 1)
        for client in [other, bob, carol] {
            let frame = try client.frame()
            #expect(frame["cmd"] == 11 && frame["conv"] == "g" && frame["userid"] == "alice" && frame["seq"] == 1)
        }
        #expect(dave.frames().isEmpty)
    }

    @Test(
        "Roles decide who may send",
        arguments: [
            ("admin", nil), ("moderator", nil), ("member", nil), ("silent", "silenced"), (nil, "not_member"),
        ] as [(String?, String?)])
    func roles(role: String?, code: String?) throws {
        let world = World()
        _ = world.group("g", ["boss": .admin].merging(role.flatMap(GroupRole.init).map { ["alice": $0] } ?? [:]) { $1 })
        let alice = world.online("alice"), boss = world.online("boss")
        // Asked twice: once while the group is being loaded, once when it is known.
        for _ in 0..<2 {
            alice.send(#"{"cmd":11,"dstid":"g","cid":"c\#(world.now)","ref":"r","level":"accepted"}"#)
            world.settle()
            world.now += 1
            let frames = alice.frames()
            #expect(frames.count == (code == nil ? 2 : 1))
            #expect(frames.first?["cmd"] == (code == nil ? "ack" : "error"))
            #expect(frames.first?["code"]?.text == code)
            #expect(frames.filter { $0["ref"] == "r" }.count == 1)
            #expect(boss.frames().count == (code == nil ? 1 : 0))
        }
    }

    @Test("Sends that come in while their group is loaded wait for one load and keep their order")
    func loadingGroup() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        _ = world.group("g", ["alice": .admin, "bob": .member])
        for number in 0..<5 {
            alice.send(#"{"cmd":11,"dstid":"g","content":"a\#(number)","cid":"a\#(number)"}"#)
            bob.send(#"{"cmd":11,"dstid":"g","content":"b\#(number)"}"#)
        }
        world.handOver()
        #expect(world.store.batches == 0)
        world.settle()
        #expect(world.store.groupLoads == 1)
        alice.send(#"{"cmd":11,"dstid":"g","content":"a5"}"#)
        world.settle()
        #expect(world.store.groupLoads == 1)
        let pushed = bob.frames().filter { $0["cmd"] == 11 }.all("content")
        #expect(pushed == (0...5).map { .string("a\($0)") })
        let seqs = alice.frames().all("seq").compactMap { $0?.number }
        #expect(seqs == Array(1...11))
    }

    @Test("What a session sends behind a message that waits for its group stays behind it, in both protocols")
    func heldFrames() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        _ = world.group("g", ["alice": .admin, "bob": .member])
        _ = world.group("h", ["alice": .admin, "bob": .member])
        let frames = [#""cmd":11,"dstid":"g""#, #""cmd":10,"dstid":"bob""#, #""cmd":11,"dstid":"h""#, #""cmd":11,"dstid":"g""#]
        for (number, frame) in frames.enumerated() { alice.send(#"{\#(frame),"content":"\#(number)"}"#) }
        #expect(!alice.outlet.isReading)
        world.settle()
        #expect(bob.frames().all("content") == ["0", "1", "2", "3"])
        #expect(alice.frames().all("seq").compactMap { $0?.number } == Array(1...4))
        #expect(alice.outlet.isReading)
        // Who goes takes along what waits.
        _ = world.group("i", ["alice": .admin, "bob": .member])
        for destination in ["i", "g"] { alice.send(#"{"cmd":11,"dstid":"\#(destination)"}"#) }
        alice.signOut()
        world.settle()
        #expect(bob.frames().count == 1)
    }

    @Test("A group that can't be loaded refuses all that waits for it, and is asked for again")
    func unknownGroup() throws {
        let world = World()
        let alice = world.online("alice")
        alice.send(#"{"cmd":11,"dstid":"g","cid":"1"}"#)
        alice.send(#"{"cmd":11,"dstid":"g","cid":"2"}"#)
        world.settle()
        let frames = alice.frames()
        #expect(frames.all("code") == ["not_found", "not_found"])
        #expect(frames.all("cid") == ["1", "2"])
        _ = world.group("g", ["alice": .admin])
        alice.send(#"{"cmd":11,"dstid":"g","cid":"3"}"#)
        world.settle()
        #expect(try alice.frame()["cmd"] == "ack")
    }

    @Test("A change of a group is in force at once, an older state doesn't undo it")
    func installing() throws {
        let world = World()
        let alice = world.online("alice")
        let old = world.group("g", version: 1, ["alice": .admin])
        world.hubs[0].install(world.group("g", version: 2, ["alice": .silent]))
        world.hubs[0].install(old)
        alice.send(#"{"cmd":11,"dstid":"g"}"#)
        #expect(try alice.frame()["code"] == "silenced")
        #expect(world.store.groupLoads == 0)
    }

    @Test("A change that arrives while the group is loaded serves those who wait, and outlives the load")
    func installingWhileLoading() throws {
        let world = World()
        let alice = world.online("alice")
        _ = world.group("g", version: 1, ["alice": .silent])
        alice.send(#"{"cmd":11,"dstid":"g","cid":"1"}"#)
        let roles = [name("alice"): GroupRole.member]
        world.hubs[0].install(Group(id: name("g"), name: "g", version: 2, members: roles))
        world.settle()
        alice.send(#"{"cmd":11,"dstid":"g","cid":"2"}"#)
        world.settle()
        #expect(alice.frames().all("cmd") == ["ack", "ack"])
    }

    // MARK: Other forms

    @Test("A binary sender gets its ack in binary, dup marked; its text reaches a JSON client as content")
    func binary() throws {
        let world = World()
        let alice = world.online("alice", form: .binaryTCP), bob = world.online("bob")
        let body = Array("grüß".utf8)
        var frame = OutputBuffer()
        BinarySend(cid: 77, kind: .privateMessage, destination: name("bob")).append(
            flags: BinaryFlags(.text, isCompressed: false), bodyByteCount: body.count, to: &frame)
        frame.append(body.span.bytes)
        let bytes = Array(frame.unsafeBytes)
        for round in 0..<2 {
            try alice.send(frame: bytes)
            world.settle()
            let reply = alice.outlet.take()
            let header = try BinaryHeader(message: reply.span.bytes)
            let payload = reply.span.bytes.extracting(BinaryHeader.byteCount..<reply.count)
            guard case .ack(let ack) = try BinaryReply(header, payload: payload) else {
                Issue.record("no ack")
                return
            }
            #expect(ack.cid == 77 && ack.cseq == 1 && ack.seq == 1 && ack.id == 1 && ack.time == world.now)
            #expect(ack.isDuplicate == (round == 1))
        }
        let pushed = try bob.frame()
        #expect(pushed["content"] == "grüß" && pushed["cid"] == "77")
    }

    @Test("A binary refusal carries the cid")
    func binaryRefusal() throws {
        let world = World()
        let alice = world.online("alice", form: .binaryTCP)
        _ = world.group("g", ["bob": .admin])
        var frame = OutputBuffer()
        BinarySend(cid: 5, kind: .group, destination: name("g")).append(
            flags: BinaryFlags(.text, isCompressed: false), bodyByteCount: 0, to: &frame)
        try alice.send(frame: Array(frame.unsafeBytes))
        world.settle()
        let reply = alice.outlet.take()
        let header = try BinaryHeader(message: reply.span.bytes)
        let payload = reply.span.bytes.extracting(BinaryHeader.byteCount..<reply.count)
        guard case .error(let error, _) = try BinaryReply(header, payload: payload) else {
            Issue.record("no error")
            return
        }
        #expect(error.cid == 5 && error.code == .notMember)
    }

    @Test("An HTTP request's message is answered by its closure, in success, refusal and failure")
    func external() throws {
        let world = World()
        let bob = world.online("bob")
        var seqs: [UInt64] = []
        var refusals: [ErrorCode] = []
        let hub = world.hubs[0]
        func send(_ command: UInt8, to destination: String, cid: String = "") {
            let head = MessageHead(
                command: command, content: BodyForm(.text).rawValue, sender: name("svc"),
                destination: name(destination))
            let cid = Array(cid.utf8)
            hub.send(head, cid: cid.span.bytes, body: cid.span.bytes) {
                switch $0 {
                case .success(let record): seqs.append(record.placement(record.placementCount - 1).seq)
                case .failure(let refusal): refusals.append(refusal.code)
                }
            }
        }
        send(10, to: "bob", cid: "h")
        world.settle()
        #expect(seqs == [1])
        #expect(try bob.frame()["content"] == "h")
        send(11, to: "nowhere")
        world.settle()
        #expect(refusals == [.notFound])
        world.store.fail(with: .unavailable("x"))
        send(10, to: "bob")
        world.settle()
        #expect(refusals == [.notFound, .internal])
        #expect(seqs.count == 1)
        #expect(hub.outstandingReplies == 0)
    }

    // MARK: Back-pressure

    @Test("While the store is congested its senders aren't read from; they are again when it isn't")
    func backPressure() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob"), idle = world.online("idle")
        world.store.congest(true)
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        bob.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.handOver()
        #expect(!alice.outlet.isReading && !bob.outlet.isReading && idle.outlet.isReading)
        world.answerOne()
        #expect(!alice.outlet.isReading)
        bob.signOut()
        world.store.congest(false)
        world.settle()
        #expect(alice.outlet.isReading)
        #expect(!bob.outlet.isReading)
    }

    @Test("Who is held back when the queue has drained before the next answer is read from all the same")
    func backPressureWithoutAnswers() {
        let world = World()
        let alice = world.online("alice")
        world.store.congest(true)
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.handOver()
        world.store.congest(false)
        while world.answerOne() {}
        #expect(alice.outlet.isReading)
    }
}
