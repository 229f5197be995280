import Base
import Testing
import Wire

struct BinaryCodecTests {
    private static let alice = Identifier("alice")!
    private static let group = Identifier("größe")!

    /// A frame as an encoder writes it, and the size that was promised for it.
    private static func frame(_ size: Int, body: String = "", _ append: (inout OutputBuffer) -> Void) -> [UInt8] {
        var output = OutputBuffer()
        append(&output)
        output.append(utf8: body)
        #expect(output.count == size)
        return output.array
    }

    private static func header(_ frame: [UInt8]) throws -> BinaryHeader { try BinaryHeader(message: frame.span.bytes) }

    private static func request(_ frame: [UInt8]) throws -> BinaryRequest {
        try BinaryRequest(try header(frame), payload: frame.span.bytes.extracting(8..<frame.count))
    }

    private static func reply(_ frame: [UInt8]) throws -> BinaryReply {
        try BinaryReply(try header(frame), payload: frame.span.bytes.extracting(8..<frame.count))
    }

    /// The same frame with another payload, its length put right.
    private static func with(_ frame: [UInt8], payload: [UInt8]) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: payload.count >> ($0 * 8)) } + frame[4..<8] + payload
    }

    private static func hello(
        _ authentication: BinaryAuthentication = .session, user: Identifier? = alice, device: Identifier? = group,
        credential: String = "secret", after: UInt64? = 7
    ) -> [UInt8] {
        let hello = BinaryHello(authentication: authentication, features: 1, after: after)
        let bytes = Array(credential.utf8)
        let size = BinaryHello.frameByteCount(user: user, device: device, credential: bytes.span.bytes)
        return frame(size) { hello.append(user: user, device: device, credential: bytes.span.bytes, to: &$0) }
    }

    private static let send = BinarySend(cid: .max - 1, kind: .group, destination: group)
    private static let sendFrame = frame(send.frameByteCount(bodyByteCount: 2), body: "hi") {
        send.append(flags: BinaryFlags(.text, isCompressed: true), bodyByteCount: 2, to: &$0)
    }
    private static let welcome = BinaryWelcome(
        seq: 1, confirmed: 2, time: 3, frameBytesMax: 4, heartbeatSeconds: 5, features: 1, user: alice, device: group)
    private static let welcomeFrame = frame(welcome.frameByteCount) { welcome.append(to: &$0) }
    private static let delivery = BinaryDelivery(
        seq: 1, id: 2, cseq: 3, time: 4, kind: .privateMessage, sender: alice, destination: group)
    private static let deliverFrame = frame(delivery.frameByteCount(bodyByteCount: 3), body: "abc") {
        delivery.append(flags: BinaryFlags(.members, isCompressed: false), bodyByteCount: 3, to: &$0)
    }

    @Test func theLayoutIsTheContracts() {
        let ack = BinaryAck(cid: 0x0102, id: 3, cseq: 4, seq: 5, time: 6, isDuplicate: true)
        func word(_ byte: UInt8, _ second: UInt8 = 0) -> [UInt8] { [byte, second, 0, 0, 0, 0, 0, 0] }
        #expect(
            BinaryCodecTests.frame(BinaryAck.frameByteCount) { ack.append(to: &$0) }
                == [40, 0, 0, 0, 4, 2, 0, 0] + word(2, 1) + word(3) + word(4) + word(5) + word(6))
        #expect(
            BinaryCodecTests.deliverFrame == [50, 0, 0, 0, 5, 0x20, 0, 0] + word(1) + word(2) + word(3) + word(4) + [10]
                + [5] + Array("alice".utf8) + [7] + Array("größe".utf8) + Array("abc".utf8))
        #expect(
            BinaryCodecTests.sendFrame == [19, 0, 0, 0, 3, 0x11, 0, 0, 0xFE] + Array(repeating: 0xFF, count: 7) + [
                11, 7,
            ]
                + Array("größe".utf8) + Array("hi".utf8))
        #expect(
            BinaryCodecTests.hello(after: nil) == [34, 0, 0, 0, 1, 0, 0, 0, 1, 2, 1, 0]
                + Array(repeating: 0xFF, count: 8) + [5] + Array("alice".utf8) + [7] + Array("größe".utf8) + [6, 0]
                + Array("secret".utf8))
    }

    @Test func requestsComeBack() throws {
        guard case .hello(let hello, let texts) = try BinaryCodecTests.request(BinaryCodecTests.hello()) else {
            Issue.record("not a HELLO")
            return
        }
        #expect(hello == BinaryHello(authentication: .session, features: 1, after: 7))
        let payload = Array(BinaryCodecTests.hello().dropFirst(8))
        #expect(texts.user(in: payload.span.bytes) == BinaryCodecTests.alice)
        #expect(texts.device(in: payload.span.bytes) == BinaryCodecTests.group)
        #expect(Array(payload[texts.credential]) == Array("secret".utf8))

        guard case .send(let send, let body) = try BinaryCodecTests.request(BinaryCodecTests.sendFrame) else {
            Issue.record("not a SEND")
            return
        }
        #expect(send == BinaryCodecTests.send && body == 17..<19)

        let confirm = BinaryConfirm(seq: 9)
        let confirmFrame = BinaryCodecTests.frame(BinaryConfirm.frameByteCount) { confirm.append(to: &$0) }
        guard case .confirm(confirm) = try BinaryCodecTests.request(confirmFrame) else {
            Issue.record("not a CONFIRM")
            return
        }
        let fetch = BinaryFetch(after: 1 << 40, limit: .max)
        let fetchFrame = BinaryCodecTests.frame(BinaryFetch.frameByteCount) { fetch.append(to: &$0) }
        guard case .fetch(fetch) = try BinaryCodecTests.request(fetchFrame) else {
            Issue.record("not a FETCH")
            return
        }
    }

    @Test func repliesComeBack() throws {
        guard case .welcome(BinaryCodecTests.welcome) = try BinaryCodecTests.reply(BinaryCodecTests.welcomeFrame),
            case .deliver(BinaryCodecTests.delivery, body: 47..<50) = try BinaryCodecTests.reply(
                BinaryCodecTests.deliverFrame)
        else {
            Issue.record("another WELCOME or DELIVER")
            return
        }
        for isDuplicate in [false, true] {
            let ack = BinaryAck(cid: 1, id: 2, cseq: 3, seq: 4, time: 5, isDuplicate: isDuplicate)
            let frame = BinaryCodecTests.frame(BinaryAck.frameByteCount) { ack.append(to: &$0) }
            guard case .ack(ack) = try BinaryCodecTests.reply(frame) else {
                Issue.record("another ACK")
                return
            }
            let fetched = BinaryFetched(lastSeq: 8, hasMore: isDuplicate)
            let second = BinaryCodecTests.frame(BinaryFetched.frameByteCount) { fetched.append(to: &$0) }
            guard case .fetched(fetched) = try BinaryCodecTests.reply(second) else {
                Issue.record("another FETCHED")
                return
            }
        }
    }

    @Test(arguments: ErrorCode.allCases) func errorsComeBack(_ code: ErrorCode) throws {
        let error = BinaryErrorReply(cid: 5, code: code)
        let message = Array("why".utf8)
        let frame = BinaryCodecTests.frame(error.frameByteCount(message: message.span.bytes)) {
            error.append(message: message.span.bytes, to: &$0)
        }
        guard case .error(error, let range) = try BinaryCodecTests.reply(frame) else {
            Issue.record("another ERROR")
            return
        }
        #expect(Array(frame.dropFirst(8)[(8 + range.lowerBound)..<(8 + range.upperBound)]) == message)
    }

    @Test func framesOfBodiesAlone() throws {
        for type in [BinaryFrameType.ping, .command] {
            let frame = BinaryCodecTests.frame(8) { BinaryHeader(type, length: 0).append(to: &$0) }
            switch try BinaryCodecTests.request(frame) {
            case .ping: #expect(type == .ping)
            case .command: #expect(type == .command)
            default: Issue.record("another frame")
            }
        }
        for type in [BinaryFrameType.pong, .event] {
            let frame = BinaryCodecTests.frame(8) { BinaryHeader(type, length: 0).append(to: &$0) }
            switch try BinaryCodecTests.reply(frame) {
            case .pong: #expect(type == .pong)
            case .event: #expect(type == .event)
            default: Issue.record("another frame")
            }
        }
    }

    /// Whatever is cut off is refused, up to where a body begins; what follows the last field is refused.
    @Test func framesOfAnotherLengthAreRefused() {
        let requests =
            [(BinaryCodecTests.hello(), Int.max), (BinaryCodecTests.sendFrame, 17)]
            + [
                (BinaryCodecTests.frame(16) { BinaryConfirm(seq: 1).append(to: &$0) }, Int.max),
                (BinaryCodecTests.frame(20) { BinaryFetch(after: 1, limit: 2).append(to: &$0) }, Int.max),
            ]
        for (frame, fields) in requests {
            let payload = Array(frame.dropFirst(8))
            for count in 0..<min(fields, payload.count) {
                let cut = BinaryCodecTests.with(frame, payload: Array(payload.prefix(count)))
                #expect(throws: BinaryError.self) { try BinaryCodecTests.request(cut) }
            }
            if fields == .max {
                let long = BinaryCodecTests.with(frame, payload: payload + [0])
                #expect(throws: BinaryError.self) { try BinaryCodecTests.request(long) }
            }
        }
        let ack = BinaryAck(cid: 1, id: 1, cseq: 1, seq: 1, time: 1, isDuplicate: false)
        let error = BinaryErrorReply(cid: 1, code: .internal)
        let empty: [UInt8] = []
        let replies = [
            (BinaryCodecTests.welcomeFrame, Int.max), (BinaryCodecTests.deliverFrame, 47),
            (BinaryCodecTests.frame(48) { ack.append(to: &$0) }, .max),
            (BinaryCodecTests.frame(17) { BinaryFetched(lastSeq: 1, hasMore: true).append(to: &$0) }, .max),
            (BinaryCodecTests.frame(27) { error.append(message: empty.span.bytes, to: &$0) }, .max),
        ]
        for (frame, fields) in replies {
            let payload = Array(frame.dropFirst(8))
            for count in 0..<min(fields, payload.count) {
                let cut = BinaryCodecTests.with(frame, payload: Array(payload.prefix(count)))
                #expect(throws: BinaryError.self) { try BinaryCodecTests.reply(cut) }
            }
            if fields == .max {
                let long = BinaryCodecTests.with(frame, payload: payload + [0])
                #expect(throws: BinaryError.self) { try BinaryCodecTests.reply(long) }
            }
        }
    }

    /// One byte of a valid frame changed: byte offset in the frame, its new value, the code of the refusal.
    @Test(
        arguments: [
            (8, 2, ErrorCode.unsupported), (8, 0, .unsupported), (9, 3, .unsupported), (11, 1, .badRequest),
            (20, 0, .badRequest), (21, 0x20, .badRequest), (21, 0xFF, .badRequest), (26, 0, .badRequest),
            (34, 5, .badRequest), (34, 7, .badRequest), (35, 1, .badRequest), (4, 2, .unsupported),
            (4, 0, .unsupported),
            (4, 14, .unsupported), (4, 255, .unsupported),
        ] as [(Int, UInt8, ErrorCode)])
    func wrongHellosAreRefused(_ offset: Int, _ byte: UInt8, _ code: ErrorCode) {
        var frame = BinaryCodecTests.hello()
        frame[offset] = byte
        let error = #expect(throws: BinaryError.self) { try BinaryCodecTests.request(frame) }
        #expect(error?.code == code)
    }

    @Test func helloMayLeaveOutIds() throws {
        let frame = BinaryCodecTests.hello(.token, user: nil, device: nil)
        guard case .hello(_, let texts) = try BinaryCodecTests.request(frame) else {
            Issue.record("not a HELLO")
            return
        }
        let payload = Array(frame.dropFirst(8))
        #expect(texts.user(in: payload.span.bytes) == nil && texts.device(in: payload.span.bytes) == nil)
        for authentication in [BinaryAuthentication.none, .session] {
            let frame = BinaryCodecTests.hello(authentication, user: nil)
            #expect(throws: BinaryError.self) { try BinaryCodecTests.request(frame) }
        }
    }

    @Test(arguments: [-1, 0, 1]) func credentialHasALimit(_ difference: Int) {
        let credential = String(repeating: "c", count: Limits.credentialBytesMax + difference)
        let request = try? BinaryCodecTests.request(BinaryCodecTests.hello(credential: credential))
        #expect((request != nil) == (difference <= 0))
    }

    /// Byte offset in a SEND, its new value, and the `cid` that the refusal knows.
    @Test(
        arguments: [(16, 12), (16, 0), (17, 0), (17, 200), (18, 0x2F), (19, 0xFF), (5, 0x30), (5, 0xF0)]
            as [(Int, UInt8)])
    func wrongSendsAreRefusedWithTheirCid(_ offset: Int, _ byte: UInt8) {
        var frame = BinaryCodecTests.sendFrame
        frame[offset] = byte
        let error = #expect(throws: BinaryError.self) { try BinaryCodecTests.request(frame) }
        #expect(error?.code == .badRequest && error?.cid == .max - 1)
    }

    @Test func clientsAndServersHaveFramesOfTheirOwn() throws {
        for type in BinaryFrameType.allCases {
            let fromServer: Set<BinaryFrameType> = [.welcome, .ack, .deliver, .fetched, .error, .event]
            let payload: [UInt8] = []
            let header = BinaryHeader(type, length: 0)
            func code(_ parse: () throws -> Void) -> ErrorCode? {
                do { try parse() } catch { return (error as? BinaryError)?.code }
                return nil
            }
            let request = code { _ = try BinaryRequest(header, payload: payload.span.bytes) }
            let reply = code { _ = try BinaryReply(header, payload: payload.span.bytes) }
            #expect((request == .unsupported) == fromServer.contains(type))
            // Both answer PINGs.
            #expect((reply == .unsupported) == !(fromServer.contains(type) || type == .pong))
        }
    }
}
