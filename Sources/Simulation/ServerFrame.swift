internal import Base
internal import Wire

/// A message as a client sees it in a push, a page or a history.
struct SeenEntry {
    /// 0 in a history, and in a message that is pushed to the members of a large group.
    var seq: UInt64
    var id: UInt64
    var conversation: String
    /// Of a notification: the place that a mark tells of, else 0.
    var cseq: UInt64
    var time: UInt64
    var sender: String
    /// The message's text, whatever form it came in; see ``SentMessage/text``.
    var text: String
    /// Whether the member that the router doesn't know came along, as it was sent.
    var hasExtra: Bool
    /// Whether it is a notification; its text is what it says, without what the router set.
    var isNotice = false
    /// Which change of a message it tells of, if it does.
    var change: Change?
    /// Whether the message was changed since it was sent, or its content taken away.
    var isEdited = false
    var isRecalled = false

    enum Change {
        case edit, recall
    }
}

/// The numbers of an ack.
struct SeenAck {
    var id: UInt64
    var conversation: String?
    var cseq: UInt64
    var seq: UInt64
    var time: UInt64
    var isDuplicate: Bool
}

/// What the router says, taken apart.
enum ServerFrame {
    case welcome(seq: UInt64, confirmed: UInt64)
    /// By the number of the attempt; nil for a binary ack and for one that follows an accepted one, which have a cid
    /// alone.
    case ack(SeenAck, attempt: UInt64?, cid: UInt64)
    case accepted(attempt: UInt64)
    case entry(SeenEntry)
    case fetched([SeenEntry], more: Bool, ref: UInt64)
    /// The end of a page that came as single entries.
    case binaryFetched(last: UInt64, more: Bool)
    case history(conversation: String, [SeenEntry], more: Bool, ref: UInt64)
    case behind(seq: UInt64)
    /// With the offset of a publication.
    case ok(ref: UInt64, offset: UInt64?)
    case error(ErrorReply)
    case typing(from: String, conversation: String)
    case read(by: String, conversation: String, cseq: UInt64)
    /// Who is online; an answer if it has a reference.
    case status([String: Bool], ref: UInt64?)
    case subscribed(SeenPlace, ref: UInt64)
    case published(SeenPublication)
    case lost(channel: String, after: UInt64, through: UInt64)

    struct ErrorReply {
        var code: String
        var message: String
        var cid: UInt64
        var ref: UInt64?
    }

    /// Nil if the frame is none that the router may send.
    init?(json bytes: UnsafeRawBufferPointer) {
        guard let value = JSONValue(bytes), let command = value["cmd"] else { return nil }
        let ref = value["ref"]?.unsigned ?? 0
        switch command {
        case .number, .text("notify"): self.init(entry: value)
        case .text("ack"):
            if value["level"]?.text == "accepted" {
                self = .accepted(attempt: ref)
                return
            }
            guard let id = value["id"]?.unsigned, let cseq = value["cseq"]?.unsigned, let seq = value["seq"]?.unsigned,
                let time = value["time"]?.unsigned, let conversation = value["conv"]?.text
            else { return nil }
            let ack = SeenAck(
                id: id, conversation: conversation, cseq: cseq, seq: seq, time: time,
                isDuplicate: value["dup"]?.bool ?? false)
            self = .ack(ack, attempt: value["ref"]?.unsigned, cid: value["cid"]?.text.flatMap { UInt64($0) } ?? 0)
        case .text("welcome"):
            guard let seq = value["seq"]?.unsigned, let confirmed = value["confirmed"]?.unsigned else { return nil }
            self = .welcome(seq: seq, confirmed: confirmed)
        case .text("fetched"):
            guard let page = ServerFrame.page(value["entries"]), let more = value["more"]?.bool else { return nil }
            self = .fetched(page, more: more, ref: ref)
        case .text("history"):
            guard let page = ServerFrame.page(value["messages"]), let more = value["more"]?.bool,
                let conversation = value["conv"]?.text
            else { return nil }
            self = .history(conversation: conversation, page, more: more, ref: ref)
        case .text("behind"):
            guard let seq = value["seq"]?.unsigned else { return nil }
            self = .behind(seq: seq)
        case .text("ok"): self = .ok(ref: ref, offset: value["offset"]?.unsigned)
        case .text("typing"):
            guard let user = value["userid"]?.text, let conversation = value["conv"]?.text else { return nil }
            self = .typing(from: user, conversation: conversation)
        case .text("read"):
            guard let user = value["userid"]?.text, let conversation = value["conv"]?.text,
                let cseq = value["cseq"]?.unsigned
            else { return nil }
            self = .read(by: user, conversation: conversation, cseq: cseq)
        case .text("status"):
            guard let users = value["users"]?.members else { return nil }
            var online: [String: Bool] = [:]
            for (user, state) in users {
                guard let isOnline = state["online"]?.bool, state["last_seen"]?.unsigned != nil else { return nil }
                online[user] = isOnline
            }
            self = .status(online, ref: value["ref"]?.unsigned)
        case .text("subscribed"), .text("channel"), .text("channel.lost"): self.init(channel: value, ref: ref)
        case .text("error"):
            guard let code = value["code"]?.text, let message = value["message"]?.text else { return nil }
            let cid = value["cid"]?.text.flatMap { UInt64($0) } ?? 0
            self = .error(ErrorReply(code: code, message: message, cid: cid, ref: value["ref"]?.unsigned))
        default: return nil
        }
    }

