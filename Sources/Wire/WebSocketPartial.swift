import Base

/// What a `WebSocketDecoder` remembers of frames and messages that came in pieces.
struct WebSocketPartial: ~Copyable {
    enum Step {
        case needMore
        case message(WebSocketMessageKind)
        case control(WebSocketOpcode, WebSocketControlPayload)
    }

    /// The payload of the message in progress, unmasked.
    var message = OutputBuffer()
    /// The payload of a control frame that came in pieces, unmasked.
    private var control: [125 of UInt8] = .init(repeating: 0)
    /// All frames of the message are there and nobody has let go of it yet.
    private(set) var isWhole = false
    /// How often somebody looked whether the message, or the frame between messages, is whole.
    var looks: UInt8 = 0

    /// The message in progress; nil between messages.
    private var kind: WebSocketMessageKind?
    /// The frame in progress; nil between frames.
    private var frame: WebSocketFrameHeader?
    /// Payload bytes of the frame in progress that were taken.
    private var frameBytes = 0
    /// The header in progress.
    private var spill: [14 of UInt8] = .init(repeating: 0)
    private var spillBytes = 0
    private var validator = UTF8Validator()

    /// Whether nothing is incomplete.
    var isIdle: Bool { kind == nil && frame == nil && spillBytes == 0 }

    /// Calls `body` with a range of the stored control payload.
    func withControl<Result, Failure: Error>(
        _ range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(control.span.bytes.extracting(range))
    }

    mutating func discardMessage() {
        message.release()
        validator = UTF8Validator()
        kind = nil
        looks = 0
        isWhole = false
    }

    /// Takes bytes from `offset` on until a message or a control frame is whole, or all of them are taken.
    mutating func advance(
        _ bytes: inout MutableRawSpan, _ offset: inout Int, role: WebSocketRole, messageBytesMax: Int
    ) throws(WebSocketFailure) -> Step {
        while true {
            if frame == nil {
                let room = messageBytesMax - message.count
                guard let header = try takeHeader(bytes.bytes, &offset, role: role, room: room) else {
                    return .needMore
                }
                begin(header)
            }
            guard let frame else { return .needMore }
            let piece = offset..<offset + min(frame.payloadBytes - frameBytes, bytes.byteCount - offset)
            Masking.apply(&bytes, piece, key: frame.key, phase: frameBytes)
            let isInOnePiece = piece.count == frame.payloadBytes
            if !frame.opcode.isControl {
                try append(bytes.bytes.extracting(piece))
            } else if !isInOnePiece {
                store(bytes.bytes.extracting(piece))
            }
            frameBytes += piece.count
            offset = piece.upperBound
            guard frameBytes == frame.payloadBytes else { return .needMore }
            self.frame = nil
            if frame.opcode.isControl {
                let range = isInOnePiece ? piece : 0..<frameBytes
                return .control(frame.opcode, WebSocketControlPayload(range: range, isStored: !isInOnePiece))
            }
            if frame.isFinal { return try finish() }
        }
    }

    private mutating func begin(_ header: WebSocketFrameHeader) {
        frame = header
        frameBytes = 0
        if header.opcode == .text { kind = .text }
        if header.opcode == .binary { kind = .binary }
    }

    private mutating func finish() throws(WebSocketFailure) -> Step {
        guard let kind else { return .needMore }
        if kind == .text && !validator.isComplete { throw .invalidUTF8 }
        isWhole = true
        return .message(kind)
    }

    private mutating func append(_ payload: RawSpan) throws(WebSocketFailure) {
        if kind == .text && !validator.consume(payload) { throw .invalidUTF8 }
        message.append(payload)
    }

    private mutating func store(_ payload: RawSpan) {
        for index in 0..<payload.byteCount {
            control[frameBytes + index] = payload.unsafeLoad(fromByteOffset: index, as: UInt8.self)
        }
    }

    /// The next header, put together from the spilled bytes and those at `offset`; nil when all bytes were taken.
    private mutating func takeHeader(
        _ bytes: RawSpan, _ offset: inout Int, role: WebSocketRole, room: Int
    ) throws(WebSocketFailure) -> WebSocketFrameHeader? {
        let isContinuing = kind != nil
        let before = spillBytes
        let taken = min(WebSocketFrameHeader.bytesMax - before, bytes.byteCount - offset)
        for index in 0..<taken {
            spill[before + index] = bytes.unsafeLoad(fromByteOffset: offset + index, as: UInt8.self)
        }
        let known = spill.span.bytes.extracting(first: before + taken)
        guard
            let header = try WebSocketFrameHeader.read(
                known, at: 0, role: role, isContinuing: isContinuing, room: room)
        else {
            spillBytes = before + taken
            offset += taken
            return nil
        }
        spillBytes = 0
        offset += header.headerBytes - before
        return header
    }
}
