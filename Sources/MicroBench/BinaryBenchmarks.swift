import Base
import Wire

extension CodecBenchmarks {
    static var binary: [Benchmark] {
        [
            Benchmark("binary decode, SEND of 64 B", pieces: 1_008) {
                let bytes = try sends(16)
                return {
                    var decoder = BinaryFrameDecoder(lengthMax: Limits.frameBytesMax)
                    var sum = 0
                    for _ in 0..<63 {
                        var offset = 0
                        while case .frame(let header, let range) = decoder.next(bytes.span.bytes, &offset) {
                            let request = try BinaryRequest(header, payload: bytes.span.bytes.extracting(range))
                            guard case .send(let send, let body) = request else { fatalError("no SEND was found") }
                            sum += Int(send.cid) + body.count
                        }
                        precondition(offset == bytes.count)
                    }
                    return sum
                }
            },
            Benchmark("binary encode, DELIVER of 64 B") {
                let (sender, destination) = (try identifier("user-1"), try identifier("user-4711"))
                let body = Array(text(64).utf8)
                return {
                    var output = OutputBuffer()
                    for number: UInt64 in 0..<1_000 {
                        let delivery = BinaryDelivery(
                            seq: number, id: number, cseq: number, time: number, kind: .privateMessage,
                            sender: sender, destination: destination)
                        delivery.append(
                            flags: BinaryFlags(.text, isCompressed: false), bodyByteCount: body.count, to: &output)
                        output.append(body.span.bytes)
                        if number % 16 == 15 { output.removeAll() }
                    }
                    return output.count
                }
            },
            Benchmark("binary encode, ACK") {
                {
                    var output = OutputBuffer()
                    for number: UInt64 in 0..<1_000 {
                        BinaryAck(cid: number, id: number, cseq: 1, seq: 2, time: 3, isDuplicate: false)
                            .append(to: &output)
                        if number % 16 == 15 { output.removeAll() }
                    }
                    return output.count
                }
            },
        ]
    }

    private static func sends(_ count: Int) throws -> [UInt8] {
        let body = Array(text(64).utf8)
        var output = OutputBuffer()
        for cid in 1...UInt64(count) {
            let send = BinarySend(cid: cid, kind: .privateMessage, destination: try identifier("user-4711"))
            send.append(flags: BinaryFlags(.text, isCompressed: false), bodyByteCount: body.count, to: &output)
            output.append(body.span.bytes)
        }
        return Array(output.unsafeBytes)
    }

    static func identifier(_ text: String) throws -> Identifier {
        guard let identifier = Identifier(text) else { throw MicroBenchError("\(text) is no id") }
        return identifier
    }

    static var compression: [Benchmark] {
        [
            Benchmark("lz4 compress, 1 KiB", pieces: 100) {
                let raw = Array(text(1_024).utf8)
                return {
                    var output = OutputBuffer()
                    for _ in 0..<100 {
                        output.removeAll()
                        LZ4Body.compress(raw.span.bytes, to: &output)
                    }
                    return output.count
                }
            },
            Benchmark("lz4 decompress, 1 KiB", pieces: 100) {
                var compressed = OutputBuffer()
                LZ4Body.compress(Array(text(1_024).utf8).span.bytes, to: &compressed)
                let body = Array(compressed.unsafeBytes)
                return {
                    var output = OutputBuffer()
                    for _ in 0..<100 {
                        output.removeAll()
                        try LZ4Body.decompress(body.span.bytes, to: &output)
                    }
                    precondition(output.count == 1_024)
                    return output.count
                }
            },
        ]
    }
}