    private init?(channel value: JSONValue, ref: UInt64) {
        guard let channel = value["channel"]?.text, let offset = value["offset"]?.unsigned else { return nil }
        if let epoch = value["epoch"]?.text, let isRecovered = value["recovered"]?.bool {
            let place = SeenPlace(channel: channel, offset: offset, epoch: epoch, isRecovered: isRecovered)
            self = .subscribed(place, ref: ref)
        } else if let after = value["after"]?.unsigned {
            self = .lost(channel: channel, after: after, through: offset)
        } else {
            guard let number = value["data"]?.array?.first?.unsigned, let sender = value["userid"]?.text
            else { return nil }
            self = .published(
                SeenPublication(channel: channel, offset: offset, number: Int(number), sender: sender))
        }
    }

    private init?(entry value: JSONValue) {
        guard let entry = SeenEntry(value) else { return nil }
        self = .entry(entry)
    }

    private static func page(_ value: JSONValue?) -> [SeenEntry]? {
        guard let values = value?.array else { return nil }
        let entries = values.compactMap { SeenEntry($0) }
        return entries.count == values.count ? entries : nil
    }

    /// A frame of the binary protocol with its header.
    init?(binary frame: UnsafeRawBufferPointer) {
        let bytes = RawSpan(_unsafeBytes: frame)
        guard let header = try? BinaryHeader(message: bytes) else { return nil }
        let payload = bytes.extracting(BinaryHeader.byteCount..<bytes.byteCount)
        guard let reply = try? BinaryReply(header, payload: payload) else { return nil }
        switch reply {
        case .welcome(let welcome): self = .welcome(seq: welcome.seq, confirmed: welcome.confirmed)
        case .ack(let ack):
            let seen = SeenAck(
                id: ack.id, conversation: nil, cseq: ack.cseq, seq: ack.seq, time: ack.time,
                isDuplicate: ack.isDuplicate)
            self = .ack(seen, attempt: nil, cid: ack.cid)
        case .deliver(let delivery, let body):
            guard let form = header.flags.contentType,
                let entry = SeenEntry(delivery, form, header.flags.isCompressed, payload.extracting(body))
            else { return nil }
            self = .entry(entry)
        case .fetched(let fetched): self = .binaryFetched(last: fetched.lastSeq, more: fetched.hasMore)
        case .error(let error, let message):
            let text = payload.extracting(message).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            self = .error(ErrorReply(code: error.code.rawValue, message: text, cid: error.cid, ref: nil))
        case .event:
            let event = payload.withUnsafeBytes { ServerFrame(json: $0) }
            guard let event else { return nil }
            self = event
        case .pong: return nil
        }
    }
}

extension SeenEntry {
    private static let changes: [String: Change] = ["message.edited": .edit, "message.recalled": .recall]

