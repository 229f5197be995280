import Base
import Foundation
import Testing

@testable import TLS

/// One end, with what it has received and what waits to be carried to the other.
final class End {
    private var connection: TLSConnection
    private var unsent = OutputBuffer()
    private(set) var received: [UInt8] = []
    private(set) var standing = TLSConnection.Standing.open

    init(_ connection: consuming TLSConnection) { self.connection = connection }

    var isEstablished: Bool { connection.isEstablished }
    var isResumed: Bool { connection.isResumed }
    var version: String { connection.version }
    var applicationProtocol: String { connection.applicationProtocol }

    func take(_ bytes: some Collection<UInt8>) {
        let room = TLSConnection.plainBytesMax(of: bytes.count)
        let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
        defer { plain.deallocate() }
        let (count, standing) = Array(bytes).withUnsafeBytes {
            connection.open($0, into: plain, answering: &unsent)
        }
        received += plain[..<count]
        self.standing = standing
    }

    func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try connection.seal($0, into: &unsent) } }

    func end() { connection.end(into: &unsent) }

    func takeUnsent() -> [UInt8] {
        defer { unsent.removeAll() }
        return Array(unsent.unsafeBytes)
    }
}

/// Bytes that tell where they were cut or swapped.
func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16) } }

struct TLSConnectionTests {
    let certificate: TestCertificate

    init() throws { certificate = try TestCertificate() }

    private func pair() throws -> (client: End, server: End) {
        (End(try ClientTLS(trusting: certificate.certificate).connect()), End(try certificate.server().accept()))
    }

    /// Carries bytes to and fro, in pieces of `size`, until there are none.
    private func carry(_ client: End, _ server: End, pieces size: Int = 1 << 20) {
        if !client.isEstablished { client.take([]) }
        while true {
            let there = client.takeUnsent(), back = server.takeUnsent()
            if there.isEmpty, back.isEmpty { return }
            for start in stride(from: 0, to: there.count, by: size) {
                server.take(there[start..<min(start + size, there.count)])
            }
            for start in stride(from: 0, to: back.count, by: size) {
                client.take(back[start..<min(start + size, back.count)])
            }
        }
    }

    @Test("Both ends agree on TLS 1.3 and http/1.1, and bytes arrive whole however they are cut", arguments: [1, 7, 1 << 20])
    func exchange(size: Int) throws {
        let (client, server) = try pair()
        carry(client, server, pieces: size)
        #expect(client.isEstablished && server.isEstablished)
        #expect(server.version == "TLSv1.3")
        #expect(server.applicationProtocol == "http/1.1")
        let question = pattern(40_000), answer = pattern(70_000).reversed() as [UInt8]
        try client.write(question)
        try server.write(answer)
        carry(client, server, pieces: size)
        #expect(server.received == question)
        #expect(client.received == answer)
        #expect(server.standing == .open && client.standing == .open)
    }

    @Test("A MiB in one call arrives whole, though the other end gets it as a socket gives it")
    func large() throws {
        let (client, server) = try pair()
        carry(client, server)
        let bytes = pattern(1 << 20)
        try server.write(bytes)
        carry(client, server, pieces: 64 << 10)
        #expect(client.received == bytes)
    }

    @Test("The end of one side is told, with what came before it, and the other side may go on")
    func closeNotify() throws {
        let (client, server) = try pair()
        carry(client, server)
        try client.write([1, 2, 3])
        client.end()
        server.take(client.takeUnsent())
        #expect(server.received == [1, 2, 3])
        #expect(server.standing == .ended)
        try server.write([4])
        server.end()
        client.take(server.takeUnsent())
        #expect(client.received == [4])
        #expect(client.standing == .ended)
    }

    @Test("Garbage fails, and HTTP without TLS is known as such")
    func garbage() throws {
        let server = try certificate.server()
        let plain = End(server.accept())
        plain.take("GET / HTTP/1.1\r\nHost: chat\r\n\r\n".utf8)
        #expect(plain.standing == .failed(.plainHTTP))
        let garbled = End(server.accept())
        garbled.take(pattern(300))
        guard case .failed(.library) = garbled.standing else {
            Issue.record("\(garbled.standing)")
            return
        }
        #expect(!garbled.isEstablished)
    }

