import Base
import Core
import Store
import Testing

/// What keeps one client from taking what is everybody's.
struct HubGuardTests {
    private func session(_ client: Client) -> Session {
        guard let session = client.session else { preconditionFailure("a client that is signed in") }
        return session
    }

    private func limited(_ world: World, frames: Int = 0, bytes: Int = 0, frameBurst: Int = 0, byteBurst: Int = 0) {
        for hub in world.hubs {
            hub.allowance = FrameAllowance(
                frames: frames, bytes: bytes, frameBurst: frameBurst, byteBurst: byteBurst)
        }
    }

    @Test("Frames beyond the allowance are refused with the time to wait; time brings them back")
    func frames() throws {
        let world = World()
        limited(world, frames: 10, frameBurst: 5)
        let alice = world.online("alice")
        for _ in 0...5 { alice.send(#"{"cmd":0}"#) }
        #expect(alice.frames().count == 6)
        alice.send(#"{"cmd":0,"ref":"r"}"#)
        let refusal = try alice.frame()
        #expect(refusal["code"] == "rate_limited" && refusal["ref"] == "r" && refusal["retry"] == 201)
        world.now += 201
        alice.send(#"{"cmd":0}"#)
        #expect(try alice.frame() == .object(["cmd": 0]))
        // Never more than the burst, however long nobody says anything.
        world.now += 3_600_000
        for _ in 0..<7 { alice.send(#"{"cmd":0}"#) }
        alice.drop()
        for _ in 0..<5 { alice.send(#"{"cmd":0}"#) }
        #expect(alice.frames().contains { $0["code"] == "rate_limited" })
    }

    @Test("All sessions of a user share an allowance; whoever goes on and on is to be ended")
    func sharedAndEnded() {
        let world = World()
        limited(world, frames: 10, frameBurst: 5)
        let phone = world.online("alice"), desk = world.online("alice", device: "desk"), bob = world.online("bob")
        for _ in 0...5 { #expect(world.hubs[0].admit(bytes: 0, from: session(phone)) == .taken) }
        for debt in 2...6 {
            let verdict = world.hubs[0].admit(bytes: 0, from: session(desk))
            #expect(verdict == (debt <= 5 ? .refused(retry: UInt64(debt) * 100 + 1) : .ended))
        }
        #expect(world.hubs[0].admit(bytes: 0, from: session(bob)) == .taken)
    }

    @Test("Bytes are counted; without limits nothing ever is refused")
    func bytes() {
        let world = World()
        limited(world, bytes: 1_000, byteBurst: 1 << 22)
        let alice = world.online("alice")
        for _ in 0..<4 { #expect(world.hubs[0].admit(bytes: 1 << 20, from: session(alice)) == .taken) }
        #expect(world.hubs[0].admit(bytes: 1 << 20, from: session(alice)) == .taken)
        #expect(world.hubs[0].admit(bytes: 1, from: session(alice)) == .refused(retry: 1_048_578))
        let free = World()
        let bob = free.online("bob")
        for _ in 0..<5_000 { #expect(free.hubs[0].admit(bytes: 1 << 21, from: session(bob)) == .taken) }
    }

    @Test("A long queue holds back whoever fills it, and nobody else")
    func ladenQueue() {
        let world = World()
        let flood = world.online("flood"), modest = world.online("modest")
        world.store.lade(true)
        flood.send(#"{"cmd":10,"dstid":"x","content":""# + String(repeating: "x", count: 20_000) + #""}"#)
        modest.send(#"{"cmd":10,"dstid":"x","content":"y"}"#)
        world.handOver()
        #expect(!flood.outlet.isReading && modest.outlet.isReading)
        world.store.lade(false)
        world.settle()
        #expect(flood.outlet.isReading)
    }

    @Test("Who waits for a group isn't read from because the queue is short again")
    func pausedAndHeld() {
        let world = World()
        _ = world.group("team", ["flood": .admin])
        let flood = world.online("flood")
        world.store.lade(true)
        flood.send(#"{"cmd":10,"dstid":"x","content":""# + String(repeating: "x", count: 20_000) + #""}"#)
        flood.send(#"{"cmd":11,"dstid":"team"}"#)
        world.handOver()
        world.store.lade(false)
        world.handOver()
        #expect(!flood.outlet.isReading)
        world.settle()
        #expect(flood.outlet.isReading)
    }

    @Test("A client that has ended its side is ended when it has its answers, and not before")
    func leaving() {
        let world = World()
        let alice = world.online("alice")
        var ends = 0
        #expect(!world.hubs[0].finish(session(alice)) { ends += 1 })
        for _ in 0..<3 { alice.send(#"{"cmd":10,"dstid":"bob"}"#) }
        alice.send(#"{"cmd":"fetch","after":0,"ref":1}"#)
        #expect(world.hubs[0].finish(session(alice)) { ends += 1 })
        world.handOver()
        #expect(ends == 0)
        world.settle()
        #expect(ends == 1 && alice.frames().count == 4)
        alice.signOut()
        world.settle()
        #expect(ends == 1)
    }

    @Test("After a start those seen shortly before count as online, and watchers hear only of who doesn't come")
    func restart() throws {
        let world = World(nodes: 2)
        for hub in world.hubs { hub.beginResuming(at: world.now, stopped: world.now - 6_000) }
        world.store.setSeen(name("back"), at: world.now - 5_000)
        world.store.setSeen(name("gone"), at: world.now - 5_000)
        world.store.setSeen(name("old"), at: world.now - 7_000)
        let alice = world.online("alice")
        alice.send(#"{"cmd":"watch","users":["back","gone","old"]}"#)
        world.settle()
        let answer = try alice.frame()["users"]
        #expect(answer?["back"]?["online"] == true && answer?["gone"]?["online"] == true)
        #expect(answer?["old"]?["online"] == false)
        world.now += 2_000
        let back = world.online("back")
        for _ in 0..<8 {
            world.now += 1_000
            world.settle()
        }
        #expect(alice.frames().isEmpty && back.frames().isEmpty)
        for _ in 0..<8 {
            world.now += 1_000
            world.settle()
        }
        let told = alice.frames()
        #expect(told.count == 1)
        #expect(told.first?["users"]?["gone"]?["online"] == false && told.first?["users"]?["back"] == nil)
    }

    @Test("Nobody is told of leaving while the router goes down")
    func goingDown() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        alice.send(#"{"cmd":"watch","users":["bob"]}"#)
        world.settle()
        alice.drop()
        world.hubs[0].isGoingDown = true
        bob.signOut()
        for _ in 0..<8 {
            world.now += 1_000
            world.settle()
        }
        #expect(alice.frames().isEmpty)
    }
}
