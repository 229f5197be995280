import Base
import Wire

/// What the codecs do for a message.
enum CodecBenchmarks {
    static var all: [Benchmark] { webSocket + http + json + binary + compression }

    /// 64 bytes on the wire of a client that sends a short private message.
    static let shortFrame = #"{"cmd":10,"dstid":"user-4711","cid":"0123456789ab","content":"hi"}"#
    /// A message with everything that a client may say.
    static let longFrame =
        #"{"cmd":10,"dstid":"user-4711","cid":"0123456789ab","media":1,"content":""# + text(600)
        + #"","pic":"https://example.org/a/b/c.jpg","url":"https://example.org/d","memo":"größer","amount":12,"#
        + #""reply":77,"ref":"r-1","mood":{"a":[1,2,3],"b":null},"level":"durable"}"#

    static func text(_ count: Int) -> String {
        let prose = "the quick brown fox told the lazy dog to meet at noon, and then it rained all day; "
        return String(decoding: (0..<count).map { Array(prose.utf8)[$0 % prose.utf8.count] }, as: UTF8.self)
    }

    /// A client's frames, one after the other as they lie in a read buffer. The mask turns ASCII into other ASCII, so
    /// that decoding them in place leaves frames that can be decoded again.
    private static func masked(_ payload: String, count: Int) -> [UInt8] {
        var buffer = OutputBuffer()
        for _ in 0..<count {
            buffer.appendMaskedFrame(.text, Array(payload.utf8).span.bytes, key: 0x0101_0101)
        }
        return Array(buffer.unsafeBytes)
    }

    // MARK: WebSocket

    private static var webSocket: [Benchmark] {
        [
            decode("websocket decode, 64 B, 16 a read", text(64), count: 16, cuts: 1),
            decode("websocket decode, 64 B, 1 a read", text(64), count: 1, cuts: 1),
            decode("websocket decode, 64 B in 2 pieces", text(64), count: 1, cuts: 2),
            decode("websocket decode, 4 KiB", text(4_096), count: 1, cuts: 1),
            Benchmark("websocket encode, 64 B") {
                let payload = Array(text(64).utf8)
                return {
                    var output = OutputBuffer()
                    for number in 0..<1_000 {
                        output.appendFrame(.text, payload.span.bytes)
                        if number % 16 == 15 { output.removeAll() }
                    }
                    return output.count
                }
            },
        ]
    }

    /// `count` frames that lie in the read buffer together, each read in `cuts` parts.
    private static func decode(_ name: String, _ payload: String, count: Int, cuts: Int) -> Benchmark {
        let rounds = 1_008 / count
        return Benchmark(name, pieces: rounds * count) {
            var bytes = masked(payload, count: count)
            return {
                var decoder = WebSocketDecoder(role: .server)
                var messages = 0
                for _ in 0..<rounds {
                    for cut in 0..<cuts {
                        let range = bytes.count * cut / cuts..<bytes.count * (cut + 1) / cuts
                        bytes.withUnsafeMutableBytes { all in
                            messages += feed(&decoder, UnsafeMutableRawBufferPointer(rebasing: all[range]))
                        }
                    }
                }
                precondition(messages == rounds * count)
                return messages
            }
        }
    }

    private static func feed(_ decoder: inout WebSocketDecoder, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
        var span = bytes.mutableBytes
        var offset = 0
        var messages = 0
        while true {
            switch decoder.next(&span, &offset) {
            case .needMore: return messages
            case .message(.text, _): messages += 1
            case .assembled(.text): messages += 1
            default: fatalError("a frame wasn't understood")
            }
        }
    }

    // MARK: HTTP

    private static var http: [Benchmark] {
        let upgrade = """
            GET /chat?id=user-4711&device=phone HTTP/1.1\r
            Host: chat.example.org\r
            User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari\r
            Origin: https://chat.example.org\r
            Accept-Language: en-GB,en;q=0.9\r
            Upgrade: websocket\r
            Connection: Upgrade\r
            Sec-WebSocket-Version: 13\r
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
            \r

            """
        return [
            Benchmark("http head of an upgrade, 9 fields", pieces: 100) {
                let bytes = Array(upgrade.utf8)
                return {
                    var fields = 0
                    for _ in 0..<100 {
                        var decoder = HTTPRequestDecoder()
                        var offset = 0
                        guard case .request(let request) = decoder.next(bytes.span.bytes, &offset) else {
                            fatalError("the head wasn't understood")
                        }
                        fields += request.body.count + offset
                    }
                    return fields
                }
            }
        ]
    }

    // MARK: JSON

    private static var json: [Benchmark] {
        [
            scan("envelope scan, short message", shortFrame),
            scan("envelope scan, 1 KiB with 14 members", longFrame),
            Benchmark("envelope members, 1 KiB with 14 members") {
                let bytes = Array(longFrame.utf8)
                return {
                    let envelope = Envelope()
                    try envelope.scan(bytes.span.bytes)
                    var output = OutputBuffer()
                    var count = 0
                    for _ in 0..<1_000 {
                        output.removeAll()
                        envelope.appendMembers(of: bytes.span.bytes, to: &output)
                        count += output.count
                    }
                    return count
                }
            },
            write("json string, 64 B", text(64)),
            write("json string, 64 B with 8 escapes", String(repeating: "line \"1\n", count: 8)),
        ]
    }

    private static func scan(_ name: String, _ frame: String) -> Benchmark {
        Benchmark(name) {
            let bytes = Array(frame.utf8)
            return {
                let envelope = Envelope()
                var sum = 0
                for _ in 0..<1_000 {
                    try envelope.scan(bytes.span.bytes)
                    guard let destination = try envelope.identifier(.dstid, in: bytes.span.bytes) else {
                        fatalError("no destination was found")
                    }
                    sum += destination.count
                }
                return sum
            }
        }
    }

    private static func write(_ name: String, _ text: String) -> Benchmark {
        Benchmark(name) {
            let bytes = Array(text.utf8)
            return {
                var output = OutputBuffer()
                for number in 0..<1_000 {
                    output.appendJSONString(bytes.span.bytes)
                    if number % 16 == 15 { output.removeAll() }
                }
                return output.count
            }
        }
    }
}
