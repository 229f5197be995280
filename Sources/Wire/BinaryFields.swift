package import Base

// The fields of the binary frames, in the order in which they lie in the payload. Each knows the exact size of its
// frame, header included, and appends it; a frame with a body is completed by appending `bodyByteCount` bytes of it.
// Parsed frames are given as the same values: see `BinaryRequest` and `BinaryReply`.

/// What HELLO's credential is.
package enum BinaryAuthentication: UInt8, Sendable {
    /// None: the id is believed. For development only.
    case none = 0
    case token = 1
    case session = 2
}

/// Bits of HELLO's and WELCOME's features.
package enum BinaryFeatures {
    /// The client reads LZ4 bodies.
    package static let readsLZ4: UInt8 = 1
}

/// Fields of HELLO, without its texts.
package struct BinaryHello: Hashable, Sendable {
    package static let version: UInt8 = 1

    package var authentication: BinaryAuthentication
    /// Unknown bits are kept and mean nothing.
    package var features: UInt8
    /// Push inbox entries after this `seq`; nil: only live ones.
    package var after: UInt64?

    package init(authentication: BinaryAuthentication, features: UInt8, after: UInt64?) {
        self.authentication = authentication
        self.features = features
        self.after = after
    }

    package static func frameByteCount(user: Identifier?, device: Identifier?, credential: RawSpan) -> Int {
        BinaryHeader.byteCount + 16 + (user?.count ?? 0) + (device?.count ?? 0) + credential.byteCount
    }

    /// Traps if the credential has more than 65,535 bytes.
    package func append(user: Identifier?, device: Identifier?, credential: RawSpan, to output: inout OutputBuffer) {
        let size = BinaryHello.frameByteCount(user: user, device: device, credential: credential)
        BinaryHeader(.hello, length: size - BinaryHeader.byteCount).append(to: &output)
        output.append(BinaryHello.version)
        output.append(authentication.rawValue)
        output.append(features)
        output.append(0 as UInt8)
        output.append(littleEndian: after ?? .max)
        output.append(text8: user)
        output.append(text8: device)
        output.append(littleEndian: UInt16(credential.byteCount))
        output.append(credential)
    }
}

/// The first frame after sign-in.
package struct BinaryWelcome: Hashable, Sendable {
    /// The last `seq` of the user's inbox.
    package var seq: UInt64
    package var confirmed: UInt64
    /// Milliseconds since the Unix epoch.
    package var time: UInt64
    /// Largest payload that a client may send, in bytes.
    package var frameBytesMax: UInt32
    package var heartbeatSeconds: UInt16
    package var features: UInt8
    package var user: Identifier
    package var device: Identifier

    package init(
        seq: UInt64, confirmed: UInt64, time: UInt64, frameBytesMax: UInt32, heartbeatSeconds: UInt16, features: UInt8,
        user: Identifier, device: Identifier
    ) {
        self.seq = seq
        self.confirmed = confirmed
        self.time = time
        self.frameBytesMax = frameBytesMax
        self.heartbeatSeconds = heartbeatSeconds
        self.features = features
        self.user = user
        self.device = device
    }

    package var frameByteCount: Int { BinaryHeader.byteCount + 34 + user.count + device.count }

    package func append(to output: inout OutputBuffer) {
        BinaryHeader(.welcome, length: frameByteCount - BinaryHeader.byteCount).append(to: &output)
        output.append(littleEndian: seq)
        output.append(littleEndian: confirmed)
        output.append(littleEndian: time)
        output.append(littleEndian: frameBytesMax)
        output.append(littleEndian: heartbeatSeconds)
        output.append(features)
        output.append(0 as UInt8)
        output.append(text8: user)
        output.append(text8: device)
    }
}

/// Fields of SEND; its body follows.
package struct BinarySend: Hashable, Sendable {
    /// The sender's own id of the message. 0: none, then a resend isn't recognised; the ACK carries 0 too.
    package var cid: UInt64
    package var kind: MessageKind
    package var destination: Identifier

    package init(cid: UInt64, kind: MessageKind, destination: Identifier) {
        self.cid = cid
        self.kind = kind
        self.destination = destination
    }

    package func frameByteCount(bodyByteCount: Int) -> Int {
        BinaryHeader.byteCount + 10 + destination.count + bodyByteCount
    }

    package func append(flags: BinaryFlags, bodyByteCount: Int, to output: inout OutputBuffer) {
        let size = frameByteCount(bodyByteCount: bodyByteCount)
        BinaryHeader(.send, length: size - BinaryHeader.byteCount, flags: flags).append(to: &output)
        output.append(littleEndian: cid)
        output.append(kind.rawValue)
        output.append(text8: destination)
    }
}

