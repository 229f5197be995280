import Base
import Store
import Testing

@testable import Core

/// Pushes to the members of groups that are too large for their inboxes.
struct HubLargeGroupTests {
    /// A group of which everybody in `online` is a member, besides as many others as make it large.
    private func crowd(_ world: World, _ members: [String], version: UInt64 = 1, isLarge: Bool = true) -> Group {
        var roles = Dictionary(uniqueKeysWithValues: members.map { (name($0), GroupRole.member) })
        for index in 0..<10 { roles[name("absent\(index)")] = .member }
        let group = Group(
            id: name("g"), name: "g", version: version, members: roles, inboxMembersMax: isLarge ? 5 : 500)
        world.store.put(group)
        for hub in world.hubs { hub.install(group) }
        return group
    }

    private func say(_ client: Client, _ text: String) { client.send(#"{"cmd":11,"dstid":"g","content":"\#(text)"}"#) }

    @Test("Members on all loops get the message without a seq, the sender its ack, its other session an entry")
    func pushing() throws {
        let world = World(nodes: 3)
        let users = (0..<9).map { "u\($0)" }
        let clients = users.map { world.online($0) }, stranger = world.online("stranger")
        let other = world.online("u0", device: "other")
        _ = crowd(world, users)
        say(clients[0], "hi")
        world.settle()
        #expect(try clients[0].frame()["cmd"] == "ack")
        let entry = try other.frame()
        #expect(entry["seq"] == 1 && entry["content"] == "hi")
        for client in clients.dropFirst() {
            #expect(
                try client.frame()
                    == .object([
                        "cmd": 11, "userid": "u0", "dstid": "g", "content": "hi", "id": 1, "conv": "g", "cseq": 1,
                        "time": .number(Int(world.now)),
                    ]))
        }
        #expect(stranger.frames().isEmpty)
        #expect(world.store.head(name("u0")) == 1)
        #expect(world.store.head(name("u1")) == 0)
    }

    @Test("Several messages of one commit come in order, and nobody gets its own as a push")
    func severalAtOnce() throws {
        let world = World()
        let clients = ["a", "b", "c"].map { world.online($0) }, second = world.online("a", device: "2")
        _ = crowd(world, ["a", "b", "c"])
        for (index, text) in ["0", "1", "2", "3"].enumerated() { say(clients[index % 2], text) }
        world.settle()
        #expect(clients[2].frames().all("content") == ["0", "1", "2", "3"])
        #expect(clients[0].frames().filter { $0["cmd"] == 11 }.all("content") == ["1", "3"])
        let frames = second.frames()
        #expect(frames.filter { $0["seq"] == nil }.all("content") == ["1", "3"])
        #expect(frames.filter { $0["seq"] != nil }.all("seq") == [1, 2])
    }

    @Test("A binary session gets DELIVER with seq 0")
    func binary() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob", form: .binaryTCP)
        _ = crowd(world, ["alice", "bob"])
        say(alice, "hi")
        world.settle()
        let bytes = bob.outlet.take()
        #expect(bytes[4] == 5 && bytes[8..<16].allSatisfy { $0 == 0 } && bytes[24] == 1)
    }

    @Test("Who comes, goes and comes back is found and lost again, with the group's version and without")
    func comingAndGoing() throws {
        let world = World()
        let alice = world.online("alice")
        _ = crowd(world, ["alice", "bob", "carol"])
        say(alice, "1")
        world.settle()
        let bob = world.online("bob"), dave = world.online("dave")
        say(alice, "2")
        world.settle()
        #expect(bob.frames().all("content") == ["2"])
        bob.signOut()
        // His slot goes to others again and again, until one of them has the token that was his.
        for round in 0..<1_023 { world.online("guest\(round)").signOut() }
        let guest = world.online("guest")
        #expect(guest.session?.user.token == bob.session?.user.token)
        say(alice, "4")
        world.settle()
        #expect(guest.frames().isEmpty && dave.frames().isEmpty)
        let again = world.online("bob")
        _ = crowd(world, ["alice", "carol", "dave"], version: 2)
        say(alice, "5")
        world.settle()
        #expect(again.frames().isEmpty)
        #expect(dave.frames().all("content") == ["5"])
    }

    @Test("A session that isn't live gets no push, and has a mark made when it is live again")
    func catchingUp() throws {
        let world = World()
        let alice = world.online("alice")
        _ = crowd(world, ["alice", "bob"])
        for _ in 0..<3 { alice.send(#"{"cmd":10,"dstid":"bob"}"#) }
        world.settle()
        let bob = world.connect("bob", after: 0)
        // The store attaches him, takes the message, and reads his page after that.
        world.handOver()
        say(alice, "missed")
        world.handOver()
        world.answerOne()
        #expect(try bob.frame()["cmd"] == "welcome")
        world.settle()
        #expect(bob.frames().filter { $0["cmd"] == 10 }.count == 3)
        #expect(world.store.marked == [name("bob")])
        say(alice, "seen")
        world.settle()
        #expect(bob.frames().all("content") == ["seen"])
        #expect(world.store.marked == [name("bob")])
    }

    @Test("A session whose socket is full goes behind, and has a mark made once it has fetched up")
    func behind() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.outlet.takesAll = true
        _ = crowd(world, ["alice", "bob"])
        let text = String(repeating: "x", count: 10_000)
        for _ in 0..<10 {
            say(alice, text)
            world.settle()
        }
        let frames = bob.frames()
        #expect(frames.filter { $0["cmd"] == 11 }.count == 7)
        #expect(frames.last?["cmd"] == "behind")
        #expect(world.store.marked == [])
        bob.send(#"{"cmd":"fetch","after":0}"#)
        world.settle()
        #expect(world.store.marked == [name("bob")])
    }

    @Test("A session that can't be told of what it missed ends, so that it comes back")
    func failedMark() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        _ = crowd(world, ["alice", "bob"])
        let text = String(repeating: "x", count: 10_000)
        for _ in 0..<10 {
            say(alice, text)
            world.settle()
        }
        bob.drop()
        bob.send(#"{"cmd":"fetch","after":0}"#)
        world.handOver()
        world.answerOne()
        world.store.fail(with: .unavailable("x"))
        world.settle()
        #expect(bob.outlet.isAborted)
    }

    @Test("While a group grows beyond the limit and shrinks again each message goes one way or the other")
    func switchingOver() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        for (version, isLarge) in [false, true, false, true].enumerated() {
            _ = crowd(world, ["alice", "bob"], version: UInt64(version) + 1, isLarge: isLarge)
            say(alice, "\(version)")
            say(alice, "\(version) again")
        }
        world.settle()
        let frames = bob.frames()
        #expect(frames.filter { $0["seq"] != nil }.all("content") == ["0", "0 again", "2", "2 again"])
        #expect(frames.filter { $0["seq"] == nil }.all("content") == ["1", "1 again", "3", "3 again"])
    }
}
