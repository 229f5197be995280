import Base
import Glibc
import Synchronization
import Testing

@testable import Reactor

struct DescriptorTableTests {
    @Test("A table takes as many as it has room for, and keeps some places for those who come")
    func places() {
        let table = DescriptorTable(capacity: 80)
        #expect(table.headroom == 10)
        for _ in 0..<70 { #expect(table.reserve()) }
        #expect(!table.reserve())
        #expect(table.hasRoomToStay)
        for _ in 0..<10 { #expect(table.reserveForArrival()) }
        #expect(!table.reserveForArrival())
        #expect(!table.hasRoomToStay)
        #expect(table.count == 80)
        table.giveBack()
        #expect(table.reserveForArrival() && !table.reserve())
    }

    @Test("A thread with a table of its own sees what it keeps, and what it opens or closes is nobody else's")
    func ownTable() throws {
        let mailbox = try Mailbox()
        let other = try Mailbox()
        let seen = Mutex<[Bool]>([])
        let kept = mailbox.descriptor, left = other.descriptor
        LoopThread(name: "own") {
            do throws(Errno) {
                try DescriptorTable.makeOwn(mailboxes: [mailbox])
                let isThere = [kept, left].map { fcntl($0, F_GETFD) >= 0 }
                let opened = try SystemCall.eventfd().release()
                seen.withLock { $0 = isThere + [fcntl(opened, F_GETFD) >= 0] }
                close(kept)
                mailbox.post {}
            } catch {
                seen.withLock { $0 = [] }
            }
        }.join()
        #expect(seen.withLock { $0 } == [true, false, true])
        #expect(fcntl(kept, F_GETFD) >= 0 && fcntl(left, F_GETFD) >= 0)
    }

    @Test("A connection moves between two tables with what was written, and its peer notices nothing")
    func betweenTables() async throws {
        let passage = try DescriptorPassage()
        let home = try OwnLoop(entrance: passage, passages: [passage])
        let loop = try EventLoop.driven()
        let before = Recorder()
        let (detached, peer) = socketPair(sendBufferBytes: 8 << 10)
        let channel = try loop.adopt(detached, delegate: before)
        let bytes = pattern(200_000)
        channel.prepareToWrite()
        bytes.withUnsafeBytes { channel.buffer.append($0) }
        loop.tickOnce()
        #expect(channel.isBlocked)
        let number = channel.descriptor
        #expect(home.table.reserve())
        loop.move(channel, through: passage, into: home.table) { home.adopt($0) }
        #expect(!loop.isMoving && loop.channelCount == 0)
        #expect(fcntl(number, F_GETFD) == -1)
        peer.write([5, 6])
        var taken: [UInt8] = []
        let deadline = Clock.monotonicNanoseconds + 10_000_000_000
        while taken.count < bytes.count || home.received != [5, 6], Clock.monotonicNanoseconds < deadline {
            if let piece = peer.read() { taken += piece }
        }
        #expect(taken == bytes)
        #expect(home.received == [5, 6])
        #expect(home.table.count == 1)
        home.stop()
        #expect(home.table.count == 0)
        #expect(peer.read() == [])
        #expect(before.received.isEmpty && before.closed == 0)
    }

    // Two loops on this thread and in one table: a passage gives the descriptor another number all the same.

    private struct TwoLoops {
        let from: EventLoop
        let passage: DescriptorPassage
        let to: EventLoop

        init() throws {
            passage = try DescriptorPassage()
            from = try EventLoop(mailbox: Mailbox(), table: DescriptorTable(capacity: 1_000))
            to = try EventLoop(mailbox: Mailbox(), table: DescriptorTable(capacity: 1_000), entrance: passage)
        }

        /// Moves a new connection, from which `byte` is to be read; `mails` gets what is to be adopted.
        func move(_ byte: UInt8, _ mails: Mails) throws -> Peer {
            let (detached, peer) = socketPair()
            #expect(from.table.reserve() && to.table.reserve())
            let channel = try from.adopt(detached, delegate: Recorder())
            peer.write([byte])
            from.move(channel, through: passage, into: to.table) { mails.list.append($0) }
            return peer
        }
    }

    private final class Mails {
        var list: [DetachedChannel] = []
    }

    @Test("Descriptors find their connections, in whatever order these are told of")
    func tickets() throws {
        let loops = try TwoLoops()
        let mails = Mails()
        let peers = try (0..<20 as Range<UInt8>).map { try loops.move($0, mails) }
        var recorders: [Int: Recorder] = [:]
        let order = mails.list.indices.sorted { $0 * 7 % 20 < $1 * 7 % 20 }
        for index in order {
            let recorder = Recorder()
            _ = try loops.to.adopt(mails.list[index], delegate: recorder)
            recorders[index] = recorder
        }
        loops.to.tick(until: { recorders.values.allSatisfy { !$0.received.isEmpty } })
        for (index, recorder) in recorders { #expect(recorder.received == [UInt8(index)]) }
        #expect(loops.from.table.count == 0 && loops.to.table.count == 20)
        _ = peers
    }

    @Test("A full passage holds connections back, and none is lost or told of before it is through")
    func fullPassage() throws {
        let loops = try TwoLoops()
        var size: Int32 = 1
        setsockopt(loops.passage.way, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        let mails = Mails()
        let peers = try (0..<40 as Range<UInt8>).map { try loops.move($0, mails) }
        #expect(loops.from.isMoving && mails.list.count < 40)
        // Each still has a place where it comes from.
        #expect(loops.from.table.count == 40 - mails.list.count)
        var recorders: [Recorder] = []
        loops.from.tick(until: {
            for mail in mails.list[recorders.count...] {
                recorders.append(Recorder())
                _ = try? loops.to.adopt(mail, delegate: recorders[recorders.count - 1])
            }
            return recorders.count == 40
        })
        #expect(!loops.from.isMoving)
        loops.to.tick(until: { recorders.allSatisfy { !$0.received.isEmpty } })
        #expect(recorders.map(\.received) == (0..<40).map { [$0] })
        #expect(loops.from.table.count == 0 && loops.to.table.count == 40)
        _ = peers
    }

    @Test("A peer that is gone on the way ends the connection where it arrives")
    func closedPeer() throws {
        let loops = try TwoLoops()
        let mails = Mails()
        let peer = try loops.move(1, mails)
        peer.close()
        let recorder = Recorder()
        _ = try loops.to.adopt(mails.list[0], delegate: recorder)
        loops.to.tick(until: { recorder.closed == 1 })
        #expect(recorder.received == [1])
        #expect(loops.to.table.count == 0)
    }

    @Test("A connection that nobody adopts gives its place back, and ends with the passage")
    func nobodyAdopts() throws {
        let peer: Peer
        let table: DescriptorTable
        do {
            let loops = try TwoLoops()
            let mails = Mails()
            peer = try loops.move(1, mails)
            table = loops.to.table
            mails.list = []
            #expect(table.count == 0)
            #expect(peer.read() == nil)
        }
        // With nothing read, the end may come as a reset.
        #expect(peer.read() ?? [] == [])
        var wait = pollfd(fd: peer.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&wait, 1, 1_000) == 1)
    }

    @Test(
        "A table without a place loses the connection and says so; the next finds its own",
        .disabled(if: isUnderAddressSanitizer, "it looks for leaks at the exit, and needs descriptors for that"))
    func fullTable() async {
        await #expect(processExitsWith: .success) {
            let loops = try TwoLoops()
            let mails = Mails()
            let peers = try [loops.move(1, mails), loops.move(2, mails)]
            let next = dup(0)
            close(next)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let soft = limit.rlim_cur
            limit.rlim_cur = rlim_t(next)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            do {
                _ = try loops.to.adopt(mails.list[0], delegate: Recorder())
                preconditionFailure("there is no descriptor for it")
            } catch {
                precondition(error as? Errno == Errno.tableFull)
            }
            precondition(loops.to.table.count == 1)
            limit.rlim_cur = soft
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var byte: UInt8 = 0
            // Its peer reads the end, or a reset, since its byte was never read.
            precondition(recv(peers[0].descriptor, &byte, 1, 0) <= 0)
            let recorder = Recorder()
            _ = try loops.to.adopt(mails.list[1], delegate: recorder)
            loops.to.tick(until: { recorder.received == [2] })
            precondition(recorder.received == [2])
        }
    }

    @Test("Accepting pauses when the table is full, and goes on when there is a place")
    func fullForArrivals() throws {
        let table = DescriptorTable(capacity: 1)
        let loop = try EventLoop(mailbox: Mailbox(), table: table)
        var failures: [Errno] = []
        loop.acceptFailed = { failures.append($0) }
        var recorders: [Recorder] = []
        let port = try loop.listen(on: SocketAddress(host: "127.0.0.1", port: 0)) {
            recorders.append(Recorder())
            return recorders[recorders.count - 1]
        }
        let first = Peer.connected(to: port), second = Peer.connected(to: port)
        loop.tick(until: { !failures.isEmpty })
        #expect(failures == [Errno.tableFull] && recorders.count == 1)
        loop.tickOnce()
        #expect(failures.count == 1)
        first.close()
        loop.tick(until: { recorders.count == 2 && recorders[1].accepted == 1 })
        #expect(table.count == 1)
        second.write([3])
        loop.tick(until: { recorders[1].received == [3] })
        #expect(recorders[1].received == [3])
    }
}

/// A loop on a thread and in a table of its own.
private final class OwnLoop: Sendable {
    let table = DescriptorTable(capacity: 100)
    private let mailbox: Mailbox
    private let loop = Mutex<LoopBound<EventLoop>?>(nil)
    private let bytes = Mutex<[UInt8]>([])
    private let thread = Mutex<LoopThread?>(nil)

    /// What came in on the connection that was adopted.
    var received: [UInt8] { bytes.withLock { $0 } }

    init(entrance: DescriptorPassage, passages: [DescriptorPassage]) throws {
        let mailbox = try Mailbox()
        self.mailbox = mailbox
        thread.withLock { thread in
            thread = LoopThread(name: "own") { [unowned self] in
                do throws(Errno) {
                    try DescriptorTable.makeOwn(mailboxes: [mailbox], passages: passages, entrance: entrance)
                    let loop = try EventLoop(mailbox: mailbox, table: table, entrance: entrance)
                    self.loop.withLock { $0 = LoopBound(loop) }
                    loop.run()
                } catch {
                    Issue.record("no loop: \(error)")
                }
            }
        }
    }

    func adopt(_ detached: DetachedChannel) {
        mailbox.post { [self] in
            let recorder = Recorder()
            recorder.onReceive = { [unowned recorder, unowned self] _ in bytes.withLock { $0 = recorder.received } }
            guard let loop = loop.withLock({ $0 })?.onLoop else { return }
            do { _ = try loop.adopt(detached, delegate: recorder) } catch { Issue.record("not adopted: \(error)") }
        }
    }

    func stop() {
        mailbox.post { [self] in loop.withLock { $0 }?.onLoop.stop() }
        thread.withLock { $0 }?.join()
        loop.withLock { $0 = nil }
    }
}
