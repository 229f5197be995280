import Base
import Store
import Testing
import Wire

@testable import Core

/// Who may write to whom, as a sender's home loop decides it.
struct RelationTests {
    private func message(_ content: String) -> String { #"{"cmd":10,"dstid":"bob","content":"\#(content)"}"# }

    @Test("While nobody has blocked anybody and strangers are welcome, the store is asked nothing")
    func open() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(message("1"))
        world.settle()
        #expect(bob.frames().all("content") == ["1"])
        #expect(world.store.relationLoads == 0)
        world.hubs[0].noteBlock()
        alice.send(message("2"))
        world.settle()
        #expect(bob.frames().all("content") == ["2"])
        #expect(world.store.relationLoads == 1)
    }

    @Test("Whom nobody has blocked is looked at once, whomever the messages are for")
    func unblocked() {
        let world = World(hadBlocks: true)
        let alice = world.online("alice")
        for other in ["bob", "carol", "dave"] {
            alice.send(#"{"cmd":10,"dstid":"\#(other)","content":"x"}"#)
            world.settle()
        }
        #expect(alice.frames().all("cmd") == ["ack", "ack", "ack"])
        #expect(world.store.relationLoads == 1)
    }

    @Test("Frames behind a message that waits for its relation keep their order")
    func framesWait() {
        let world = World(hadBlocks: true)
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(message("1"))
        alice.send(message("2"))
        alice.send(#"{"cmd":0,"ref":"h"}"#)
        #expect(!alice.outlet.isReading)
        #expect(alice.frames().isEmpty)
        world.settle()
        #expect(alice.outlet.isReading)
        #expect(bob.frames().all("content") == ["1", "2"])
        #expect(alice.frames().all("ref").contains("h"))
    }

    @Test("A blocked sender is refused, in messages and in typing, until that is changed")
    func blocked() throws {
        let world = World(hadBlocks: true)
        let alice = world.online("alice"), bob = world.online("bob")
        world.store.put(.blocked, "alice", to: "bob")
        for _ in 0..<2 {
            alice.send(message("x"))
            world.settle()
            #expect(try alice.frame()["code"] == "blocked")
        }
        alice.send(#"{"cmd":"typing","dstid":"bob","ref":1}"#)
        world.settle()
        #expect(try alice.frame()["code"] == "blocked")
        #expect(bob.frames().isEmpty)
        world.store.put(.stranger, "alice", to: "bob")
        world.hubs[0].forgetRelations(name("bob"), name("alice"))
        alice.send(message("y"))
        world.settle()
        #expect(bob.frames().all("content") == ["y"])
    }

    @Test("What changes while it is being loaded is loaded again")
    func outdated() throws {
        let world = World(hadBlocks: true)
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(message("x"))
        world.handOver()
        world.hubs[0].forgetRelations(name("alice"), name("bob"))
        world.store.put(.blocked, "alice", to: "bob")
        world.settle()
        #expect(try alice.frame()["code"] == "blocked")
        #expect(bob.frames().isEmpty)
        #expect(world.store.relationLoads == 2)
    }

    @Test("A change about one pair keeps an answer about another from saying that nobody has blocked the user")
    func flagIsNotSetByAnOldAnswer() throws {
        let world = World(hadBlocks: true)
        let alice = world.online("alice")
        alice.send(#"{"cmd":10,"dstid":"carol","content":"x"}"#)
        world.handOver()
        world.hubs[0].forgetRelations(name("alice"), name("bob"))
        world.settle()
        world.store.put(.blocked, "alice", to: "bob")
        alice.drop()
        alice.send(message("x"))
        world.settle()
        #expect(try alice.frame()["code"] == "blocked")
    }

    @Test("A stranger's messages are refused, a contact's are not")
    func rejecting() throws {
        let world = World(strangers: .reject)
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(message("x"))
        world.settle()
        #expect(try alice.frame()["code"] == "forbidden")
        world.store.put(.contact, "alice", to: "bob")
        world.hubs[0].forgetRelations(name("alice"), name("bob"))
        alice.send(message("y"))
        world.settle()
        #expect(try alice.frame()["cmd"] == "ack")
        #expect(bob.frames().all("content") == ["y"])
        #expect(world.store.requests == 0)
    }

    @Test("A stranger's first message asks, and all of them have an entry in the sender's inbox alone")
    func holding() {
        let world = World(nodes: 2, strangers: .hold)
        let alice = world.online("alice"), second = world.online("alice"), bob = world.online("bob")
        for number in 1...3 {
            alice.send(message("\(number)"))
            world.settle()
        }
        #expect(world.store.requests == 1)
        #expect(alice.frames().all("cseq") == [1, 2, 3])
        #expect(second.frames().all("content") == ["1", "2", "3"])
        #expect(bob.frames().isEmpty)
        #expect(world.store.head(name("alice")) == 3 && world.store.head(name("bob")) == 0)
    }

    @Test("A store that can't say who is what to whom refuses the message and nothing else")
    func failing() throws {
        let world = World(hadBlocks: true)
        let alice = world.online("alice"), bob = world.online("bob")
        world.store.fail(with: .unavailable("broken"))
        alice.send(message("x"))
        world.settle()
        #expect(try alice.frame()["code"] == "internal")
        world.store.fail(with: nil)
        alice.send(message("y"))
        world.settle()
        #expect(bob.frames().all("content") == ["y"])
        #expect(alice.outlet.isReading)
    }
}
