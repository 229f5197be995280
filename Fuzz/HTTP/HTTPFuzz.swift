import Base
import Wire

@c(LLVMFuzzerTestOneInput)
public func fuzzHTTP(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard var input = FuzzInput(data, count) else { return 0 }
    let whole = events([input.stream])
    let cut = events(input.chunks())
    require(whole == cut, "cut: \(cut)\nwhole: \(whole)")
    for case .request(let request) in whole { check(request) }
    return 0
}

private func events(_ chunks: [[UInt8]]) -> [HTTPRequestEvent] {
    var decoder = HTTPRequestDecoder()
    var events: [HTTPRequestEvent] = []
    for chunk in chunks {
        var offset = 0
        while true {
            let event = decoder.next(chunk.span.bytes, &offset)
            if event == .needMore { break }
            events.append(event)
        }
        require(offset == chunk.count, "needMore with \(chunk.count - offset) bytes left")
    }
    return events
}

/// What is left of a request must be well formed, and every answer to it must be one response.
private func check(_ request: HTTPRequest) {
    require(request.body.count <= Limits.httpBodyBytesMax, "body too large")
    for field in request.headers.fields {
        var copy = HTTPHeaders()
        require((try? copy.add(field.name, field.value)) != nil, "malformed field \(field)")
    }
    let response: HTTPResponse
    do throws(HTTPFailure) {
        response = try WebSocketHandshake.accept(request)
    } catch {
        response = WebSocketHandshake.refusal(error)
    }
    var output = OutputBuffer()
    response.write(to: &output, keepAlive: request.keepAlive, isHead: request.method == .head)
    require(output.count > 0, "no response")
}
