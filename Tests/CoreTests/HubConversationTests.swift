import Base
import Store
import Testing
import Wire

@testable import Core

struct HubConversationTests {
    private static let told = JSONValue.object(
        ["cmd": "read", "conv": "alice:bob", "userid": "bob", "cseq": 1])

    /// A user on another loop than `user` has.
    private func other(than user: String, in world: World) -> String {
        let home = world.topology.node(of: name(user))
        for number in 0..<100 where world.topology.node(of: name("peer\(number)")) != home { return "peer\(number)" }
        return ""
    }

    @Test("A read is answered and told when it is durable, to all sessions but the one it came from")
    func readIsTold() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob"), desk = world.online("bob", device: "desk")
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.settle()
        for client in [alice, bob, desk] { client.drop() }
        bob.send(#"{"cmd":"read","conv":"bob:alice","cseq":9,"ref":5}"#)
        world.handOver()
        #expect(bob.frames().isEmpty && alice.frames().isEmpty)
        world.settle()
        #expect(try bob.frame() == .object(["cmd": "ok", "ref": 5]))
        #expect(try alice.frame() == HubConversationTests.told, "beyond the head means the head")
        #expect(try desk.frame() == HubConversationTests.told)
        #expect(world.hubs[0].outstandingReplies == 0)
        bob.send(#"{"cmd":"read","conv":"alice:bob","cseq":1}"#)
        world.settle()
        #expect(bob.frames().isEmpty)
        #expect(try alice.frame() == HubConversationTests.told)
    }

    @Test("A read reaches the other user's loop, also when the reader has left meanwhile")
    func readCrossesLoops() throws {
        let world = World(nodes: 2)
        let peer = other(than: "alice", in: world)
        let alice = world.online("alice"), reader = world.online(peer)
        alice.send(#"{"cmd":10,"dstid":"\#(peer)"}"#)
        world.settle()
        alice.drop()
        reader.send(#"{"cmd":"read","conv":"alice:\#(peer)","cseq":1}"#)
        world.handOver()
        reader.signOut()
        world.settle()
        let event = try alice.frame()
        #expect(event["userid"]?.text == peer && event["cseq"] == 1)
    }

    @Test("Members of a group hear of a read, unless there are too many of them")
    func readInGroups() throws {
        let world = World(nodes: 2)
        let peer = other(than: "alice", in: world)
        var members: [String: GroupRole] = ["alice": .member, peer: .silent]
        _ = world.group("small", members)
        for number in 0..<Limits.readReceiptMembersMax { members["m\(number)"] = .member }
        _ = world.group("large", members)
        let alice = world.online("alice"), reader = world.online(peer), desk = world.online(peer, device: "desk")
        for group in ["small", "large"] { alice.send(#"{"cmd":11,"dstid":"\#(group)"}"#) }
        world.settle()
        for client in [alice, reader, desk] { client.drop() }
        reader.send(#"{"cmd":"read","conv":"small","cseq":1}"#)
        reader.send(#"{"cmd":"read","conv":"large","cseq":1}"#)
        world.settle()
        #expect(alice.frames().map { $0["conv"]?.text } == ["small"])
        #expect(desk.frames().map { $0["conv"]?.text } == ["small", "large"])
        #expect(reader.frames().isEmpty)
    }

    @Test("Who may not see a conversation can't read it; a failed store tells nobody")
    func refusedReads() throws {
        let world = World()
        _ = world.group("g", ["alice": .member])
        let alice = world.online("alice"), mallory = world.online("mallory")
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.settle()
        alice.drop()
        let refusals = [
            ("alice:bob", "forbidden"), ("g", "not_member"), ("none", "not_found"), ("a:b:c", "bad_request"),
        ]
        for (conv, code) in refusals {
            mallory.send(#"{"cmd":"read","conv":"\#(conv)","cseq":1,"ref":"r"}"#)
            world.settle()
            let refusal = try mallory.frame()
            #expect(refusal["code"]?.text == code && refusal["ref"] == "r")
        }
        mallory.send(#"{"cmd":"read","conv":"alice:mallory","cseq":1,"ref":"r"}"#)
        world.settle()
        #expect(try mallory.frame() == .object(["cmd": "ok", "ref": "r"]), "nothing to read yet")
        world.store.fail(with: .unavailable("x"))
        alice.send(#"{"cmd":"read","conv":"alice:bob","cseq":1,"ref":"r"}"#)
        world.settle()
        #expect(try alice.frame()["code"] == "internal")
        #expect(mallory.frames().isEmpty && alice.frames().isEmpty)
        #expect(world.hubs[0].outstandingReplies == 0)
    }

    @Test("On behalf of HTTP all of the reader's sessions are told")
    func readOverHTTP() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.settle()
        alice.drop()
        bob.drop()
        var answers = 0
        let conversation = ConversationKey(command: 10, sender: name("bob"), destination: name("alice"))
        world.hubs[0].markRead(conversation, by: name("bob"), through: 1) { result in
            if case .success = result { answers += 1 }
        }
        world.hubs[0].markRead(conversation, by: name("mallory"), through: 1) { result in
            if case .failure(let refusal) = result { answers += refusal.code == .forbidden ? 10 : 100 }
        }
        world.settle()
        #expect(answers == 11)
        #expect(try alice.frame() == HubConversationTests.told)
        #expect(try bob.frame() == HubConversationTests.told)
    }
}
