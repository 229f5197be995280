import Base
import Glibc
import Testing
import Wire

/// RFC 6455, section 5: frames and messages. Every stream is also fed in pieces, cut at every byte.
struct WebSocketDecoderTests {
    private func expect(
        _ stream: [UInt8], _ expected: [Received], role: WebSocketRole = .server, messageBytesMax: Int = 1 << 20,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for pieces in waysToCut(stream) {
            let received = receive(pieces, role: role, messageBytesMax: messageBytesMax)
            #expect(received == expected, "\(pieces.map(\.count))", sourceLocation: sourceLocation)
        }
    }

    /// The examples of section 5.7.
    @Test func decodesTheExamplesOfTheRFC() {
        expect([0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F], [.text("Hello")], role: .client)
        expect([0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], [.text("Hello")])
        expect([0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F], [.text("Hello")], role: .client)
        expect([0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F], [.ping(Array("Hello".utf8))], role: .client)
        expect(
            [0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], [.pong(Array("Hello".utf8))])
        let many = [UInt8](repeating: 7, count: 256)
        expect([0x82, 0x7E, 0x01, 0x00] + many, [.message(.binary, many)], role: .client)
        let more = [UInt8](repeating: 8, count: 65_536)
        let frame: [UInt8] = [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + more
        #expect(receive([frame], role: .client) == [.message(.binary, more)])
        #expect(receive([Array(frame[..<9]), Array(frame[9...])], role: .client) == [.message(.binary, more)])
    }

    @Test(arguments: [0, 1, 7, 8, 9, 124, 125, 126, 127, 128, 1_000, 65_535, 65_536, 65_537])
    func decodesLengths(_ count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let stream = TestFrame(first: 0x82, payload: payload).bytes
        for pieces in [[stream], [stream, stream], [Array(stream[..<1]), Array(stream[1...])], stream.map { [$0] }] {
            let expected = pieces.count == 2 && pieces[0] == pieces[1] ? 2 : 1
            #expect(receive(pieces) == Array(repeating: .message(.binary, payload), count: expected))
        }
    }

    @Test func decodesManyFramesOfOneRead() {
        let texts = ["", "a", "grüße", "日本語", "👍🏽", String(repeating: "x", count: 300)]
        expect(texts.flatMap { TestFrame.text($0) }, texts.map { .text($0) })
    }

    @Test func assemblesFragments() {
        expect(
            TestFrame.text("one ", first: 0x01) + TestFrame.text("", first: 0x00) + TestFrame.text("two", first: 0x80)
                + TestFrame.text("next"),
            [.text("one two"), .text("next")])
        expect(TestFrame.text("", first: 0x01) + TestFrame.text("", first: 0x80), [.text("")])
        let binary = TestFrame(first: 0x02, payload: [0xFF]).bytes + TestFrame(first: 0x80, payload: [0xFE]).bytes
        expect(binary, [.message(.binary, [0xFF, 0xFE])])
    }

    /// Section 5.4: control frames may come between fragments; a character may be cut between them.
    @Test func takesControlFramesBetweenFragments() {
        let text = Array("€".utf8)
        expect(
            TestFrame(first: 0x01, payload: [text[0]]).bytes + TestFrame.control(0x89, [1, 2, 3])
                + TestFrame(first: 0x00, payload: [text[1]]).bytes + TestFrame.control(0x8A, [])
                + TestFrame(first: 0x80, payload: [text[2]]).bytes + TestFrame.control(0x89, Array(0..<125)),
            [.ping([1, 2, 3]), .pong([]), .text("€"), .ping(Array(0..<125))])
        expect(
            TestFrame.text("x", first: 0x01) + TestFrame.close(1000, Array("bye".utf8)) + TestFrame.text("y"),
            [.close(1000, Array("bye".utf8))])
    }

    /// Section 5.2: every first byte, outside of a message and inside of one.
    @Test func checksEveryFirstByte() {
        for first in UInt8.min...UInt8.max {
            let opcode = first & 0x0F
            let isFinal = first & 0x80 != 0
            let stream = TestFrame(first: first, payload: []).bytes
            let inside = TestFrame.text("a", first: 0x01) + stream
            var outsideExpected: [Received] = []
            var insideExpected: [Received] = []
            switch (opcode, isFinal) {
            case _ where first & 0x70 != 0: outsideExpected = [.failure(.reservedBits)]
            case (3...7, _), (11...15, _): outsideExpected = [.failure(.reservedOpcode)]
            case (8...10, false): outsideExpected = [.failure(.fragmentedControl)]
            case (8, true): outsideExpected = [.close(nil, [])]
            case (9, true): outsideExpected = [.ping([])]
            case (10, true): outsideExpected = [.pong([])]
            case (0, _):
                outsideExpected = [.failure(.unexpectedContinuation)]
                insideExpected = isFinal ? [.text("a")] : []
            default:
                let kind: WebSocketMessageKind = opcode == 1 ? .text : .binary
                outsideExpected = isFinal ? [.message(kind, [])] : []
                insideExpected = [.failure(.unfinishedMessage)]
            }
            if opcode > 2 || first & 0x70 != 0 { insideExpected = outsideExpected }
            for pieces in [[stream], stream.map { [$0] }] {
                #expect(receive(pieces) == outsideExpected, "\(first)")
            }
            for pieces in [[inside], inside.map { [$0] }] {
                #expect(receive(pieces) == insideExpected, "\(first) inside")
            }
        }
    }

    @Test func demandsMasksOfClientsOnly() {
        expect(TestFrame(first: 0x81, payload: [0x41], key: nil).bytes, [.failure(.unmaskedFrame)])
        expect(TestFrame.text("A"), [.failure(.maskedFrame)], role: .client)
    }

    @Test func refusesLengthsThatArentMinimal() {
        for length in [0, 1, 125] {
            expect([0x82, 0xFE, 0, UInt8(length)], [.failure(.lengthNotMinimal)])
        }
        for length in [0, 125, 126, 0xFFFF] {
            expect(
                [0x82, 0xFF, 0, 0, 0, 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xFF)],
                [.failure(.lengthNotMinimal)])
        }
        expect([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], [.failure(.lengthOutOfRange)])
        expect([0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255], [.failure(.messageTooBig)])
    }

