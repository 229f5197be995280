import Base
import Wire

@c(LLVMFuzzerTestOneInput)
public func fuzzBinary(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard var input = FuzzInput(data, count) else { return 0 }
    let whole = events([input.stream])
    let cut = events(input.chunks())
    require(whole == cut, "cut: \(cut)\nwhole: \(whole)")
    for case .frame(let header, let payload) in whole {
        checkRequest(header, payload)
        checkReply(header, payload)
    }
    return 0
}

private enum Event: Equatable {
    case frame(BinaryHeader, [UInt8])
    case failure(BinaryFrameDecoder.Failure)
}

private func events(_ chunks: [[UInt8]]) -> [Event] {
    var decoder = BinaryFrameDecoder(lengthMax: 1_000)
    var events: [Event] = []
    var fed = 0
    for chunk in chunks {
        let bytes = chunk.span.bytes
        fed += chunk.count
        var offset = 0
        reading: while true {
            switch decoder.next(bytes, &offset) {
            case .needMore:
                require(offset == chunk.count, "needMore with bytes left")
                break reading
            case .frame(let header, let range):
                events.append(.frame(header, bytes.extracting(range).withUnsafeBytes { Array($0) }))
            case .assembled(let header):
                events.append(.frame(header, decoder.withAssembled { $0.withUnsafeBytes { Array($0) } }))
                decoder.releaseAssembled()
            case .failure(let failure):
                events.append(.failure(failure))
                require(decoder.ownedByteCount == 0, "memory after the end")
                return events
            }
            require(decoder.ownedByteCount == 0, "memory between frames")
        }
        require(decoder.ownedByteCount <= 64 + 2 * fed, "memory that nothing came for")
    }
    return events
}

/// What parses is written back as the same bytes.
private func checkRequest(_ header: BinaryHeader, _ payload: [UInt8]) {
    let bytes = payload.span.bytes
    guard let request = try? BinaryRequest(header, payload: bytes) else { return }
    var output = OutputBuffer()
    var body = 0..<0
    switch request {
    case .hello(let hello, let texts):
        hello.append(
            user: texts.user(in: bytes), device: texts.device(in: bytes),
            credential: bytes.extracting(texts.credential), to: &output)
    case .send(let send, let range):
        body = range
        send.append(flags: header.flags, bodyByteCount: range.count, to: &output)
    case .confirm(let confirm): confirm.append(to: &output)
    case .fetch(let fetch): fetch.append(to: &output)
    case .ping, .command: return
    }
    output.append(bytes.extracting(body))
    require(Array(output.unsafeBytes.dropFirst(8)) == payload, "\(request) is written differently")
}

private func checkReply(_ header: BinaryHeader, _ payload: [UInt8]) {
    let bytes = payload.span.bytes
    guard let reply = try? BinaryReply(header, payload: bytes) else { return }
    var output = OutputBuffer()
    var body = 0..<0
    switch reply {
    case .welcome(let welcome): welcome.append(to: &output)
    case .ack(let ack): ack.append(to: &output)
    case .deliver(let delivery, let range):
        body = range
        delivery.append(flags: header.flags, bodyByteCount: range.count, to: &output)
    case .fetched(let fetched): fetched.append(to: &output)
    case .error(let error, let message): error.append(message: bytes.extracting(message), to: &output)
    case .pong, .event: return
    }
    output.append(bytes.extracting(body))
    require(Array(output.unsafeBytes.dropFirst(8)) == payload, "\(reply) is written differently")
}
