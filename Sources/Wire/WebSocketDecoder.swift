import Base

/// Where the payload of a control frame lies: in the bytes fed, or in the decoder if it came in pieces.
///
/// Read it with `WebSocketDecoder.withControl`, before the next call of `next`.
package struct WebSocketControlPayload: Sendable, Equatable {
    let range: Range<Int>
    let isStored: Bool

    /// 0–125 bytes.
    package var count: Int { range.count }
}

/// What the bytes fed to a `WebSocketDecoder` turned out to be.
package enum WebSocketEvent: Sendable, Equatable {
    /// Every byte was consumed; the read buffer may be used for something else.
    case needMore
    /// A whole message lies, unmasked and checked, in the fed bytes at this range.
    case message(WebSocketMessageKind, Range<Int>)
    /// A message that came in pieces is whole; `withAssembled` shows it until `releaseAssembled` or the next `next`.
    case assembled(WebSocketMessageKind)
    case ping(WebSocketControlPayload)
    case pong(WebSocketControlPayload)
    /// The other side closes, with its code (nil: it gave none) and its reason, which is valid UTF-8.
    case close(UInt16?, reason: WebSocketControlPayload)
    /// The other side broke the protocol; close the connection with the failure's code.
    case failure(WebSocketFailure)
}

/// Turns the bytes of a WebSocket connection into messages and control frames (RFC 6455, sections 5–8).
///
/// It is fed from a read buffer that all connections of a loop share. A message that lies whole in the buffer is
/// unmasked and validated in place: no copy, no allocation. Whatever is incomplete moves into memory of the decoder's
/// own, which grows as bytes come in, never by the length a frame claims, and is given back as soon as nothing is
/// incomplete any more. So an idle decoder is 16 bytes and owns nothing.
package struct WebSocketDecoder: ~Copyable {
    /// Exists only while a frame or a message is incomplete, or its last event is being looked at.
    private var partial: UnsafeMutablePointer<WebSocketPartial>?
    private let messageBytesMax: UInt32
    private let role: WebSocketRole
    /// Set by a failure or a close frame: nothing that follows is looked at (RFC 6455, section 5.5.1).
    package private(set) var isEnded = false

    /// `role` is the side that decodes: a server demands masked frames, a client unmasked ones. Messages of more than
    /// `messageBytesMax` bytes fail. Traps if that isn't within 0 and 4 GiB.
    package init(role: WebSocketRole, messageBytesMax: Int = Limits.frameBytesMax) {
        self.role = role
        self.messageBytesMax = UInt32(messageBytesMax)
    }

    deinit {
        if let partial {
            partial.deinitialize(count: 1)
            partial.deallocate()
        }
    }

    /// Whether no frame and no message is incomplete; then the decoder owns no memory.
    package var isIdle: Bool { partial == nil }

    /// Bytes of a message in progress that it holds.
    package var ownedByteCount: Int { partial.map { $0.pointee.message.count } ?? 0 }

    /// How often this was called since the message or frame in progress began; 0 if nothing is incomplete.
    package mutating func look() -> UInt8 {
        guard let partial, !partial.pointee.isIdle else { return 0 }
        partial.pointee.looks = partial.pointee.looks &+ 1
        return partial.pointee.looks
    }

    /// Decodes from `bytes` at `offset`, moves `offset` behind what it used, and returns the first event.
    ///
    /// Call it until `.needMore`. Ranges of events count from the first byte of `bytes`. After `.close` and `.failure`
    /// every further byte is consumed and ignored.
    package mutating func next(_ bytes: inout MutableRawSpan, _ offset: inout Int) -> WebSocketEvent {
        do throws(WebSocketFailure) {
            if partial != nil { settle() }
            if partial == nil && !isEnded {
                if offset >= bytes.byteCount { return .needMore }
                if let event = try nextWhole(&bytes, &offset) { return event }
            }
            return try nextInPieces(&bytes, &offset)
        } catch {
            isEnded = true
            releasePartial()
            offset = bytes.byteCount
            return .failure(error)
        }
    }

    /// Calls `body` with the message of the last event. Traps unless that was `.assembled`.
    package func withAssembled<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let partial, partial.pointee.isWhole else { preconditionFailure("no assembled message") }
        return try body(RawSpan(_unsafeBytes: partial.pointee.message.unsafeBytes))
    }

    /// Gives the memory of an assembled message back; the next `next` does it too.
    package mutating func releaseAssembled() {
        if partial != nil { settle() }
    }

    /// Calls `body` with the payload of a control event; `bytes` are those that `next` was called with.
    package func withControl<Result, Failure: Error>(
        _ payload: WebSocketControlPayload, in bytes: RawSpan, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard payload.isStored else { return try body(bytes.extracting(payload.range)) }
        guard let partial else { preconditionFailure("control payload was given back") }
        return try partial.pointee.withControl(payload.range, body)
    }

    /// The event of a frame that lies whole and unfragmented in the buffer; nil, with nothing changed, of any other.
    @inline(__always)
    private mutating func nextWhole(
        _ bytes: inout MutableRawSpan, _ offset: inout Int
    ) throws(WebSocketFailure) -> WebSocketEvent? {
        guard
            let header = try WebSocketFrameHeader.read(
                bytes.bytes, at: offset, role: role, isContinuing: false, room: Int(messageBytesMax)),
            header.isFinal
        else { return nil }
        let start = offset + header.headerBytes
        guard bytes.byteCount - start >= header.payloadBytes else { return nil }
        let payload = start..<start + header.payloadBytes
        Masking.apply(&bytes, payload, key: header.key, phase: 0)
        offset = payload.upperBound
        switch header.opcode {
        case .text:
            guard UTF8Validator.isValid(bytes.bytes.extracting(payload)) else { throw .invalidUTF8 }
            return .message(.text, payload)
        case .binary, .continuation:
            return .message(.binary, payload)
        case .close, .ping, .pong:
            let location = WebSocketControlPayload(range: payload, isStored: false)
            if header.opcode == .close { isEnded = true }
            return try WebSocketDecoder.controlEvent(header.opcode, location, bytes.bytes.extracting(payload))
        }
    }

    /// The next event by way of the decoder's own memory.
    @inline(never)
    private mutating func nextInPieces(
        _ bytes: inout MutableRawSpan, _ offset: inout Int
    ) throws(WebSocketFailure) -> WebSocketEvent {
        if isEnded {
            releasePartial()
            offset = bytes.byteCount
            return .needMore
        }
        let partial = self.partial ?? makePartial()
        switch try partial.pointee.advance(&bytes, &offset, role: role, messageBytesMax: Int(messageBytesMax)) {
        case .needMore:
            return .needMore
        case .message(let kind):
            return .assembled(kind)
        case .control(let opcode, let location):
            if opcode == .close { isEnded = true }
            let view = bytes.bytes
            return try withControl(location, in: view) { payload throws(WebSocketFailure) in
                try WebSocketDecoder.controlEvent(opcode, location, payload)
            }
        }
    }

    private static func controlEvent(
        _ opcode: WebSocketOpcode, _ location: WebSocketControlPayload, _ payload: RawSpan
    ) throws(WebSocketFailure) -> WebSocketEvent {
        if opcode == .ping { return .ping(location) }
        if opcode == .pong { return .pong(location) }
        if payload.byteCount == 0 { return .close(nil, reason: location) }
        guard payload.byteCount >= 2 else { throw .malformedClose }
        let code = payload.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt16.self).bigEndian
        guard WebSocketCloseCode.isAllowedOnWire(code) else { throw .invalidCloseCode }
        guard UTF8Validator.isValid(payload.extracting(droppingFirst: 2)) else { throw .invalidUTF8 }
        let reason = location.range.lowerBound + 2..<location.range.upperBound
        return .close(code, reason: WebSocketControlPayload(range: reason, isStored: location.isStored))
    }

    /// Lets go of what the last event showed, and of all memory if nothing is incomplete.
    private mutating func settle() {
        guard let partial else { return }
        if partial.pointee.isWhole { partial.pointee.discardMessage() }
        if partial.pointee.isIdle { releasePartial() }
    }

    private mutating func makePartial() -> UnsafeMutablePointer<WebSocketPartial> {
        let new = UnsafeMutablePointer<WebSocketPartial>.allocate(capacity: 1)
        new.initialize(to: WebSocketPartial())
        partial = new
        return new
    }

    private mutating func releasePartial() {
        guard let partial else { return }
        partial.deinitialize(count: 1)
        partial.deallocate()
        self.partial = nil
    }
}