    /// Notes what a message's members say of its changes; nil if they have no content for no reason.
    private static func content(_ members: JSONValue) -> (text: String, isEdited: Bool, isRecalled: Bool)? {
        let isRecalled = members["recalled"]?.bool ?? false
        let isEdited = members["edited"]?.unsigned != nil
        if isRecalled, members["content"] != nil || isEdited { return nil }
        guard let text = members["content"]?.text ?? (isRecalled ? "" : nil) else { return nil }
        return (text, isEdited, isRecalled)
    }

    init?(notice value: JSONValue) {
        guard let id = value["id"]?.unsigned, let time = value["time"]?.unsigned, let seq = value["seq"]?.unsigned,
            let sender = value["userid"]?.text, let conversation = value["conv"]?.text,
            let name = value["name"]?.text
        else { return nil }
        if let change = SeenEntry.changes[name] {
            guard let cseq = value["cseq"]?.unsigned else { return nil }
            self.init(
                seq: seq, id: id, conversation: conversation, cseq: cseq, time: time, sender: sender,
                text: value["content"]?.text ?? "", hasExtra: false, isNotice: true, change: change,
                isRecalled: value["recalled"]?.bool ?? false)
            return
        }
        self.init(
            seq: seq, id: id, conversation: conversation, cseq: value["cseq"]?.unsigned ?? 0, time: time,
            sender: sender, text: "\(name) \(value["user"]?.text ?? "") \(value["role"]?.text ?? "")",
            hasExtra: false, isNotice: true)
    }

    init?(_ value: JSONValue) {
        if value["cmd"]?.text == "notify" {
            self.init(notice: value)
            return
        }
        guard let command = value["cmd"]?.unsigned, let id = value["id"]?.unsigned,
            let conversation = value["conv"]?.text, let cseq = value["cseq"]?.unsigned,
            let time = value["time"]?.unsigned, let sender = value["userid"]?.text,
            let destination = value["dstid"]?.text, let (content, isEdited, isRecalled) = SeenEntry.content(value)
        else { return nil }
        self.init(
            seq: value["seq"]?.unsigned ?? 0, id: id, conversation: conversation, cseq: cseq, time: time,
            sender: sender, text: content, hasExtra: value["x"] == SentMessage.extraValue, isEdited: isEdited,
            isRecalled: isRecalled)
        guard conversation == Naming.conversation(command, sender, destination) else { return nil }
        if value["encoding"]?.text == "base64" {
            guard let bytes = Naming.decodeBase64(content) else { return nil }
            text = String(decoding: bytes, as: UTF8.self)
        }
    }

    init?(_ delivery: BinaryDelivery, _ form: ContentType, _ isCompressed: Bool, _ body: RawSpan) {
        var raw = OutputBuffer()
        if isCompressed {
            guard (try? LZ4Body.decompress(body, to: &raw)) != nil else { return nil }
        } else {
            raw.append(body)
        }
        let sender = delivery.sender.description
        let command = UInt64(delivery.kind.rawValue)
        var text = ""
        var hasExtra = false
        var isEdited = false
        var isRecalled = false
        switch form {
        case .opaque, .text: text = String(decoding: raw.unsafeBytes, as: UTF8.self)
        case .members:
            guard let members = JSONValue(raw.unsafeBytes), let content = SeenEntry.content(members) else { return nil }
            hasExtra = members["x"] == SentMessage.extraValue
            (text, isEdited, isRecalled) = content
        }
        self.init(
            seq: delivery.seq, id: delivery.id,
            conversation: Naming.conversation(command, sender, delivery.destination.description),
            cseq: delivery.cseq, time: delivery.time, sender: sender, text: text,
            hasExtra: hasExtra, isEdited: isEdited, isRecalled: isRecalled)
    }
}

/// The contract's rules for names, written down once more.
enum Naming {
    static func conversation(_ command: UInt64, _ sender: String, _ destination: String) -> String {
        if command == 11 { return destination }
        return sender.utf8.lexicographicallyPrecedes(destination.utf8)
            ? "\(sender):\(destination)" : "\(destination):\(sender)"
    }

    static func decodeBase64(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for character in text.utf8 where character != UInt8(ascii: "=") {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character + 4
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
