import Base
import Store
import Testing

@testable import Core

struct HubChangeTests {
    @Test("An edit is told to both, and to its sender before the answer")
    func editIsTold() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob"), desk = world.online("alice", device: "desk")
        alice.send(#"{"cmd":10,"dstid":"bob","content":"x"}"#)
        world.settle()
        for client in [alice, bob, desk] { client.drop() }
        alice.send(#"{"cmd":"edit","conv":"bob:alice","cseq":1,"content":"y","level":"durable","edited":3,"ref":5}"#)
        world.settle()
        let told = alice.frames()
        #expect(told.all("cmd") == ["notify", "ok"] && told.last?["ref"] == 5)
        #expect(
            told.first
                == .object([
                    "cmd": "notify", "userid": "alice", "name": "message.edited", "conv": "alice:bob", "cseq": 1,
                    "content": "y", "id": 2, "time": .number(Int(world.now)), "seq": 2,
                ]))
        #expect(try bob.frame() == told.first)
        #expect(try desk.frame() == told.first)
        #expect(world.hubs[0].outstandingReplies == 0)
    }

    @Test("A change without a reference has no answer but its entry; a refused one is always answered")
    func answers() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.settle()
        alice.drop()
        bob.drop()
        alice.send(#"{"cmd":"recall","conv":"alice:bob","cseq":1}"#)
        world.settle()
        #expect(try alice.frame()["name"] == "message.recalled")
        alice.send(#"{"cmd":"recall","conv":"alice:bob","cseq":1}"#)
        world.settle()
        #expect(alice.frames().isEmpty)
        alice.send(#"{"cmd":"recall","conv":"alice:bob","cseq":1,"ref":"r"}"#)
        world.settle()
        #expect(try alice.frame() == .object(["cmd": "ok", "ref": "r"]))
        alice.send(#"{"cmd":"edit","conv":"alice:bob","cseq":1,"content":"x"}"#)
        world.settle()
        #expect(try alice.frame()["code"] == "conflict")
        bob.drop()
        bob.send(#"{"cmd":"recall","conv":"alice:bob","cseq":1,"ref":1}"#)
        world.settle()
        #expect(try bob.frame()["code"] == "forbidden")
    }

    @Test("An edit that is overtaken by a recall is refused by the store, and the sender hears why")
    func overtaken() throws {
        let world = World()
        let alice = world.online("alice"), desk = world.online("alice", device: "desk")
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.settle()
        alice.drop()
        desk.drop()
        desk.send(#"{"cmd":"recall","conv":"alice:bob","cseq":1,"ref":1}"#)
        alice.send(#"{"cmd":"edit","conv":"alice:bob","cseq":1,"content":"late","ref":2}"#)
        // Both messages are read before either change is handed over.
        world.answerOne()
        world.answerOne()
        world.settle()
        let frames = alice.frames()
        #expect(frames.all("cmd") == ["notify", "error"])
        #expect(frames[1]["code"] == "conflict" && frames[1]["ref"] == 2)
        #expect(desk.frames().all("cmd") == ["notify", "ok"])
    }

    @Test("A session's changes of a message happen in their order")
    func order() throws {
        let world = World()
        let alice = world.online("alice")
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        world.settle()
        alice.drop()
        for number in 0..<5 {
            alice.send(#"{"cmd":"edit","conv":"alice:bob","cseq":1,"content":"\#(number)"}"#)
        }
        world.settle()
        #expect(alice.frames().all("content") == ["0", "1", "2", "3", "4"])
    }

    @Test("In a group it depends on the role", arguments: GroupRole.allCases)
    func roles(role: GroupRole) throws {
        let world = World()
        _ = world.group("g", ["author": .member, "other": role])
        let author = world.online("author"), other = world.online("other")
        author.send(#"{"cmd":11,"dstid":"g","content":"x"}"#)
        world.settle()
        other.drop()
        let mayChange = role == .admin || role == .moderator
        other.send(#"{"cmd":"edit","conv":"g","cseq":1,"content":"y","ref":1}"#)
        world.settle()
        #expect(other.frames().last?["code"] == (mayChange ? nil : "forbidden"))
        author.drop()
        other.send(#"{"cmd":"recall","conv":"g","cseq":1,"ref":2}"#)
        world.settle()
        #expect(other.frames().last?["code"] == (mayChange ? nil : "forbidden"))
        #expect(author.frames().all("name") == (mayChange ? ["message.recalled"] : []))
    }

    @Test("A silent author may take back, and not send by an edit")
    func silentAuthor() throws {
        let world = World()
        _ = world.group("g", ["author": .member, "b": .admin])
        let author = world.online("author")
        author.send(#"{"cmd":11,"dstid":"g","content":"x"}"#)
        world.settle()
        world.hubs[0].install(world.group("g", version: 2, ["author": .silent, "b": .admin]))
        author.drop()
        author.send(#"{"cmd":"edit","conv":"g","cseq":1,"content":"y"}"#)
        world.settle()
        #expect(try author.frame()["code"] == "silenced")
        author.send(#"{"cmd":"recall","conv":"g","cseq":1}"#)
        world.settle()
        #expect(try author.frame()["name"] == "message.recalled")
    }

    @Test("A forward into a group that isn't loaded keeps the session's other frames")
    func forwardWaits() throws {
        let world = World()
        _ = world.group("g", ["alice": .member])
        _ = world.group("h", ["alice": .member])
        let alice = world.online("alice")
        alice.send(#"{"cmd":10,"dstid":"alice","content":"x"}"#)
        world.settle()
        alice.drop()
        alice.send(#"{"cmd":"forward","conv":"alice:alice","cseq":1,"dstid":"g","group":true,"cid":"f"}"#)
        alice.send(#"{"cmd":11,"dstid":"h","cid":"m"}"#)
        for number in 0..<3 { alice.send(#"{"cmd":10,"dstid":"alice","cid":"n\#(number)"}"#) }
        world.settle()
        let acks = alice.frames().compactMap { $0["cmd"] == "ack" ? $0["cid"]?.text : nil }
        #expect(Set(acks) == ["f", "m", "n0", "n1", "n2"] && acks.count == 5)
        #expect(alice.outlet.isReading)
    }

    @Test("A store that fails is told as such", arguments: ["edit", "recall", "forward"])
    func failures(command: String) throws {
        let world = World()
        let alice = world.online("alice")
        alice.send(#"{"cmd":10,"dstid":"alice","content":"x"}"#)
        world.settle()
        alice.drop()
        world.store.fail(with: .unavailable("disk"))
        let fields = #""conv":"alice:alice","cseq":1,"dstid":"bob","content":"y","cid":"c","ref":1"#
        alice.send(#"{"cmd":"\#(command)",\#(fields)}"#)
        world.settle()
        let frame = try alice.frame()
        #expect(frame["code"] == "internal" && frame["ref"] == 1)
        #expect(world.hubs[0].outstandingReplies == 0)
    }
}
