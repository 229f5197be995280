import Base
import Glibc
import Testing

@testable import Reactor

struct EventLoopTests {
    let loop: EventLoop

    init() throws { loop = try EventLoop.driven() }

    private func adopt(
        _ recorder: Recorder, packets: Bool = false, sendBufferBytes: Int32? = nil
    ) throws -> (Channel, Peer) {
        let (detached, peer) = socketPair(packets: packets, sendBufferBytes: sendBufferBytes)
        return (try loop.adopt(detached, delegate: recorder), peer)
    }

    private func write(_ bytes: [UInt8], to channel: Channel) {
        channel.prepareToWrite()
        bytes.withUnsafeBytes { channel.buffer.append($0) }
    }

    /// All that the peer gets until the end of the connection.
    private func takeAll(from peer: Peer) -> [UInt8] {
        var taken: [UInt8] = []
        loop.tick(until: {
            while let piece = peer.read() {
                if piece.isEmpty { return true }
                taken += piece
            }
            return false
        })
        return taken
    }

    // MARK: Writing

    @Test("Everything that the phases of a tick write to one socket goes out in one call")
    func oneFlushATick() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder, packets: true)
        recorder.onReceive = { $0.prepareToWrite(); $0.buffer.append("read ") }
        let bound = LoopBound(channel)
        loop.mailbox.post { bound.onLoop.prepareToWrite(); bound.onLoop.buffer.append("mail ") }
        loop.beforeFlush = { channel.prepareToWrite(); channel.buffer.append("handed over") }
        peer.write([1])
        loop.runOnce()
        #expect(peer.read() == Array("read mail handed over".utf8))
        #expect(peer.read() == nil)
        loop.beforeFlush = nil
        loop.tickOnce()
        #expect(peer.read() == nil)
        #expect(channel.pendingBytes == 0)
    }

    @Test("What the kernel doesn't take at once waits, arrives whole, and its end is told once")
    func shortWrites() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder, sendBufferBytes: 8 << 10)
        let bytes = pattern(300_000)
        write(bytes, to: channel)
        loop.tickOnce()
        #expect(channel.isBlocked)
        #expect(channel.pendingBytes > 0)
        #expect(recorder.drained == 0)
        var taken: [UInt8] = []
        loop.tick(until: {
            while let piece = peer.read() { taken += piece }
            return recorder.drained > 0 && taken.count == bytes.count
        })
        #expect(taken == bytes)
        #expect(recorder.drained == 1)
        #expect(!channel.isBlocked)
        write([1, 2, 3], to: channel)
        loop.tickOnce()
        #expect(peer.read() == [1, 2, 3])
        #expect(recorder.drained == 1)
    }

    // MARK: Owners of descriptors

    /// Closes `channel` and adopts a connection that gets its descriptor, with a byte to read.
    private func replace(_ channel: Channel, delegate: Recorder, keeping peers: Peers) {
        let descriptor = channel.descriptor
        channel.abort()
        // The lowest free number is the one that was just closed.
        let (detached, peer) = socketPair()
        peers.kept.append(peer)
        peer.write([7])
        let reopened = try? loop.adopt(detached, delegate: delegate)
        #expect(reopened?.descriptor == descriptor)
    }

    private final class Peers {
        var kept: [Peer] = []
    }

    @Test("An event of a channel that was closed in the same tick reaches nobody, not even who has its descriptor now")
    func staleEvents() throws {
        let first = Recorder(), second = Recorder(), third = Recorder()
        let peers = Peers()
        let (_, firstPeer) = try adopt(first)
        let (secondChannel, secondPeer) = try adopt(second)
        first.onReceive = { _ in replace(secondChannel, delegate: third, keeping: peers) }
        firstPeer.write([1])
        secondPeer.write([2])
        loop.runOnce()
        // It knows the loop, which knows it.
        first.onReceive = nil
        #expect(peers.kept.count == 1)
        #expect(second.received.isEmpty)
        #expect(second.closed == 1)
        #expect(third.received.isEmpty)
        loop.tick(until: { !third.received.isEmpty })
        #expect(third.received == [7])
        #expect(second.received.isEmpty)
    }

    @Test("A timer of a closed channel doesn't come up for the next one in its place")
    func staleTimers() throws {
        let old = Recorder()
        var tokens: Set<UInt64> = []
        for _ in 0..<4 {
            let (channel, _) = try adopt(old)
            tokens.insert(channel.token)
            loop.startTimer(channel, seconds: 1)
            channel.abort()
            loop.tickOnce()
        }
        #expect(tokens.count == 4)
        let new = Recorder()
        let (channel, peer) = try adopt(new)
        let start = loop.second
        loop.tick(until: { loop.second >= start + 2 })
        #expect(new.timers == 0)
        #expect(old.timers == 0)
        #expect(channel.state == .open)
        _ = peer
    }

    @Test("A timer comes up as long as its owner asks for it")
    func timers() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder)
        recorder.nextTimer = 1
        loop.startTimer(channel, seconds: 1)
        loop.tick(until: { recorder.timers == 1 })
        recorder.nextTimer = nil
        loop.tick(until: { recorder.timers == 2 })
        let start = loop.second
        loop.tick(until: { loop.second >= start + 2 })
        #expect(recorder.timers == 2)
        _ = peer
    }

    @Test("A channel that moves to another loop takes its unsent bytes and its peer along")
    func moving() throws {
        let before = Recorder(), after = Recorder()
        let (channel, peer) = try adopt(before, sendBufferBytes: 8 << 10)
        let bytes = pattern(200_000)
        write(bytes, to: channel)
        loop.tickOnce()
        #expect(channel.isBlocked)
        let detached = loop.detach(channel)
        #expect(loop.channelCount == 0)
        #expect(!detached.unsent.isEmpty)
        let other = try EventLoop.driven()
        let adopted = try other.adopt(detached, delegate: after)
        write([0xAA, 0xBB], to: adopted)
        var taken: [UInt8] = []
        other.tick(until: {
            while let piece = peer.read() { taken += piece }
            return taken.count == bytes.count + 2
        })
        #expect(taken == bytes + [0xAA, 0xBB])
        peer.write([5])
        other.tick(until: { !after.received.isEmpty })
        loop.tickOnce()
        #expect(after.received == [5])
        #expect(before.received.isEmpty)
        #expect(before.closed == 0)
    }

    @Test("A detached channel that nobody adopts closes with its object")
    func nobodyAdopts() throws {
        let (channel, peer) = try adopt(Recorder())
        do { _ = loop.detach(channel) }
        #expect(peer.read() == [])
    }

    // MARK: Reading

    @Test("A channel that is not read from keeps its bytes, and is read from again")
    func pausedReading() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder)
        channel.setReading(false)
        peer.write([1, 2])
        loop.tickOnce()
        loop.tickOnce()
        #expect(recorder.received.isEmpty)
        channel.setReading(true)
        loop.tick(until: { !recorder.received.isEmpty })
        #expect(recorder.received == [1, 2])
    }

    @Test("A peer that goes away while it isn't read from ends the channel instead of keeping the loop busy")
    func resetWhilePaused() throws {
        let recorder = Recorder()
        let port = try loop.listen(on: SocketAddress(host: "127.0.0.1", port: 0)) { recorder }
        let peer = Peer.connected(to: port)
        loop.tick(until: { recorder.accepted == 1 })
        recorder.channel?.setReading(false)
        peer.reset()
        loop.tick(until: { recorder.closed == 1 })
        #expect(loop.channelCount == 0)
    }

    // MARK: The end

    @Test("Closing sends what is written, waits for the peer's end, and then ends")
    func closingWithPeer() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder)
        write(Array("bye".utf8), to: channel)
        channel.closeAfterFlush()
        loop.tickOnce()
        #expect(peer.read() == Array("bye".utf8))
        #expect(peer.read() == [])
        #expect(recorder.closed == 0)
        peer.write([1])
        loop.tickOnce()
        #expect(recorder.received.isEmpty)
        peer.close()
        loop.tick(until: { recorder.closed == 1 })
        #expect(loop.channelCount == 0)
    }

    @Test("Closing gives a peer that doesn't end its side two seconds, whatever timers run")
    func closingAlone() throws {
        let recorder = Recorder()
        recorder.nextTimer = 1
        let (channel, peer) = try adopt(recorder)
        loop.startTimer(channel, seconds: 1)
        channel.closeAfterFlush()
        let start = loop.second
        loop.tick(until: { recorder.closed == 1 })
        #expect((start + 2...start + 3).contains(loop.second))
        #expect(recorder.timers == 0)
        _ = peer
    }

    @Test("A timer that comes up while a closing channel still sends doesn't cut off what is written")
    func closingWhileBlocked() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder, sendBufferBytes: 8 << 10)
        let bytes = pattern(300_000)
        loop.startTimer(channel, seconds: 1)
        write(bytes, to: channel)
        channel.closeAfterFlush()
        let start = loop.second
        loop.tick(until: { loop.second > start })
        #expect(recorder.closed == 0)
        #expect(takeAll(from: peer) == bytes)
    }

    @Test("A closing channel gets rid of what is written however long its peer pauses now and then")
    func closingWithPauses() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder, sendBufferBytes: 8 << 10)
        let bytes = pattern(300_000)
        write(bytes, to: channel)
        channel.closeAfterFlush()
        let start = loop.second
        loop.tick(until: { loop.second >= start + 5 })
        #expect(recorder.closed == 0)
        #expect(takeAll(from: peer) == bytes)
    }

    @Test("A closing channel whose peer takes nothing ends too, without any timer of its owner's")
    func closingBlockedForever() throws {
        let recorder = Recorder()
        let (channel, peer) = try adopt(recorder, sendBufferBytes: 8 << 10)
        write(pattern(300_000), to: channel)
        channel.closeAfterFlush()
        loop.tick(seconds: 20, until: { recorder.closed == 1 })
        _ = peer
    }
}
