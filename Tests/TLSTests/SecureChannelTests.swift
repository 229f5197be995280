import Base
import Glibc
import Reactor
import Testing

@testable import TLS

/// A delegate that notes what happens and does what the test says.
final class Recorder: AcceptingDelegate {
    var channel: Channel?
    var received: [UInt8] = []
    var drained = 0
    var closed = 0
    var peerEnded = 0
    var onReceive: ((Channel) -> Void)?

    func channelAccepted(_ channel: Channel) { self.channel = channel }
    func channelConnected(_ channel: Channel) { self.channel = channel }
    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        received += Array(bytes)
        onReceive?(channel)
    }
    func channelTimer(_ channel: Channel) -> UInt64? { nil }
    func channelDrained(_ channel: Channel) { drained += 1 }
    func channelPeerEnded(_ channel: Channel) -> Bool {
        peerEnded += 1
        return false
    }
    func channelClosed(_ channel: Channel) {
        self.channel = nil
        closed += 1
    }
}

extension Channel {
    func write(_ bytes: [UInt8]) {
        prepareToWrite()
        bytes.withUnsafeBytes { buffer.append($0) }
    }
}

/// Channels that speak TLS, on a loop that the test drives, over real sockets.
struct SecureChannelTests {
    let certificate: TestCertificate
    let client = Recorder()
    let server = Recorder()

    init() throws { certificate = try TestCertificate() }

    private func loop() throws -> EventLoop { try EventLoop(mailbox: Mailbox()) }

    private func listen(_ loop: EventLoop) throws -> SocketAddress {
        let security = ListenerSecurity(try certificate.server(), answerToPlainHTTP: "plain!")
        let any = SocketAddress(host: "127.0.0.1", port: 0)
        let port = try loop.listen(on: any, security: security) { server }
        return SocketAddress(host: "127.0.0.1", port: port)
    }

    private func connect(_ loop: EventLoop, to address: SocketAddress) throws -> Channel {
        let security = try ClientTLS(trusting: certificate.certificate)
        return try loop.connect(to: address, security: security, delegate: client)
    }

    private func tick(
        _ loops: EventLoop..., until isDone: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let deadline = Clock.monotonicNanoseconds + 10_000_000_000
        while !isDone() {
            guard Clock.monotonicNanoseconds < deadline else {
                Issue.record("it doesn't come about", sourceLocation: sourceLocation)
                return
            }
            for loop in loops {
                // So that it doesn't sleep while another has something to do.
                loop.mailbox.post {}
                loop.runOnce()
            }
        }
    }

    @Test("What is written before the handshake is done goes out then, and both sides hear each other")
    func exchange() throws {
        let loop = try loop()
        let channel = try connect(loop, to: try listen(loop))
        channel.write(Array("hello".utf8))
        tick(loop, until: { server.received.count == 5 })
        #expect(server.received == Array("hello".utf8))
        server.channel?.write(Array("you too".utf8))
        tick(loop, until: { client.received.count == 7 })
        #expect(client.received == Array("you too".utf8))
        #expect(channel.pendingBytes == 0 && server.channel?.pendingBytes == 0)
    }

    @Test("What the peer doesn't take is counted until it has, arrives whole, and its end is told once")
    func slowReader() throws {
        let loop = try loop()
        let channel = try connect(loop, to: try listen(loop))
        channel.write([1])
        tick(loop, until: { !server.received.isEmpty })
        channel.setReading(false)
        let bytes = pattern(20 << 20)
        server.channel?.write(bytes)
        tick(loop, until: { server.channel?.isBlocked == true })
        let waiting = try #require(server.channel).pendingBytes
        #expect(waiting > 1 << 20 && waiting < bytes.count)
        #expect(server.drained == 0)
        channel.setReading(true)
        tick(loop, until: { client.received.count >= bytes.count })
        #expect(client.received == bytes)
        #expect(server.channel?.pendingBytes == 0)
        #expect(server.drained == 1)
    }

    @Test("Who is to be closed gets all that was written, and a goodbye; the other side hears of the end")
    func closing() throws {
        let loop = try loop()
        let channel = try connect(loop, to: try listen(loop))
        server.onReceive = { channel in
            channel.write(pattern(300_000))
            channel.closeAfterFlush()
        }
        channel.write([1])
        tick(loop, until: { client.closed == 1 && server.closed == 1 })
        #expect(client.received == pattern(300_000))
        #expect(client.peerEnded == 1)
    }

    @Test("A connection that goes to another loop keeps speaking, in both directions")
    func moving() throws {
        let first = try loop(), second = try loop()
        let channel = try connect(first, to: try listen(first))
        channel.write([1, 2])
        tick(first, until: { server.received.count == 2 })
        let accepted = try #require(server.channel)
        // Not all of this is taken by the kernel: records and plain bytes go along.
        channel.setReading(false)
        let before = pattern(12 << 20)
        accepted.write(before)
        tick(first, until: { accepted.isBlocked })
        let moved = Recorder()
        let adopted = try second.adopt(first.detach(accepted), delegate: moved)
        adopted.write([9])
        channel.setReading(true)
        channel.write([3, 4])
        tick(first, second, until: { client.received.count > before.count && moved.received.count == 2 })
        #expect(client.received == before + [9])
        #expect(moved.received == [3, 4])
        #expect(server.received == [1, 2] && server.closed == 0)
    }

    @Test("A connection that nobody adopts is closed")
    func lost() throws {
        let loop = try loop()
        let channel = try connect(loop, to: try listen(loop))
        channel.write([1])
        tick(loop, until: { server.channel != nil && !server.received.isEmpty })
        do {
            let detached = loop.detach(try #require(server.channel))
            server.channel = nil
            _ = detached
        }
        tick(loop, until: { client.closed == 1 })
    }

    @Test("HTTP without TLS is answered in words, garbage by the end, and both are told of")
    func withoutTLS() throws {
        let loop = try loop()
        let address = try listen(loop)
        var failures: [TLSFailure] = []
        loop.handshakeFailed = { failures.append($0) }
        let plain = try loop.connect(to: address, delegate: client)
        plain.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        tick(loop, until: { client.closed == 1 })
        #expect(client.received == Array("plain!".utf8))
        let garbler = Recorder()
        let garbled = try loop.connect(to: address, delegate: garbler)
        garbled.write(pattern(500))
        tick(loop, until: { garbler.closed == 1 })
        #expect(failures.first == .plainHTTP)
        #expect(failures.count == 2)
        #expect(server.received.isEmpty)
    }

    @Test("A storm of clients gets in, a few handshakes a tick")
    func storm() throws {
        let loop = try loop()
        let security = ListenerSecurity(try certificate.server(), answerToPlainHTTP: "")
        var accepted: [Recorder] = []
        let port = try loop.listen(on: SocketAddress(host: "127.0.0.1", port: 0), security: security) {
            accepted.append(Recorder())
            return accepted[accepted.count - 1]
        }
        let trust = try ClientTLS(trusting: certificate.certificate)
        let clients = (0..<60).map { _ in Recorder() }
        for one in clients {
            let address = SocketAddress(host: "127.0.0.1", port: port)
            try loop.connect(to: address, security: trust, delegate: one).write([7])
        }
        tick(loop, until: { accepted.count == 60 && accepted.allSatisfy { $0.received == [7] } })
    }
}
