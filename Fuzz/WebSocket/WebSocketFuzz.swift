import Base
import Wire

@c(LLVMFuzzerTestOneInput)
public func fuzzWebSocket(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard var input = FuzzInput(data, count), let first = input.stream.first else { return 0 }
    let role: WebSocketRole = first == 0 ? .client : .server
    let whole = events([input.stream], role)
    let cut = events(input.chunks(), role)
    require(whole == cut, "cut: \(cut)\nwhole: \(whole)")
    return 0
}

private enum Event: Equatable {
    case message(WebSocketMessageKind, [UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, [UInt8])
    case failure(WebSocketFailure)
}

/// The events of a stream whose first byte chose the role.
private func events(_ chunks: [[UInt8]], _ role: WebSocketRole) -> [Event] {
    var decoder = WebSocketDecoder(role: role, messageBytesMax: 1_000)
    var events: [Event] = []
    var isFirst = true
    for chunk in chunks {
        var chunk = chunk
        var span = chunk.mutableSpan
        var bytes = span.mutableBytes
        var offset = isFirst ? 1 : 0
        isFirst = false
        while true {
            let event = decoder.next(&bytes, &offset)
            if event == .needMore { break }
            events.append(read(event, decoder, bytes.bytes))
        }
        require(offset == bytes.byteCount, "needMore with \(bytes.byteCount - offset) bytes left")
        require(!decoder.isEnded || decoder.isIdle, "memory after the end")
    }
    return events
}

private func read(_ event: WebSocketEvent, _ decoder: borrowing WebSocketDecoder, _ bytes: RawSpan) -> Event {
    switch event {
    case .needMore: fatalError("not an event")
    case .message(let kind, let range): .message(kind, bytes.extracting(range).withUnsafeBytes { Array($0) })
    case .assembled(let kind): .message(kind, decoder.withAssembled { $0.withUnsafeBytes { Array($0) } })
    case .ping(let payload): .ping(decoder.withControl(payload, in: bytes) { $0.withUnsafeBytes { Array($0) } })
    case .pong(let payload): .pong(decoder.withControl(payload, in: bytes) { $0.withUnsafeBytes { Array($0) } })
    case .close(let code, let reason):
        .close(code, decoder.withControl(reason, in: bytes) { $0.withUnsafeBytes { Array($0) } })
    case .failure(let failure): .failure(failure)
    }
}