    @Test("A changed record fails, what came before it counts, and nothing is told of the rest")
    func changed() throws {
        let (client, server) = try pair()
        carry(client, server)
        try client.write([1, 2, 3])
        let good = client.takeUnsent()
        try client.write([4, 5, 6])
        var bad = client.takeUnsent()
        bad[bad.count - 1] ^= 1
        server.take(good + bad)
        #expect(server.received == [1, 2, 3])
        guard case .failed(.library(let code)) = server.standing else {
            Issue.record("\(server.standing)")
            return
        }
        #expect(TLSFailure.library(code: code).description.contains("bad record mac"))
    }

    @Test("A handshake that doesn't end is given up, and one that is cut off waits")
    func endless() throws {
        let server = try certificate.server()
        let (client, _) = try pair()
        client.take([])
        let hello = client.takeUnsent()
        let cut = End(server.accept())
        cut.take(hello.dropLast(5))
        #expect(cut.standing == .open)
        #expect(!cut.isEstablished && cut.takeUnsent().isEmpty)
        // A hello of a megabyte that never gets whole: type, length, and then records of it.
        let endless = End(server.accept())
        var record: [UInt8] = [22, 3, 1, 0x40, 0, 1, 0x01, 0xFF, 0xFF]
        record += [UInt8](repeating: 0, count: 0x4000 - 4)
        var sent = 0
        while endless.standing == .open, sent < 1 << 20 {
            endless.take(record)
            record = [22, 3, 1, 0x40, 0] + [UInt8](repeating: 0, count: 0x4000)
            sent += record.count
        }
        #expect(sent <= 128 << 10)
    }

    @Test("A new pair of files is for new connections; a wrong one leaves the old, in words")
    func reload() throws {
        let server = try certificate.server()
        let first = try ClientTLS(trusting: certificate.certificate)
        let before = (End(first.connect()), End(server.accept()))
        carry(before.0, before.1)
        #expect(before.1.isEstablished)
        try certificate.make()
        try server.reload()
        let stranger = (End(first.connect()), End(server.accept()))
        carry(stranger.0, stranger.1)
        #expect(!stranger.1.isEstablished)
        let second = try ClientTLS(trusting: certificate.certificate)
        let after = (End(second.connect()), End(server.accept()))
        carry(after.0, after.1)
        #expect(after.1.isEstablished)
        try before.0.write([7])
        before.1.take(before.0.takeUnsent())
        #expect(before.1.received == [7])

        let other = try TestCertificate()
        try FileManager.default.removeItem(atPath: certificate.key)
        try FileManager.default.copyItem(atPath: other.key, toPath: certificate.key)
        let mismatch = #expect(throws: TLSConfigurationError.self) { try server.reload() }
        #expect(mismatch?.description.contains("key values mismatch") == true, "\(String(describing: mismatch))")
        let still = (End(second.connect()), End(server.accept()))
        carry(still.0, still.1)
        #expect(still.1.isEstablished)
    }

    @Test("Files that aren't there, or are no PEM, are refused in words")
    func files() throws {
        let missing = #expect(throws: TLSConfigurationError.self) {
            try ServerTLS(certificate: "/nowhere/c.pem", key: certificate.key, seconds: { 0 })
        }
        #expect(missing?.description.contains("No such file") == true, "\(String(describing: missing))")
        let swapped = #expect(throws: TLSConfigurationError.self) {
            try ServerTLS(certificate: certificate.key, key: certificate.certificate, seconds: { 0 })
        }
        #expect(swapped?.description.contains(certificate.key) == true)
    }
}

struct TicketKeyTests {
    /// A clock that the test sets.
    final class Hand: @unchecked Sendable { var seconds: UInt64 = 1_000 }

    @Test("A key seals for half a day, opens for another, and is gone then")
    func rotation() throws {
        let hand = Hand()
        let keys = TicketKeys(seconds: { hand.seconds })
        let first = keys.current
        hand.seconds += TicketKeys.lifetimeSeconds - 1
        #expect(keys.current.name == first.name)
        hand.seconds += 1
        let second = keys.current
        #expect(second.name != first.name && second.cipher != first.cipher && second.mac != first.mac)
        #expect(try #require(keys.key(named: first.name)).isCurrent == false)
        #expect(try #require(keys.key(named: second.name)).isCurrent)
        hand.seconds += TicketKeys.lifetimeSeconds - 1
        #expect(keys.key(named: first.name)?.key.cipher == first.cipher)
        hand.seconds += 1
        #expect(keys.key(named: first.name) == nil)
        #expect(keys.key(named: second.name) != nil)
        hand.seconds += 10 * TicketKeys.lifetimeSeconds
        #expect(keys.key(named: second.name) == nil)
    }
}
