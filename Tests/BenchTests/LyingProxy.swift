import Foundation
import Synchronization

/// Stands between clients of the binary protocol and a router, and lies now and then.
final class LyingProxy: Sendable {
    enum Lie: String, CaseIterable, Sendable {
        /// Nothing but the truth.
        case none
        /// A message is sent twice under one `cid`, which is harmless: the router must know it again.
        case repeatedSend
        /// A message is acked and never reaches the router.
        case ackOfNothing
        /// A message is stored once more, under a `cid` that its sender never used.
        case inventedMessage
        /// An ack tells another place in the conversation than the store.
        case wrongNumber
        case repeatedPush, missingPush, reorderedPushes, changedText
    }

    let port: UInt16
    private let upstream: UInt16
    private let lie: Lie
    private let listener: Int32
    private let pushes = Atomic(0)
    private let sends = Atomic(0)
    private let acks = Atomic(0)

    init(to upstream: UInt16, lie: Lie) throws {
        self.upstream = upstream
        self.lie = lie
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = LyingProxy.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 128) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard result else { throw POSIXError(.EADDRINUSE) }
        port = UInt16(bigEndian: address.sin_port)
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    func start() { Thread.detachNewThread { self.acceptAll() } }

    /// Lets nobody in any more.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { break }
            let router = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = LyingProxy.address(upstream)
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(router, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard connected == 0 else { break }
            let pair = Pair(client: client, router: router)
            Thread.detachNewThread { self.carryRequests(pair) }
            Thread.detachNewThread { self.carryReplies(pair) }
        }
        close(listener)
    }

    // MARK: Frames

    /// Every so many frames of a kind one is a lie.
    private static let liesEvery = 20

    private func isTurn(_ counter: borrowing Atomic<Int>) -> Bool {
        counter.add(1, ordering: .relaxed).newValue % LyingProxy.liesEvery == 0
    }

    private func carryRequests(_ pair: Pair) {
        while var frame = Pair.readFrame(from: pair.client) {
            guard frame[4] == 3, isTurn(sends) else {
                pair.write(frame, to: pair.router)
                continue
            }
            switch lie {
            case .ackOfNothing:
                var ack: [UInt8] = [40, 0, 0, 0, 4, 0, 0, 0] + frame[8..<16]
                for number: UInt64 in [1 << 40, 1, 1, 1] {
                    withUnsafeBytes(of: number.littleEndian) { ack.append(contentsOf: $0) }
                }
                pair.writeToClient(ack)
            case .repeatedSend:
                pair.write(frame + frame, to: pair.router)
            case .inventedMessage:
                pair.write(frame, to: pair.router)
                frame[14] = 0x7F
                pair.write(frame, to: pair.router)
            default: pair.write(frame, to: pair.router)
            }
        }
        pair.end()
    }

    private func carryReplies(_ pair: Pair) {
        var held: [UInt8] = []
        while var frame = Pair.readFrame(from: pair.router) {
            switch (frame[4], lie) {
            case (4, .wrongNumber) where isTurn(acks): frame[24] ^= 0x40
            case (5, .repeatedPush) where isTurn(pushes): frame += frame
            case (5, .missingPush) where isTurn(pushes): continue
            case (5, .reorderedPushes) where held.isEmpty && isTurn(pushes):
                held = frame
                continue
            case (5, .changedText) where frame.last.map { (97...122).contains($0) } == true && isTurn(pushes):
                frame[frame.count - 1] ^= 0x20
            default: break
            }
            pair.writeToClient(frame + held)
            held = []
        }
        pair.end()
    }

    /// A client's connection and its continuation to the router.
    private final class Pair: Sendable {
        let client: Int32
        let router: Int32
        private let isEnded = Mutex(false)
        private let writing = Mutex(())

        init(client: Int32, router: Int32) {
            self.client = client
            self.router = router
        }

        deinit {
            close(client)
            close(router)
        }

        /// Both sides learn that it is over; the descriptors go when both threads are done.
        func end() {
            isEnded.withLock { isEnded in
                if !isEnded { for side in [client, router] { shutdown(side, Int32(SHUT_RDWR)) } }
                isEnded = true
            }
        }

        func writeToClient(_ bytes: [UInt8]) { writing.withLock { _ in write(bytes, to: client) } }

        func write(_ bytes: [UInt8], to descriptor: Int32) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard sent > 0 else { return }
                rest = rest.dropFirst(sent)
            }
        }

        /// A whole frame; nil at the end of the connection.
        static func readFrame(from descriptor: Int32) -> [UInt8]? {
            guard var frame = read(8, from: descriptor) else { return nil }
            let length = frame.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self).littleEndian }
            guard let body = read(Int(length), from: descriptor) else { return nil }
            frame += body
            return frame
        }

        private static func read(_ count: Int, from descriptor: Int32) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: count)
            var filled = 0
            while filled < count {
                let got = bytes.withUnsafeMutableBytes {
                    recv(descriptor, $0.baseAddress.map { $0 + filled }, count - filled, 0)
                }
                guard got > 0 else { return nil }
                filled += got
            }
            return bytes
        }
    }
}