    /// The failure comes as soon as the byte that shows it is there, without a byte of payload or key.
    @Test func failsAtTheEarliestByte() {
        #expect(receive([[0xF1]]) == [.failure(.reservedBits)])
        #expect(receive([[0x83]]) == [.failure(.reservedOpcode)])
        #expect(receive([[0x80]]) == [.failure(.unexpectedContinuation)])
        #expect(receive([[0x81, 0x05]]) == [.failure(.unmaskedFrame)])
        #expect(receive([[0x89, 0xFE]]) == [.failure(.controlTooLong)])
        #expect(receive([[0x82, 0xFE, 0x01, 0x00]], messageBytesMax: 255) == [.failure(.messageTooBig)])
        let bad = Array(TestFrame(first: 0x81, payload: [0x61, 0xC0] + Array(repeating: 0x61, count: 100)).bytes)
        #expect(receive([Array(bad[..<8])]) == [.failure(.invalidUTF8)])
        #expect(receive([Array(bad[..<7])]) == [])
    }

    @Test func limitsMessages() {
        for (size, fits) in [(99, true), (100, true), (101, false)] {
            let payload = [UInt8](repeating: 1, count: size)
            let expected: Received = fits ? .message(.binary, payload) : .failure(.messageTooBig)
            expect(TestFrame(first: 0x82, payload: payload).bytes, [expected], messageBytesMax: 100)
            let fragments =
                TestFrame(first: 0x02, payload: Array(payload[..<60])).bytes
                + TestFrame(first: 0x80, payload: Array(payload[60...])).bytes
            expect(fragments, [expected], messageBytesMax: 100)
        }
        expect(TestFrame.control(0x89, Array(0..<125)), [.ping(Array(0..<125))], messageBytesMax: 10)
        expect(TestFrame.text("a"), [.failure(.messageTooBig)], messageBytesMax: 0)
    }

