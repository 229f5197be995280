/// What a JSON frame of the server is, as far as a load generator cares.
package enum ServerFrame: Equatable, Sendable {
    case welcome
    /// An ack with the stamp in its `cid`; only an early one names its level.
    case ack(UInt64?, isAccepted: Bool)
    /// A stored message with the stamp in its `cid`.
    case message(UInt64?)
    /// A typing event with the stamp in its member `at`.
    case typing(UInt64?)
    case error
    /// Live pushes have stopped after this inbox entry, until the client fetches.
    case behind(UInt64)
    case fetched
    /// Something was done that has no answer of its own, with the stamp in its `ref`.
    case done(UInt64?)
    case subscribed
    /// What was published on a channel, with the stamp at the beginning of its data.
    case publication(UInt64?)
    /// Publications are gone that this client was too slow for.
    case publicationsLost
    /// The answer to a heartbeat.
    case heartbeat
    case other

    /// Looks at `cmd` and at the member with the stamp, and at nothing else: a load generator that parses what it
    /// receives measures itself.
    package init(_ json: UnsafeRawBufferPointer) {
        guard let start = ServerFrame.value(of: "\"cmd\":", in: json), start + 4 <= json.count else {
            self = json.elementsEqual(ServerFrame.heartbeatAnswer) ? .heartbeat : .other
            return
        }
        switch json.loadUnaligned(fromByteOffset: start, as: UInt32.self).littleEndian {
        case ServerFrame.word("\"ack"):
            let isAccepted = ServerFrame.value(of: "\"level\":", in: json) != nil
            self = .ack(ServerFrame.stamp(after: "\"cid\":\"", in: json), isAccepted: isAccepted)
        case ServerFrame.word("10,\""), ServerFrame.word("11,\""):
            self = .message(ServerFrame.stamp(after: "\"cid\":\"", in: json))
        case ServerFrame.word("\"typ"): self = .typing(ServerFrame.stamp(after: "\"at\":\"", in: json))
        case ServerFrame.word("\"wel"): self = .welcome
        case ServerFrame.word("\"err"): self = .error
        case ServerFrame.word("\"beh"):
            self = ServerFrame.number(after: "\"seq\":", in: json).map(Self.behind) ?? .other
        case ServerFrame.word("\"fet"): self = .fetched
        case ServerFrame.word("\"ok\""): self = .done(ServerFrame.reference(in: json))
        case ServerFrame.word("\"sub"): self = .subscribed
        case ServerFrame.word("\"cha"):
            let isPublication = start + 9 <= json.count && json[start + 8] == UInt8(ascii: "\"")
            self =
                isPublication
                ? .publication(ServerFrame.stamp(after: "\"data\":\"", in: json)) : .publicationsLost
        default: self = .other
        }
    }

    private static let heartbeatAnswer = Array(#"{"cmd":0}"#.utf8)

    /// The stamp that was sent as `ref`; nil if there is none.
    static func reference(in json: UnsafeRawBufferPointer) -> UInt64? { stamp(after: "\"ref\":\"", in: json) }

    private static func stamp(after name: StaticString, in json: UnsafeRawBufferPointer) -> UInt64? {
        value(of: name, in: json).flatMap { Stamp.read(json, at: $0) }
    }

    /// The offset behind the first place where `name`, of at most eight letters, stands.
    @inline(__always)
    private static func value(of name: StaticString, in json: UnsafeRawBufferPointer) -> Int? {
        let length = name.utf8CodeUnitCount
        let mask = UInt64.max >> UInt64(64 - 8 * length)
        var wanted: UInt64 = 0
        for index in 0..<length { wanted |= UInt64(name.utf8Start[index]) << UInt64(8 * index) }
        var offset = 0
        // A frame has at least a value and a bracket behind a name, so the last seven bytes begin none.
        while offset + 8 <= json.count {
            let word = json.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            if word & mask == wanted { return offset + length }
            offset += 1
        }
        return nil
    }

    /// The number behind the first place where `name` stands.
    private static func number(after name: StaticString, in json: UnsafeRawBufferPointer) -> UInt64? {
        guard let start = value(of: name, in: json) else { return nil }
        let digits = json[start...].prefix { $0 >= 48 && $0 <= 57 }
        return digits.isEmpty ? nil : digits.reduce(0) { $0 &* 10 &+ UInt64($1 &- 48) }
    }

    /// Four ASCII letters as they lie in memory.
    @inline(__always)
    private static func word(_ text: StaticString) -> UInt32 {
        UnsafeRawPointer(text.utf8Start).loadUnaligned(as: UInt32.self).littleEndian
    }
}
