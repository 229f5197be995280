import Base
import Glibc
import Testing

@testable import Reactor

struct ListeningTests {
    private static let anyPort = SocketAddress(host: "127.0.0.1", port: 0)

    @Test("Two channels of one loop find each other and talk")
    func connecting() throws {
        let loop = try EventLoop.driven()
        let server = Recorder(), client = Recorder()
        server.onReceive = { $0.prepareToWrite(); $0.buffer.append("pong") }
        let port = try loop.listen(on: ListeningTests.anyPort) { server }
        let channel = try loop.connect(to: SocketAddress(host: "127.0.0.1", port: port), delegate: client)
        channel.prepareToWrite()
        channel.buffer.append("ping")
        loop.tick(until: { client.received.count == 4 })
        #expect(client.connected == 1)
        #expect(server.accepted == 1)
        #expect(server.received == Array("ping".utf8))
        #expect(client.received == Array("pong".utf8))
        #expect(loop.channelCount == 2)
        channel.abort()
        loop.tick(until: { server.closed == 1 })
        #expect(client.closed == 1)
        #expect(loop.channelCount == 0)
    }

    @Test("A connection that nobody takes ends without having been established")
    func refusedConnection() throws {
        let loop = try EventLoop.driven()
        let port = try loop.listen(on: ListeningTests.anyPort) { Recorder() }
        loop.stopListening()
        let client = Recorder()
        _ = try loop.connect(to: SocketAddress(host: "127.0.0.1", port: port), delegate: client)
        loop.tick(until: { client.closed == 1 })
        #expect(client.connected == 0)
    }

    @Test("A taken port is refused to a first listener and shared with the further loops of one router")
    func exclusivePorts() throws {
        let first = try EventLoop.driven(), second = try EventLoop.driven()
        let port = try first.listen(on: ListeningTests.anyPort) { Recorder() }
        let taken = SocketAddress(host: "127.0.0.1", port: port)
        #expect(throws: Errno(rawValue: EADDRINUSE)) {
            try second.listen(on: taken, isExclusive: true) { Recorder() }
        }
        #expect(try second.listen(on: taken, isExclusive: false) { Recorder() } == port)
        first.stopListening()
        second.stopListening()
        #expect(try second.listen(on: taken, isExclusive: true) { Recorder() } == port)
    }

    @Test(
        "Accepting pauses when descriptors run out, says so, and goes on when there are some again",
        .disabled(if: isUnderAddressSanitizer, "it looks for leaks at the exit, and needs descriptors for that"))
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            let loop = try EventLoop.driven()
            let recorder = Recorder()
            var failures: [Errno] = []
            loop.acceptFailed = { failures.append($0) }
            let port = try loop.listen(on: SocketAddress(host: "127.0.0.1", port: 0)) { recorder }
            let peer = Peer.connected(to: port)
            let next = dup(0)
            close(next)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let soft = limit.rlim_cur
            limit.rlim_cur = rlim_t(next)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            loop.tick(until: { !failures.isEmpty })
            precondition(failures == [Errno(rawValue: EMFILE)] && recorder.accepted == 0)
            // Paused: the waiting connection doesn't keep the loop busy.
            loop.tickOnce()
            precondition(failures.count == 1)
            limit.rlim_cur = soft
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            loop.tick(until: { recorder.accepted == 1 })
            precondition(recorder.accepted == 1)
            peer.write([9])
            loop.tick(until: { recorder.received == [9] })
            precondition(recorder.received == [9])
        }
    }

    @Test("Addresses are numeric, in both families")
    func addresses() throws {
        let four = try #require(SocketAddress("127.0.0.1:8080"))
        #expect(four.host == "127.0.0.1" && four.port == 8080 && four.isLoopback && "\(four)" == "127.0.0.1:8080")
        let six = try #require(SocketAddress("[::1]:1"))
        #expect(six.host == "::1" && six.port == 1 && six.isLoopback && "\(six)" == "[::1]:1")
        #expect(try !#require(SocketAddress("0.0.0.0:80")).isLoopback)
        #expect(try !#require(SocketAddress("128.0.0.1:80")).isLoopback)
        for text in ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "localhost:80", ":80", "[::1:80", "1.2.3:4"] {
            #expect(SocketAddress(text) == nil, "\(text)")
        }
    }
}
