import Base
import Core
import Store
import Testing

struct HubPresenceTests {
    /// Ends a tick on every loop, and lets a second pass.
    private func pass(_ world: World, seconds: Int = 1) {
        for _ in 0..<seconds {
            world.now += 1_000
            world.settle()
        }
    }

    private func state(online: Bool, _ lastSeen: UInt64) -> JSONValue {
        .object(["online": .bool(online), "last_seen": .number(Int(lastSeen))])
    }

    /// The users of the only frame since the last look.
    private func users(_ client: Client) throws -> [String: JSONValue] {
        guard case .object(let users) = try client.frame()["users"] else {
            Issue.record("no users")
            return [:]
        }
        return users
    }

    private let grace = Int(Limits.presenceGraceMilliseconds / 1_000)

    @Test("The answer to watch is how things stand, with the ref; comings and goings follow", arguments: [1, 3])
    func watching(nodes: Int) throws {
        let world = World(nodes: nodes)
        let alice = world.online("alice"), bob = world.online("bob")
        world.store.setSeen(name("dave"), at: 1_234)
        alice.send(#"{"cmd":"watch","users":["bob","carol","dave"],"ref":7}"#)
        world.settle()
        #expect(
            try alice.frame()
                == .object([
                    "cmd": "status", "ref": 7,
                    "users": .object([
                        "bob": state(online: true, world.now), "carol": state(online: false, 0),
                        "dave": state(online: false, 1_234),
                    ]),
                ]))
        let carol = world.online("carol"), arrived = world.now
        pass(world)
        let came = try alice.frame()
        #expect(came == .object(["cmd": "status", "users": .object(["carol": state(online: true, arrived)])]))
        bob.signOut()
        let left = world.now
        pass(world, seconds: grace + 1)
        let gone = try alice.frame()
        #expect(gone == .object(["cmd": "status", "users": .object(["bob": state(online: false, left)])]))
        pass(world, seconds: 5)
        #expect(alice.frames().isEmpty && carol.frames().isEmpty)
    }