    @Test func validatesText() {
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], [0xFF],
        ]
        for bytes in bad {
            expect(TestFrame(first: 0x81, payload: bytes).bytes, [.failure(.invalidUTF8)])
            expect(TestFrame(first: 0x82, payload: bytes).bytes, [.message(.binary, bytes)])
            let fragments =
                TestFrame(first: 0x01, payload: Array(bytes[..<1])).bytes
                + TestFrame(first: 0x80, payload: Array(bytes[1...])).bytes
            expect(fragments, [.failure(.invalidUTF8)])
        }
    }

    @Test func mapsFailuresToCloseCodes() {
        #expect(WebSocketFailure.invalidUTF8.closeCode == 1007)
        #expect(WebSocketFailure.messageTooBig.closeCode == 1009)
        for failure in [WebSocketFailure.reservedBits, .unmaskedFrame, .unfinishedMessage, .invalidCloseCode] {
            #expect(failure.closeCode == 1002)
        }
    }

    @Test func ownsNothingUnlessSomethingIsIncomplete() {
        var decoder = WebSocketDecoder(role: .server)
        var stream = TestFrame.text("abc") + TestFrame.control(0x89, [1]) + TestFrame.text("de")
        let last = stream.removeLast()
        do {
            var span = stream.mutableSpan
            var bytes = span.mutableBytes
            var offset = 0
            var events = 0
            while decoder.next(&bytes, &offset) != .needMore {
                events += 1
                let isIdle = decoder.isIdle
                #expect(isIdle)
            }
            #expect(events == 2)
        }
        let isWaiting = !decoder.isIdle
        #expect(isWaiting)
        var rest = [last]
        var span = rest.mutableSpan
        var bytes = span.mutableBytes
        var offset = 0
        let event = decoder.next(&bytes, &offset)
        #expect(event == .assembled(.text))
        let text = decoder.withAssembled { $0.array }
        #expect(text == Array("de".utf8))
        decoder.releaseAssembled()
        let isIdle = decoder.isIdle
        #expect(isIdle)
    }

    /// Sixty-four peers claim 64 MiB each and send little of it.
    @Test func doesNotAllocateByTheClaim() {
        var decoders: [WebSocketDecoderBox] = []
        let before = virtualBytes()
        for _ in 0..<64 {
            let box = WebSocketDecoderBox(WebSocketDecoder(role: .server, messageBytesMax: Limits.echoBytesMax))
            var stream: [UInt8] = [0x82, 0xFF, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
            var span = stream.mutableSpan
            var bytes = span.mutableBytes
            var offset = 0
            let event = box.decoder.next(&bytes, &offset)
            #expect(event == .needMore)
            decoders.append(box)
        }
        #expect(before > 0 && virtualBytes() - before < 1 << 30)
        #expect(decoders.allSatisfy { !$0.decoder.isIdle })
    }

    @Test func isSmall() {
        #expect(MemoryLayout<WebSocketDecoder>.stride == 16)
        #expect(MemoryLayout<UTF8Validator>.size == 3)
    }
}

/// The size of this process's address space.
private func virtualBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [UInt8](repeating: 0, count: 128)
    let count = fread(&line, 1, line.count, file)
    let pages = String(decoding: line[..<count], as: UTF8.self).split(separator: " ").first.flatMap { Int($0) }
    return (pages ?? 0) * Int(getpagesize())
}

private final class WebSocketDecoderBox {
    var decoder: WebSocketDecoder
    init(_ decoder: consuming WebSocketDecoder) { self.decoder = decoder }
}
