import Base
import Testing
import Wire

struct BinaryFrameDecoderTests {
    enum Event: Equatable {
        case frame(BinaryHeader, [UInt8])
        case failure(BinaryFrameDecoder.Failure)
    }

    static func bytes(_ type: UInt8, _ payload: [UInt8], flags: UInt8 = 0, reserved: [UInt8] = [0, 0]) -> [UInt8] {
        let length = payload.count
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } + [type, flags] + reserved + payload
    }

    static func events(_ chunks: [[UInt8]], lengthMax: Int = 1_000) -> [Event] {
        var decoder = BinaryFrameDecoder(lengthMax: lengthMax)
        var events: [Event] = []
        for chunk in chunks {
            let bytes = chunk.span.bytes
            var offset = 0
            reading: while true {
                switch decoder.next(bytes, &offset) {
                case .needMore:
                    #expect(offset == chunk.count)
                    break reading
                case .frame(let header, let range):
                    events.append(.frame(header, bytes.extracting(range).withUnsafeBytes { Array($0) }))
                case .assembled(let header):
                    events.append(.frame(header, decoder.withAssembled { $0.withUnsafeBytes { Array($0) } }))
                    decoder.releaseAssembled()
                case .failure(let failure): return events + [.failure(failure)]
                }
                #expect(decoder.isIdle && decoder.ownedByteCount == 0)
            }
        }
        return events
    }

    static let stream =
        bytes(3, Array("a payload".utf8), flags: 0x10) + bytes(9, []) + bytes(200, Array(0..<255)) + bytes(4, [1])

    static let expected: [Event] = [
        .frame(BinaryHeader(.send, length: 9, flags: BinaryFlags(.text, isCompressed: false)), Array("a payload".utf8)),
        .frame(BinaryHeader(.ping, length: 0), []),
    ]

    @Test func cutAtEveryByteTheFramesAreTheSame() {
        let stream = BinaryFrameDecoderTests.stream
        let whole = BinaryFrameDecoderTests.events([stream])
        #expect(Array(whole.prefix(2)) == BinaryFrameDecoderTests.expected)
        #expect(whole.count == 4)
        for cut in 0...stream.count {
            #expect(BinaryFrameDecoderTests.events([Array(stream[..<cut]), Array(stream[cut...])]) == whole)
        }
        for size in [1, 2, 3, 7, 8, 9, 64] {
            let chunks = stride(from: 0, to: stream.count, by: size).map {
                Array(stream[$0..<min($0 + size, stream.count)])
            }
            #expect(BinaryFrameDecoderTests.events(chunks) == whole)
        }
    }

    @Test(arguments: [(999, false), (1_000, false), (1_001, true)]) func lengthHasALimit(_ length: Int, _ fails: Bool) {
        let frame = BinaryFrameDecoderTests.bytes(3, Array(repeating: 7, count: length))
        let events = BinaryFrameDecoderTests.events([frame])
        #expect(events.count == 1 && (events == [.failure(.tooLarge)]) == fails)
        // The header alone decides.
        #expect(BinaryFrameDecoderTests.events([Array(frame.prefix(8))]) == (fails ? [.failure(.tooLarge)] : []))
    }

    @Test(arguments: [[1, 0], [0, 1], [0, 0x80]] as [[UInt8]]) func reservedBytesMustBeZero(_ reserved: [UInt8]) {
        let frame = BinaryFrameDecoderTests.bytes(3, [1], reserved: reserved)
        #expect(BinaryFrameDecoderTests.events([frame]) == [.failure(.reserved)])
        #expect(BinaryFrameDecoderTests.events(frame.map { [$0] }) == [.failure(.reserved)])
    }

    @Test func failureIsFinal() {
        var decoder = BinaryFrameDecoder(lengthMax: 10)
        let wrong = BinaryFrameDecoderTests.bytes(3, Array(repeating: 0, count: 11))
        let right = BinaryFrameDecoderTests.bytes(3, [1])
        for bytes in [wrong, right, right] {
            var offset = 0
            #expect(decoder.next(bytes.span.bytes, &offset) == .failure(.tooLarge))
            #expect(decoder.ownedByteCount == 0)
        }
    }

    @Test func memoryGrowsWithWhatCame() {
        var decoder = BinaryFrameDecoder(lengthMax: Limits.frameBytesMax)
        let frame = BinaryFrameDecoderTests.bytes(3, Array(repeating: 1, count: 1 << 20))
        var fed = 0
        for chunk in stride(from: 0, to: 200_000, by: 777) {
            let bytes = Array(frame[chunk..<(chunk + 777)])
            var offset = 0
            #expect(decoder.next(bytes.span.bytes, &offset) == .needMore)
            fed += 777
            #expect(decoder.ownedByteCount <= max(64, 2 * fed))
            #expect(decoder.isIdle == false)
        }
    }

    @Test func nextReleasesWhatWasAssembled() {
        var decoder = BinaryFrameDecoder(lengthMax: 100)
        let frame = BinaryFrameDecoderTests.bytes(3, [1, 2, 3])
        var offset = 0
        #expect(decoder.next(Array(frame[..<9]).span.bytes, &offset) == .needMore)
        offset = 0
        let rest = Array(frame[9...]) + frame
        #expect(decoder.next(rest.span.bytes, &offset) == .assembled(BinaryHeader(.send, length: 3)))
        #expect(decoder.next(rest.span.bytes, &offset) == .frame(BinaryHeader(.send, length: 3), 10..<13))
        #expect(decoder.isIdle && decoder.ownedByteCount == 0)
    }

    @Test func everyConnectionHasOneSoItIsSmall() {
        #expect(MemoryLayout<BinaryFrameDecoder>.size <= 32)
    }

    @Test func aWebSocketMessageIsOneFrame() throws {
        let frame = BinaryFrameDecoderTests.bytes(9, [1, 2], flags: 0x21)
        let header = try BinaryHeader(message: frame.span.bytes)
        #expect(header.length == 2 && header.type == 9 && header.flags.isCompressed)
        #expect(header.flags.contentType == .members)
        let wrong =
            (0..<frame.count).map { Array(frame.prefix($0)) } + [
                frame + [0], BinaryFrameDecoderTests.bytes(9, [], reserved: [1, 0]),
            ]
        for bytes in wrong {
            #expect(throws: BinaryError.self) { try BinaryHeader(message: bytes.span.bytes) }
        }
    }
}
