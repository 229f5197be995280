import Base

/// What the bytes fed to an `HTTPRequestDecoder` turned out to be.
package enum HTTPRequestEvent: Sendable, Equatable {
    /// Every byte was consumed.
    case needMore
    case request(HTTPRequest)
    /// The client waits with its body: write `100 Continue` (RFC 9110, section 10.1.1), or refuse and close.
    case expectContinue
    /// The request can't be understood or is too large: answer with the failure's status and close the connection.
    case failure(HTTPFailure)
}

/// Turns the bytes of a connection into HTTP/1.1 and HTTP/1.0 requests (RFC 9112), however they are split.
///
/// What two readers could understand differently is refused, since a proxy in front of the router may be the other
/// reader. Head, number of header fields and body are bounded by `Limits`. What it says depends only on the stream, not
/// on where the reads cut it. Between requests it owns no memory.
package struct HTTPRequestDecoder: ~Copyable {
    private enum State {
        case requestLine
        case fields
        case body(missing: Int)
        case chunkSize
        case chunk(missing: Int)
        case chunkEnd
        case trailers
        case ended
    }

    /// Longest line with the size of a chunk, extensions included.
    private static let chunkLineBytesMax = 1 << 10

    private var state = State.requestLine
    /// The line in progress; when it is whole, without its CRLF.
    private var line: [UInt8] = []
    /// Bytes of the head, or of the trailers, in the lines before this one.
    private var headBytes = 0
    private var trailerCount = 0
    private var head: HTTPHead?
    private var body: [UInt8] = []

    package init() {}

    /// Whether no request is incomplete.
    package var isIdle: Bool {
        guard case .requestLine = state else { return false }
        return line.isEmpty
    }

    /// Bytes of a request in progress that it holds.
    package var ownedByteCount: Int { line.count + body.count }

    /// Whether the head of a request is there and its body isn't.
    package var hasHead: Bool {
        switch state {
        case .requestLine, .fields, .ended: false
        case .body, .chunkSize, .chunk, .chunkEnd, .trailers: true
        }
    }

    /// Decodes from `bytes` at `offset`, moves `offset` behind what it used, and returns the first event.
    ///
    /// Call it until `.needMore`. After `.request`, `offset` is right behind the request, so that a connection that is
    /// upgraded finds its first frame there. After a failure, and after a request whose connection doesn't go on, every
    /// further byte is consumed and ignored.
    package mutating func next(_ bytes: RawSpan, _ offset: inout Int) -> HTTPRequestEvent {
        do throws(HTTPFailure) {
            while true {
                if let event = try step(bytes, &offset) { return event }
            }
        } catch {
            reset()
            state = .ended
            offset = bytes.byteCount
            return .failure(error)
        }
    }

    /// One line or one piece of a body; nil to go on.
    private mutating func step(_ bytes: RawSpan, _ offset: inout Int) throws(HTTPFailure) -> HTTPRequestEvent? {
        switch state {
        case .requestLine, .fields:
            guard try takeHeadLine(bytes, &offset) else { return .needMore }
            return try headLine()
        case .body(let missing):
            let rest = take(bytes, &offset, missing: missing)
            state = .body(missing: rest)
            return rest == 0 ? finish() : .needMore
        case .chunkSize:
            let tooLong = HTTPFailure(.badRequest, "chunk size line too long")
            guard try takeLine(bytes, &offset, limit: HTTPRequestDecoder.chunkLineBytesMax, tooLong) else {
                return .needMore
            }
            try beginChunk()
        case .chunk(let missing):
            let rest = take(bytes, &offset, missing: missing)
            state = .chunk(missing: rest)
            guard rest == 0 else { return .needMore }
            state = .chunkEnd
        case .chunkEnd:
            let tooLong = HTTPFailure(.badRequest, "chunk longer than its size")
            guard try takeLine(bytes, &offset, limit: 2, tooLong) else { return .needMore }
            line.removeAll(keepingCapacity: true)
            state = .chunkSize
        case .trailers:
            guard try takeHeadLine(bytes, &offset) else { return .needMore }
            if line.isEmpty { return finish() }
            _ = try HTTPHead.field(line)
            trailerCount += 1
            if trailerCount > Limits.httpHeadersMax { throw HTTPFailure(.headerFieldsTooLarge, "too many trailers") }
            line.removeAll(keepingCapacity: true)
        case .ended:
            offset = bytes.byteCount
            return .needMore
        }
        return nil
    }

    /// Takes a line of the head or of the trailers, within their limit.
    private mutating func takeHeadLine(_ bytes: RawSpan, _ offset: inout Int) throws(HTTPFailure) -> Bool {
        let tooLong =
            if case .requestLine = state {
                HTTPFailure(.uriTooLong, "request line too long")
            } else {
                HTTPFailure(.headerFieldsTooLarge, "header fields too large")
            }
        guard try takeLine(bytes, &offset, limit: Limits.httpHeadBytesMax - headBytes, tooLong) else { return false }
        headBytes += line.count + 2
        return true
    }

    /// Moves bytes into `line` up to the next CRLF; false if it isn't there yet. Fails with `tooLong` if the line with
    /// its CRLF is longer than `limit`.
    private mutating func takeLine(
        _ bytes: RawSpan, _ offset: inout Int, limit: Int, _ tooLong: HTTPFailure
    ) throws(HTTPFailure) -> Bool {
        let end = min(bytes.byteCount, offset + limit - line.count)
        let lineFeed = bytes.firstOffset(ofByte: 0x0A, in: offset..<end)
        bytes.extracting(offset..<(lineFeed ?? end)).withUnsafeBytes { line.append(contentsOf: $0) }
        guard let lineFeed else {
            offset = end
            if line.count >= limit { throw tooLong }
            return false
        }
        offset = lineFeed + 1
        guard line.popLast() == 0x0D else { throw HTTPFailure(.badRequest, "line without CRLF") }
        return true
    }

    private mutating func headLine() throws(HTTPFailure) -> HTTPRequestEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        guard head != nil else {
            // An empty line before a request is left over from the one before (RFC 9112, section 2.2).
            if line.isEmpty { return nil }
            head = try HTTPHead(requestLine: line)
            state = .fields
            return nil
        }
        if line.isEmpty { return try finishHead() }
        let field = try HTTPHead.field(line)
        head?.headers.add(trusted: field.name, field.value)
        if let head, head.headers.count > Limits.httpHeadersMax {
            throw HTTPFailure(.headerFieldsTooLarge, "too many header fields")
        }
        return nil
    }

    private mutating func finishHead() throws(HTTPFailure) -> HTTPRequestEvent? {
        guard let head else { return nil }
        try head.validateHost()
        let framing = try head.framing()
        let expectsContinue = try head.expectsContinue()
        switch framing {
        case .length(0): return finish()
        case .length(let length): state = .body(missing: length)
        case .chunked: state = .chunkSize
        }
        return expectsContinue ? .expectContinue : nil
    }

    private mutating func beginChunk() throws(HTTPFailure) {
        let size = try HTTPHead.chunkSize(line)
        line.removeAll(keepingCapacity: true)
        if size > Limits.httpBodyBytesMax - body.count { throw HTTPFailure(.contentTooLarge, "body too large") }
        state = size == 0 ? .trailers : .chunk(missing: size)
        headBytes = 0
    }

    /// Moves at most `missing` bytes into the body; returns how many are missing then.
    private mutating func take(_ bytes: RawSpan, _ offset: inout Int, missing: Int) -> Int {
        let piece = offset..<min(bytes.byteCount, offset + missing)
        bytes.extracting(piece).withUnsafeBytes { body.append(contentsOf: $0) }
        offset = piece.upperBound
        return missing - piece.count
    }

    private mutating func finish() -> HTTPRequestEvent? {
        guard let head else { return nil }
        let request = HTTPRequest(
            method: head.method, target: head.target, headers: head.headers, body: body, isHTTP10: head.isHTTP10,
            keepAlive: head.keepAlive)
        reset()
        if !request.keepAlive { state = .ended }
        return .request(request)
    }

    private mutating func reset() {
        state = .requestLine
        line = []
        headBytes = 0
        trailerCount = 0
        head = nil
        body = []
    }
}

extension RawSpan {
    /// The offset of the first `byte` in `range`, looked for 8 bytes at a time.
    fileprivate func firstOffset(ofByte byte: UInt8, in range: Range<Int>) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let pattern = ones &* UInt64(byte)
        var offset = range.lowerBound
        while offset + 8 <= range.upperBound {
            let difference = unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian ^ pattern
            // The lowest byte that is zero, and only from there on perhaps others, gets its high bit set.
            let zeros = (difference &- ones) & ~difference & (ones << 7)
            if zeros != 0 { return offset + zeros.trailingZeroBitCount / 8 }
            offset += 8
        }
        while offset < range.upperBound {
            if unsafeLoad(fromByteOffset: offset, as: UInt8.self) == byte { return offset }
            offset += 1
        }
        return nil
    }
}
