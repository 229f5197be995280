/// What a JSON frame asks for: its `cmd`.
package enum Command: Sendable, CaseIterable {
    case heartbeat
    case privateMessage
    case groupMessage
    case confirm
    case fetch
    case history
    case read
    case status
    case watch
    case unwatch
    case typing
    case edit
    case recall
    case forward
    case subscribe
    case unsubscribe
    case publish
    case subscribers
    case connect
    /// A `cmd` of the right type that this version doesn't know, or none where none is needed.
    case unknown

    /// The command of an integer, whose digits lie at `range`.
    init(number bytes: RawSpan, _ range: Range<Int>) {
        let word = range.count <= 2 ? Command.word(of: bytes, range) : .max
        self =
            switch word {
            case JSONBytes.word("10"): .privateMessage
            case JSONBytes.word("11"): .groupMessage
            case JSONBytes.word("0"): .heartbeat
            default: .unknown
            }
    }

    /// The command of a string, whose decoded bytes lie at `range`.
    init(name bytes: RawSpan, _ range: Range<Int>) {
        let length = range.count
        guard length <= 8 else {
            self = Command(longName: bytes.extracting(range))
            return
        }
        self =
            switch (length, Command.word(of: bytes, range)) {
            case (7, JSONBytes.word("confirm")): .confirm
            case (5, JSONBytes.word("fetch")): .fetch
            case (7, JSONBytes.word("history")): .history
            case (4, JSONBytes.word("read")): .read
            case (6, JSONBytes.word("status")): .status
            case (5, JSONBytes.word("watch")): .watch
            case (7, JSONBytes.word("unwatch")): .unwatch
            case (6, JSONBytes.word("typing")): .typing
            case (4, JSONBytes.word("edit")): .edit
            case (6, JSONBytes.word("recall")): .recall
            case (7, JSONBytes.word("forward")): .forward
            case (7, JSONBytes.word("publish")): .publish
            case (7, JSONBytes.word("connect")): .connect
            default: .unknown
            }
    }

    /// Up to eight bytes; those around them make it one load.
    private static func word(of bytes: RawSpan, _ range: Range<Int>) -> UInt64 {
        JSONScanner(bytes).word(at: range.lowerBound) & JSONBytes.mask(range.count)
    }

    private init(longName name: RawSpan) {
        let text = name.withUnsafeBytes { String(decoding: $0.prefix(16), as: UTF8.self) }
        self =
            switch text {
            case "subscribe": .subscribe
            case "unsubscribe": .unsubscribe
            case "subscribers": .subscribers
            default: .unknown
            }
    }
}
