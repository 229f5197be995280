import Base
import Wire

/// The ways in which a test feeds one stream: whole, cut in two at every byte, in single bytes, and at random.
func waysToCut(_ stream: [UInt8], seed: UInt64 = 1) -> [[[UInt8]]] {
    var ways: [[[UInt8]]] = [[stream], stream.map { [$0] }]
    // Long streams are cut near both ends and at random, which keeps the tests quick.
    let isShort = stream.count <= 600
    let places = isShort ? Array(0...stream.count) : Array(0...150) + Array(stream.count - 150...stream.count)
    for place in places { ways.append([Array(stream[..<place]), Array(stream[place...])]) }
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
        let longest = Int.random(in: 1...max(2, stream.count / 2), using: &random)
        var pieces: [[UInt8]] = []
        var offset = 0
        while offset < stream.count {
            let end = min(stream.count, offset + Int.random(in: 1...longest, using: &random))
            pieces.append(Array(stream[offset..<end]))
            offset = end
        }
        ways.append(pieces)
    }
    return ways
}

/// An event of the WebSocket decoder with its bytes, however they came.
enum Received: Equatable {
    case message(WebSocketMessageKind, [UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, [UInt8])
    case failure(WebSocketFailure)

    static func text(_ text: String) -> Received { .message(.text, Array(text.utf8)) }
}

/// What a decoder makes of a stream in pieces; nil if it breaks its promise to take every byte.
func receive(_ pieces: [[UInt8]], role: WebSocketRole = .server, messageBytesMax: Int = 1 << 20) -> [Received]? {
    var decoder = WebSocketDecoder(role: role, messageBytesMax: messageBytesMax)
    var received: [Received] = []
    for piece in pieces {
        var piece = piece
        var span = piece.mutableSpan
        var bytes = span.mutableBytes
        var offset = 0
        while true {
            let event = decoder.next(&bytes, &offset)
            if event == .needMore { break }
            if let content = read(event, decoder, bytes.bytes) { received.append(content) }
        }
        if offset != bytes.byteCount { return nil }
    }
    return received
}

private func read(_ event: WebSocketEvent, _ decoder: borrowing WebSocketDecoder, _ bytes: RawSpan) -> Received? {
    switch event {
    case .needMore: nil
    case .message(let kind, let range): .message(kind, bytes.extracting(range).array)
    case .assembled(let kind): .message(kind, decoder.withAssembled { $0.array })
    case .ping(let payload): .ping(decoder.withControl(payload, in: bytes) { $0.array })
    case .pong(let payload): .pong(decoder.withControl(payload, in: bytes) { $0.array })
    case .close(let code, let reason): .close(code, decoder.withControl(reason, in: bytes) { $0.array })
    case .failure(let failure): .failure(failure)
    }
}

/// The events of an HTTP stream in pieces; nil if the decoder breaks its promise to take every byte.
func decodeHTTP(_ pieces: [[UInt8]]) -> [HTTPRequestEvent]? {
    var decoder = HTTPRequestDecoder()
    var events: [HTTPRequestEvent] = []
    for piece in pieces {
        var offset = 0
        while true {
            let event = decoder.next(piece.span.bytes, &offset)
            if event == .needMore { break }
            events.append(event)
        }
        if offset != piece.count { return nil }
    }
    return events
}

extension RawSpan {
    var array: [UInt8] { withUnsafeBytes { Array($0) } }
}

/// A frame put together by hand, independently of the encoder.
struct TestFrame {
    var first: UInt8
    var payload: [UInt8]
    var key: [UInt8]? = [0x37, 0xFA, 0x21, 0x3D]

    var bytes: [UInt8] {
        let mask: UInt8 = key == nil ? 0 : 0x80
        var bytes = [first]
        switch payload.count {
        case 0...125: bytes.append(UInt8(payload.count) | mask)
        case 126...0xFFFF: bytes += [126 | mask, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            bytes.append(127 | mask)
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        guard let key else { return bytes + payload }
        return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
    }

    static func text(_ text: String, first: UInt8 = 0x81) -> [UInt8] {
        TestFrame(first: first, payload: Array(text.utf8)).bytes
    }

    static func control(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        TestFrame(first: first, payload: payload).bytes
    }

    static func close(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
        control(0x88, [UInt8(code >> 8), UInt8(code & 0xFF)] + reason)
    }
}

/// Spans can't be arguments inside of `#expect`; arrays can.
extension UTF8Validator {
    static func isValid(_ bytes: [UInt8]) -> Bool { isValid(bytes.span.bytes) }
    mutating func consume(_ bytes: [UInt8]) -> Bool { consume(bytes.span.bytes) }
}

extension WebSocketHandshake {
    static func checkResponse(_ bytes: [UInt8], key: String) throws(HTTPFailure) -> Int? {
        try checkResponse(bytes.span.bytes, key: key)
    }
}
