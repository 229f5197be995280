import Base
import Store
import Testing

@testable import Core

struct HubSessionTests {
    // MARK: Signing in and out

    @Test("The welcome is the first frame, with all its fields, and comes when the inbox is attached")
    func welcome() throws {
        let world = World()
        let writer = world.online("writer")
        for _ in 0..<3 { writer.send(#"{"cmd":10,"dstid":"alice"}"#) }
        world.settle()
        let alice = world.connect("alice", device: "phone")
        world.handOver()
        #expect(!alice.isReady)
        #expect(alice.frames().isEmpty)
        world.settle()
        #expect(alice.isReady)
        #expect(
            try alice.frame()
                == .object([
                    "cmd": "welcome", "userid": "alice", "device": "phone", "seq": 3, "confirmed": 0, "epoch": "e1",
                    "max_frame": .number(Limits.frameBytesMax), "heartbeat": .number(Int(Limits.heartbeatSeconds)),
                    "time": .number(Int(world.now)),
                ]))
    }

    @Test("An inbox that can't be attached ends the connection, not the user's other sessions")
    func failedAttach() throws {
        let world = World()
        let first = world.online("alice")
        world.store.fail(with: .unavailable("x"))
        let second = world.connect("alice", device: "other")
        world.settle()
        #expect(second.hasFailed && !second.isReady)
        second.signOut()
        world.store.fail(with: nil)
        first.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.settle()
        #expect(try first.frame()["cmd"] == "ack")
        #expect(second.outlet.take().isEmpty)
    }

    @Test("The last session of a user detaches the inbox, once, and leaves when it was seen")
    func signingOut() {
        let world = World()
        let first = world.online("alice", device: "a"), second = world.online("alice", device: "b")
        first.signOut()
        #expect(world.store.detached.isEmpty)
        #expect(world.presence.presence(of: name("alice")) == .online)
        world.now += 1_000
        second.signOut()
        second.signOut()
        first.signOut()
        #expect(world.store.detached == [name("alice")])
        #expect(world.presence.presence(of: name("alice")) == .left(since: world.now))
        world.settle()
        #expect(world.store.seen(name("alice")) == world.now)
        #expect(world.hubs[0].sessionCount == 0)
        #expect(world.hubs[0].usersPerShard == [0])
    }

    @Test("A session that leaves before its welcome hears nothing, and the confirm of one that leaves is kept")
    func leavingEarly() throws {
        let world = World()
        let alice = world.connect("alice")
        alice.signOut()
        world.settle()
        #expect(!alice.isReady && alice.outlet.take().isEmpty)
        let writer = world.online("writer"), reader = world.online("reader")
        for _ in 0..<3 { writer.send(#"{"cmd":10,"dstid":"reader"}"#) }
        world.settle()
        reader.send(#"{"cmd":"confirm","seq":2}"#)
        reader.signOut()
        world.settle()
        #expect(world.store.confirms == [2])
        let again = world.connect("reader")
        world.settle()
        #expect(try again.frame()["confirmed"] == 2)
    }

    @Test("A full shard refuses new users, not new sessions of those it has")
    func fullShard() {
        let world = World(usersPerShardMax: 2)
        let alice = world.online("alice"), bob = world.online("bob")
        #expect(world.connect("carol").session == nil)
        #expect(world.connect("alice", device: "other").session != nil)
        world.settle()
        bob.signOut()
        #expect(world.connect("carol").session != nil)
        #expect(world.hubs[0].usersPerShard == [2])
        _ = alice
    }

    @Test("What is on its way for a user who left doesn't reach the next one in the place")
    func staleTokens() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice")
        writer.send(#"{"cmd":10,"dstid":"alice","content":"secret"}"#)
        world.handOver()
        // The store answers with alice's token; before that arrives she has gone, and bob has her slot.
        let answers = try #require(world.store.answerNext(now: world.now))
        alice.signOut()
        let bob = world.connect("bob")
        world.settle()
        let token = try #require(world.store.attached.last?.token)
        let mask: UInt32 = (1 << 22) - 1
        #expect(world.store.attached.contains { $0.user == name("alice") && $0.token & mask == token & mask })
        for (node, event) in answers { world.hubs[node].handle([event]) }
        #expect(bob.frames().all("cmd") == ["welcome"])
        #expect(try writer.frame()["cmd"] == "ack")
    }

    @Test("An ack for a session that left doesn't reach the next one in the place")
    func staleHandles() throws {
        let world = World()
        let alice = world.online("alice")
        alice.send(#"{"cmd":10,"dstid":"nobody","cid":"c"}"#)
        world.handOver()
        alice.signOut()
        let bob = world.connect("bob")
        world.settle()
        #expect(bob.session?.handle != alice.session?.handle)
        #expect((bob.session?.handle ?? 0) & 0xFFFF_FFFF == (alice.session?.handle ?? 1) & 0xFFFF_FFFF)
        #expect(bob.frames().all("cmd") == ["welcome"])
        #expect(alice.outlet.take().isEmpty)
        #expect(world.hubs[0].outstandingReplies == 0)
    }

    @Test("Frames of a session that ended are ignored")
    func framesAfterTheEnd() {
        let world = World()
        let alice = world.online("alice")
        alice.signOut()
        world.settle()
        let batches = world.store.batches
        alice.send(#"{"cmd":10,"dstid":"bob"}"#)
        alice.send(#"{"cmd":0}"#)
        world.settle()
        #expect(alice.outlet.take().isEmpty)
        #expect(world.store.batches == batches)
    }

    // MARK: Resuming

    /// A user with `count` messages in the inbox, and who wrote them.
    private func filled(_ count: Int) -> (World, Client) {
        let world = World()
        let writer = world.online("writer")
        for number in 1...count { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(number)"}"#) }
        world.settle()
        writer.drop()
        return (world, writer)
    }

    @Test("Resuming pushes what is behind the given place, page by page, and then live", arguments: [1, 100, 101, 250])
    func resuming(count: Int) throws {
        let (world, writer) = filled(count)
        for after in [0, 1, count - 1, count, count + 50] {
            let reads = world.store.inboxReads
            let alice = world.connect("alice", device: "d\(after)", after: UInt64(after))
            world.settle()
            let frames = alice.frames()
            #expect(frames[0]["cmd"] == "welcome" && frames[0]["seq"] == .number(count))
            let expected = after < count ? Array(after + 1...count) : []
            #expect(frames.dropFirst().map { $0["seq"]?.number } == expected)
            #expect(frames.dropFirst().map { $0["content"]?.text } == expected.map { "\($0)" })
            #expect(world.store.inboxReads - reads == (expected.count + 99) / 100)
            alice.signOut()
        }
        let alice = world.connect("alice", device: "live", after: 0)
        world.settle()
        alice.drop()
        writer.send(#"{"cmd":10,"dstid":"alice","content":"new"}"#)
        world.settle()
        #expect(try alice.frame()["seq"] == .number(count + 1))
    }

    @Test("Messages that come in while a session catches up come behind the old ones, each once")
    func liveWhileCatchingUp() throws {
        let (world, writer) = filled(150)
        let alice = world.connect("alice", after: 0)
        world.answerOne()
        var seqs: [Int?] = []
        for _ in 0..<4 {
            writer.send(#"{"cmd":10,"dstid":"alice"}"#)
            world.handOver()
            world.answerOne()
            seqs += alice.frames().filter { $0["cmd"] == 10 }.map { $0["seq"]?.number }
        }
        world.settle()
        writer.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.settle()
        seqs += alice.frames().map { $0["seq"]?.number }
        #expect(seqs == Array(1...155))
    }

    @Test("An ack that is due while its session catches up takes the place of its entry")
    func ackWhileCatchingUp() throws {
        let (world, writer) = filled(150)
        let alice = world.connect("alice", after: 0)
        world.answerOne()
        #expect(alice.isReady)
        alice.send(#"{"cmd":10,"dstid":"writer","cid":"mine"}"#)
        writer.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.settle()
        let frames = alice.frames().dropFirst()
        #expect(frames.map { $0["seq"]?.number } == Array(1...152))
        #expect(frames.filter { $0["cmd"] == "ack" }.map { $0["seq"]?.number } == [151])
    }

    @Test("A page that can't be read ends the connection, which may come back")
    func failedPage() {
        let (world, _) = filled(3)
        let alice = world.connect("alice", after: 0)
        world.answerOne()
        world.store.fail(with: .unavailable("x"))
        world.settle()
        #expect(alice.outlet.isAborted)
    }

    @Test("Catching up waits for a socket that doesn't drain")
    func catchingUpSlowly() throws {
        let world = World()
        let writer = world.online("writer")
        let text = String(repeating: "x", count: 2_000)
        for _ in 0..<250 { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(text)"}"#) }
        world.settle()
        let reads = world.store.inboxReads
        let alice = world.connect("alice", after: 0)
        world.settle()
        #expect(world.store.inboxReads == reads + 1)
        var seqs = alice.frames().dropFirst().map { $0["seq"]?.number }
        #expect(seqs.count == 100)
        while seqs.count < 250 {
            let before = seqs.count
            alice.drained()
            world.settle()
            seqs += alice.frames().map { $0["seq"]?.number }
            try #require(seqs.count > before)
        }
        #expect(seqs == Array(1...250))
    }

    // MARK: Several sessions

    @Test("Every session of the recipient and the sender's other sessions get the message, the sender's own the ack")
    func severalSessions() throws {
        let world = World()
        let sending = world.online("alice", device: "phone")
        let others = [
            world.online("alice", device: "tablet"), world.online("alice", device: "phone"),
            world.online("bob", device: "1"), world.online("bob", device: "1"), world.online("bob", device: "2"),
        ]
        sending.send(#"{"cmd":10,"dstid":"bob","content":"hi"}"#)
        world.settle()
        #expect(try sending.frame()["cmd"] == "ack")
        for other in others { #expect(try other.frame()["content"] == "hi") }
    }

    @Test("Acks and pushes of one session come in one order of seq")
    func oneOrder() {
        let world = World()
        let alice = world.online("alice"), bob = world.online("bob")
        for number in 0..<30 {
            (number % 3 == 0 ? bob : alice).send(#"{"cmd":10,"dstid":"\#(number % 3 == 0 ? "alice" : "bob")"}"#)
            if number % 4 == 0 { world.handOver() }
        }
        world.settle()
        #expect(alice.frames().map { $0["seq"]?.number } == Array(1...30))
        #expect(bob.frames().map { $0["seq"]?.number } == Array(1...30))
    }

    // MARK: Slow sockets

    @Test("A slow session is told once, gets nothing more, and is live again without hole or double once it fetched up")
    func behind() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice"), quick = world.online("alice", device: "q")
        let text = String(repeating: "x", count: 10_000)
        for _ in 0..<20 { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(text)"}"#) }
        world.settle()
        #expect(quick.frames().map { $0["seq"]?.number } != [])
        let waiting = alice.outlet.pendingBytes
        for _ in 0..<20 { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(text)"}"#) }
        world.settle()
        #expect(alice.outlet.pendingBytes == waiting)
        #expect(waiting < Limits.sessionOutputBytesMax + 2 * text.utf8.count)
        let frames = alice.frames()
        let last = try #require(frames.last)
        #expect(last["cmd"] == "behind")
        #expect(frames.filter { $0["cmd"] == "behind" }.count == 1)
        var seqs = frames.dropLast().compactMap { $0["seq"]?.number }
        #expect(last["seq"]?.number == seqs.last)
        writer.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.settle()
        #expect(alice.frames().isEmpty)
        var more = true
        while more {
            alice.send(#"{"cmd":"fetch","after":\#(seqs.last ?? 0),"limit":7}"#)
            // Something new while the page is on its way.
            if seqs.count < 30 { writer.send(#"{"cmd":10,"dstid":"alice"}"#) }
            world.settle()
            let pages = alice.frames()
            let page = try #require(pages.first { $0["cmd"] == "fetched" })
            seqs += page["entries"]?.items.compactMap { $0["seq"]?.number } ?? []
            seqs += pages.filter { $0["cmd"] == 10 }.compactMap { $0["seq"]?.number }
            more = page["more"] == true
        }
        writer.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.settle()
        seqs += alice.frames().compactMap { $0["seq"]?.number }
        #expect(seqs == Array(1...world.store.head(name("alice"))))
    }

    @Test("Much at once doesn't make a session slow whose socket takes it")
    func quickSocket() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice")
        alice.outlet.takesAll = true
        let text = String(repeating: "x", count: 2_000)
        for _ in 0..<250 { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(text)"}"#) }
        world.settle()
        #expect(alice.frames().map { $0["seq"]?.number } == Array(1...250))
        // Nor does it keep one waiting that catches up: nobody would say that its socket has drained.
        let other = world.connect("alice", device: "other", after: 0)
        other.outlet.takesAll = true
        world.settle()
        #expect(other.frames().dropFirst().map { $0["seq"]?.number } == Array(1...250))
    }

    @Test("A fetch that leaves a hole doesn't make a slow session live")
    func fetchBeyondTheHole() throws {
        let world = World()
        let writer = world.online("writer"), alice = world.online("alice")
        let text = String(repeating: "x", count: 40_000)
        for _ in 0..<5 { writer.send(#"{"cmd":10,"dstid":"alice","content":"\#(text)"}"#) }
        world.settle()
        #expect(alice.frames().last?["cmd"] == "behind")
        alice.send(#"{"cmd":"fetch","after":4}"#)
        world.settle()
        #expect(try alice.frame()["entries"]?.items.count == 1)
        writer.send(#"{"cmd":10,"dstid":"alice"}"#)
        world.settle()
        #expect(alice.frames().isEmpty)
    }
}