/// The numbers of a stored message, for its sender.
package struct BinaryAck: Hashable, Sendable {
    package var cid: UInt64
    package var id: UInt64
    package var cseq: UInt64
    /// The message's place in the sender's own inbox.
    package var seq: UInt64
    /// Milliseconds since the Unix epoch.
    package var time: UInt64
    /// The message was stored before: this answers a resend.
    package var isDuplicate: Bool

    package init(cid: UInt64, id: UInt64, cseq: UInt64, seq: UInt64, time: UInt64, isDuplicate: Bool) {
        self.cid = cid
        self.id = id
        self.cseq = cseq
        self.seq = seq
        self.time = time
        self.isDuplicate = isDuplicate
    }

    package static let frameByteCount = BinaryHeader.byteCount + 40

    package func append(to output: inout OutputBuffer) {
        output.reserve(BinaryAck.frameByteCount)
        BinaryHeader(.ack, length: 40, flags: isDuplicate ? .duplicate : .none).append(to: &output)
        output.append(littleEndian: cid)
        output.append(littleEndian: id)
        output.append(littleEndian: cseq)
        output.append(littleEndian: seq)
        output.append(littleEndian: time)
    }
}

/// Fields of DELIVER; its body follows.
package struct BinaryDelivery: Hashable, Sendable {
    /// Place in the recipient's inbox.
    package var seq: UInt64
    package var id: UInt64
    package var cseq: UInt64
    /// Milliseconds since the Unix epoch.
    package var time: UInt64
    package var kind: MessageKind
    package var sender: Identifier
    package var destination: Identifier

    package init(
        seq: UInt64, id: UInt64, cseq: UInt64, time: UInt64, kind: MessageKind, sender: Identifier,
        destination: Identifier
    ) {
        self.seq = seq
        self.id = id
        self.cseq = cseq
        self.time = time
        self.kind = kind
        self.sender = sender
        self.destination = destination
    }

    package func frameByteCount(bodyByteCount: Int) -> Int {
        BinaryHeader.byteCount + 35 + sender.count + destination.count + bodyByteCount
    }

    package func append(flags: BinaryFlags, bodyByteCount: Int, to output: inout OutputBuffer) {
        let size = frameByteCount(bodyByteCount: bodyByteCount)
        output.reserve(size)
        BinaryHeader(.deliver, length: size - BinaryHeader.byteCount, flags: flags).append(to: &output)
        output.append(littleEndian: seq)
        output.append(littleEndian: id)
        output.append(littleEndian: cseq)
        output.append(littleEndian: time)
        output.append(kind.rawValue)
        output.append(text8: sender)
        output.append(text8: destination)
    }
}

/// CONFIRM, FETCH and FETCHED: frames of fixed size.
package struct BinaryConfirm: Hashable, Sendable {
    package var seq: UInt64

    package init(seq: UInt64) { self.seq = seq }

    package static let frameByteCount = BinaryHeader.byteCount + 8

    package func append(to output: inout OutputBuffer) {
        BinaryHeader(.confirm, length: 8).append(to: &output)
        output.append(littleEndian: seq)
    }
}

/// A client asks for inbox entries.
package struct BinaryFetch: Hashable, Sendable {
    package var after: UInt64
    /// Entries; not checked against the largest page.
    package var limit: UInt32

    package init(after: UInt64, limit: UInt32) {
        self.after = after
        self.limit = limit
    }

    package static let frameByteCount = BinaryHeader.byteCount + 12

    package func append(to output: inout OutputBuffer) {
        BinaryHeader(.fetch, length: 12).append(to: &output)
        output.append(littleEndian: after)
        output.append(littleEndian: limit)
    }
}

/// The end of a page of inbox entries.
package struct BinaryFetched: Hashable, Sendable {
    /// The `seq` of the last entry that was delivered before this frame.
    package var lastSeq: UInt64
    package var hasMore: Bool

    package init(lastSeq: UInt64, hasMore: Bool) {
        self.lastSeq = lastSeq
        self.hasMore = hasMore
    }

    package static let frameByteCount = BinaryHeader.byteCount + 9

    package func append(to output: inout OutputBuffer) {
        BinaryHeader(.fetched, length: 9).append(to: &output)
        output.append(littleEndian: lastSeq)
        output.append(UInt8(hasMore ? 1 : 0))
    }
}

/// Fields of ERROR, without its message.
package struct BinaryErrorReply: Hashable, Sendable {
    /// The `cid` of the refused SEND; 0: none.
    package var cid: UInt64
    package var code: ErrorCode

    package init(cid: UInt64, code: ErrorCode) {
        self.cid = cid
        self.code = code
    }

    package func frameByteCount(message: RawSpan) -> Int {
        BinaryHeader.byteCount + 11 + code.rawValue.utf8.count + message.byteCount
    }

    /// Traps if the message, UTF-8, has more than 65,535 bytes.
    package func append(message: RawSpan, to output: inout OutputBuffer) {
        let size = frameByteCount(message: message)
        BinaryHeader(.error, length: size - BinaryHeader.byteCount).append(to: &output)
        output.append(littleEndian: cid)
        output.append(UInt8(code.rawValue.utf8.count))
        output.append(utf8: code.rawValue)
        output.append(littleEndian: UInt16(message.byteCount))
        output.append(message)
    }
}

extension OutputBuffer {
    fileprivate mutating func append(text8 identifier: Identifier?) {
        append(UInt8(identifier?.count ?? 0))
        if let identifier { append(identifier) }
    }
}
