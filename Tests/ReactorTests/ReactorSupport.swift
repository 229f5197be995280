import Base
import Glibc
import Testing

@testable import Reactor

/// A delegate that notes what happens and does what the test says.
final class Recorder: AcceptingDelegate {
    var channel: Channel?
    var received: [UInt8] = []
    var accepted = 0
    var connected = 0
    var drained = 0
    var closed = 0
    var timers = 0
    var nextTimer: UInt64?
    var onReceive: ((Channel) -> Void)?

    func channelAccepted(_ channel: Channel) {
        self.channel = channel
        accepted += 1
    }

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        received += Array(bytes)
        onReceive?(channel)
    }

    func channelTimer(_ channel: Channel) -> UInt64? {
        timers += 1
        return nextTimer
    }

    func channelConnected(_ channel: Channel) { connected += 1 }
    func channelDrained(_ channel: Channel) { drained += 1 }
    func channelClosed(_ channel: Channel) { closed += 1 }
}

/// The far end of a connection, without a loop. Never blocks.
final class Peer {
    let descriptor: Int32
    private var isClosed = false

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close() }

    func close() {
        if !isClosed { _ = Glibc.close(descriptor) }
        isClosed = true
    }

    /// Ends the connection by a reset instead of an end of stream.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func write(_ bytes: [UInt8]) { #expect(send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count) }

    /// One read of at most `limit` bytes; nil if nothing is there, empty at the end.
    func read(_ limit: Int = 1 << 16) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &bytes, limit, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : Array(bytes[..<count])
    }

    /// A client of `port` on loopback; the kernel accepts it without the loop's help.
    static func connected(to port: UInt16) -> Peer {
        let peer = Peer(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(peer.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(result == 0)
        return peer
    }
}

/// Both ends of a local connection, the first one to be adopted by a loop. A sequenced packet shows each call of
/// `send` as one packet.
func socketPair(packets: Bool = false, sendBufferBytes: Int32? = nil) -> (DetachedChannel, Peer) {
    var descriptors: [Int32] = [-1, -1]
    let type = packets ? SOCK_SEQPACKET : SOCK_STREAM
    // Not for the processes that other tests start: an end that they hold keeps the connection open.
    let flags = Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    #expect(socketpair(AF_UNIX, flags, 0, &descriptors) == 0)
    if var size = sendBufferBytes {
        setsockopt(descriptors[0], SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    return (DetachedChannel(.table(descriptors[0]), table: DescriptorTable(), unsent: []), Peer(descriptors[1]))
}

extension EventLoop {
    /// A loop that the test itself drives, tick by tick.
    static func driven() throws -> EventLoop { try EventLoop(mailbox: Mailbox()) }

    /// Ticks until `isDone`; fails after ten seconds.
    func tick(
        seconds: UInt64 = 10, until isDone: () -> Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let deadline = Clock.monotonicNanoseconds + seconds * 1_000_000_000
        while !isDone() {
            guard Clock.monotonicNanoseconds < deadline else {
                Issue.record("it doesn't come about", sourceLocation: sourceLocation)
                return
            }
            runOnce()
        }
    }

    /// One tick that doesn't wait.
    func tickOnce() {
        mailbox.post {}
        runOnce()
    }
}

/// Bytes that tell where they were cut or swapped.
func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16) } }