    @Test("Who comes back within the grace causes no event, and counts as online meanwhile")
    func returning() throws {
        let world = World(nodes: 2)
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":"watch","users":["bob"]}"#)
        world.settle()
        alice.drop()
        bob.signOut()
        pass(world, seconds: grace - 1)
        alice.send(#"{"cmd":"status","users":["bob"]}"#)
        #expect(try alice.frame()["users"]?["bob"]?["online"] == true)
        let again = world.online("bob")
        pass(world, seconds: 10)
        #expect(alice.frames().isEmpty)
        // Whoever begins to watch in the grace is told of the end of it too.
        again.signOut()
        let left = world.now
        pass(world)
        let eve = world.online("eve")
        eve.send(#"{"cmd":"watch","users":["bob"]}"#)
        #expect(try eve.frame()["users"]?["bob"]?["online"] == true)
        pass(world, seconds: grace + 1)
        for watcher in [alice, eve] {
            #expect(try watcher.frame()["users"] == .object(["bob": state(online: false, left)]))
        }
    }

    @Test("Changes of a second come in one frame, and only as they stand at its end")
    func coalescing() throws {
        let world = World(nodes: 2)
        let alice = world.online("alice")
        alice.send(#"{"cmd":"watch","users":["u0","u1","u2","u3","u4"]}"#)
        world.settle()
        alice.drop()
        let first = world.online("u0")
        world.settle()
        #expect(alice.frames().count == 1)
        let others = (1..<5).map { world.online("u\($0)") }
        world.settle()
        #expect(alice.frames().isEmpty)
        pass(world)
        let users = try users(alice)
        #expect(users.keys.sorted() == ["u1", "u2", "u3", "u4"])
        _ = (first, others)
    }

    @Test("A user is offline when the last session has gone, not the first")
    func severalSessions() throws {
        let world = World()
        let alice = world.online("alice"), first = world.online("bob"), second = world.online("bob", device: "b")
        alice.send(#"{"cmd":"watch","users":["bob"]}"#)
        alice.drop()
        first.signOut()
        pass(world, seconds: grace + 2)
        #expect(alice.frames().isEmpty)
        second.signOut()
        pass(world, seconds: grace + 2)
        #expect(try alice.frame()["users"]?["bob"]?["online"] == false)
    }

    @Test("Unwatch ends the watches that it names, or all, and is answered")
    func unwatching() throws {
        let world = World(nodes: 2)
        let alice = world.online("alice"), eve = world.online("eve")
        alice.send(#"{"cmd":"watch","users":["bob","carol","dave"]}"#)
        eve.send(#"{"cmd":"watch","users":["bob"]}"#)
        world.settle()
        alice.drop()
        eve.drop()
        alice.send(#"{"cmd":"unwatch","users":["bob","nobody"],"ref":"u"}"#)
        #expect(try alice.frame() == .object(["cmd": "ok", "ref": "u"]))
        let bob = world.online("bob"), carol = world.online("carol")
        pass(world)
        let told = try users(alice)
        #expect(told.keys.sorted() == ["carol"] && told["carol"]?["online"] == true)
        #expect(try eve.frame()["users"]?["bob"]?["online"] == true)
        alice.send(#"{"cmd":"unwatch","ref":"v"}"#)
        #expect(try alice.frame()["cmd"] == "ok")
        carol.signOut()
        bob.signOut()
        pass(world, seconds: grace + 2)
        #expect(alice.frames().isEmpty)
        #expect(eve.frames().count == 1)
        for hub in world.hubs { #expect(hub.watchCount == (hub === world.hub(of: "eve") ? 1 : 0)) }
    }

    @Test("The end of a session ends its watches, here and at the users' homes")
    func ending() {
        let world = World(nodes: 3)
        let watchers = (0..<6).map { world.online("w\($0)") }
        for watcher in watchers { watcher.send(#"{"cmd":"watch","users":["a","b","c","d"]}"#) }
        world.settle()
        #expect(world.hubs.map(\.watchCount).reduce(0, +) == 24)
        #expect(world.hubs.map(\.watchedUserCount).reduce(0, +) == 4)
        for watcher in watchers { watcher.signOut() }
        world.settle()
        #expect(world.hubs.allSatisfy { $0.watchCount == 0 && $0.watchedUserCount == 0 })
    }

    @Test("More than 1,000 users a session are refused, and then none of them is watched")
    func limits() throws {
        let world = World()
        let alice = world.online("alice")
        let list = { (range: Range<Int>) in range.map { #""u\#($0)""# }.joined(separator: ",") }
        alice.send(#"{"cmd":"watch","users":[\#(list(0..<999))]}"#)
        world.settle()
        alice.drop()
        alice.send(#"{"cmd":"watch","users":[\#(list(998..<1_001))],"ref":1}"#)
        #expect(try alice.frame()["code"] == "too_large")
        #expect(world.hubs[0].watchCount == 999)
        alice.send(#"{"cmd":"watch","users":[\#(list(0..<1_001))]}"#)
        #expect(try alice.frame()["code"] == "too_large")
        // Those that it watches already count once.
        alice.send(#"{"cmd":"watch","users":[\#(list(1..<1_000))]}"#)
        world.settle()
        #expect(try alice.frame()["cmd"] == "status")
        #expect(world.hubs[0].watchCount == 1_000)
        alice.send(#"{"cmd":"watch"}"#)
        #expect(try alice.frame()["code"] == "bad_request")
    }

    @Test("A session that doesn't take what it is sent hears how things stand once it does")
    func slowSession() throws {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":"watch","users":["bob","carol"]}"#)
        world.settle()
        alice.drop()
        alice.outlet.buffer.append([UInt8](repeating: 0, count: Limits.sessionOutputBytesMax + 1).span.bytes)
        bob.signOut()
        let carol = world.online("carol")
        pass(world, seconds: grace + 2)
        #expect(alice.outlet.pendingBytes == Limits.sessionOutputBytesMax + 1)
        alice.drop()
        pass(world)
        let users = try users(alice)
        #expect(users["bob"]?["online"] == false && users["carol"]?["online"] == true)
        _ = carol
    }

    @Test("A user who left before the home heard of the watch, but after the answer, is told of")
    func raceWithTheHome() throws {
        let world = World(nodes: 2)
        let alice = world.online("alice")
        let other = try #require((0..<64).map { "u\($0)" }.first { world.hub(of: $0) !== world.hub(of: "alice") })
        let bob = world.online(other)
        alice.send(#"{"cmd":"watch","users":["\#(other)"]}"#)
        #expect(try alice.frame()["users"]?[other]?["online"] == true)
        bob.signOut()
        world.now += Limits.presenceGraceMilliseconds + 1
        pass(world, seconds: 2)
        #expect(try alice.frame()["users"]?[other]?["online"] == false)
    }

    @Test("Heartbeats change nothing: no event, and nothing for the store")
    func heartbeats() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":"watch","users":["bob"]}"#)
        world.settle()
        alice.drop()
        let batches = world.store.batches
        for _ in 0..<20 {
            bob.send(#"{"cmd":0}"#)
            pass(world)
        }
        #expect(bob.frames().count == 20)
        #expect(alice.frames().isEmpty)
        #expect(world.store.batches == batches)
    }

    @Test("Watches and presence of any order leave no one with a wrong belief", arguments: UInt64(0)..<20)
    func randomOrders(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let world = World(nodes: 3)
        let names = (0..<5).map { "p\($0)" }
        var present: [String: Client] = [:]
        let watchers = (0..<4).map { world.online("w\($0)") }
        var beliefs = Array(repeating: [String: Bool](), count: watchers.count)
        var watching = Array(repeating: Set<String>(), count: watchers.count)
        for _ in 0..<400 {
            let user = names.randomElement(using: &random) ?? ""
            let index = Int.random(in: 0..<watchers.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: if present[user] == nil { present[user] = world.connect(user) }
            case 1: present.removeValue(forKey: user)?.signOut()
            case 2:
                watchers[index].send(#"{"cmd":"watch","users":["\#(user)"]}"#)
                watching[index].insert(user)
            case 3:
                watchers[index].send(#"{"cmd":"unwatch","users":["\#(user)"]}"#)
                watching[index].remove(user)
            case 4: world.now += UInt64.random(in: 0..<2_000, using: &random)
            default: world.handOver()
            }
        }
        pass(world, seconds: grace + 4)
        for (index, watcher) in watchers.enumerated() {
            for frame in watcher.frames() {
                guard case .object(let users) = frame["users"] else { continue }
                for (user, state) in users { beliefs[index][user] = state["online"] == true }
            }
            for user in watching[index] { #expect(beliefs[index][user] == (present[user] != nil)) }
        }
    }
}
