internal import Base
internal import FoundationEssentials
internal import Wire

/// A frame of the server, read by a JSON decoder that isn't the project's own: this is a check of the router's writer.
struct VerifyFrame: Decodable {
    enum Command: Decodable, Equatable {
        case number(Int)
        case name(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                self = .number(number)
            } else {
                self = .name(try container.decode(String.self))
            }
        }
    }

    var cmd: Command
    var cid: String?
    var id: UInt64?
    var conv: String?
    var cseq: UInt64?
    var seq: UInt64?
    var userid: String?
    var content: String?
    var dup: Bool?
    var code: String?
    var message: String?
    var ref: String?
    var entries: [VerifyFrame]?
    var messages: [VerifyFrame]?
    var more: Bool?
    var confirmed: UInt64?

    static func decode(_ json: UnsafeRawBufferPointer) throws -> VerifyFrame {
        try JSONDecoder().decode(VerifyFrame.self, from: Data(json))
    }

    /// The message in this frame; `sender` where the frame names none, as in an ack.
    func entry(sender: String? = nil) -> StoredEntry {
        let id = cmd == .name("notify") ? 0 : id ?? 0
        return StoredEntry(
            seq: seq ?? 0, id: id, conversation: conv ?? "", cseq: cseq ?? 0, sender: sender ?? userid ?? "",
            cid: cid ?? "", digest: content.map(VerifyContent.digest))
    }
}

extension VerifyFrame {
    /// What a binary frame says, as the JSON frame of the same meaning would say it. A message is known by the number
    /// in front of its text.
    init(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer) throws {
        switch try BinaryReply(header, payload: RawSpan(_unsafeBytes: payload)) {
        case .welcome(let welcome):
            self.init(cmd: .name("welcome"), seq: welcome.seq, confirmed: welcome.confirmed)
        case .ack(let ack):
            self.init(
                cmd: .name("ack"), cid: String(ack.cid), id: ack.id, cseq: ack.cseq, seq: ack.seq,
                dup: ack.isDuplicate ? true : nil)
        case .deliver(let delivery, let body):
            let text = try VerifyFrame.text(header.flags, UnsafeRawBufferPointer(rebasing: payload[body]))
            let sent = ClientJournal.Sent(
                destination: delivery.destination.description, isGroup: delivery.kind == .group, digest: 0)
            self.init(
                cmd: .number(Int(delivery.kind.rawValue)), cid: VerifyContent.number(markedIn: text), id: delivery.id,
                conv: PromiseChecker.conversation(delivery.sender.description, sent), cseq: delivery.cseq,
                seq: delivery.seq, userid: delivery.sender.description, content: text)
        case .fetched(let page): self.init(cmd: .name("fetched"), more: page.hasMore)
        case .error(let error, _):
            self.init(cmd: .name("error"), cid: error.cid == 0 ? nil : String(error.cid), code: error.code.rawValue)
        case .pong, .event: throw BenchError("unexpected")
        }
    }

    /// The text of a message: its body, or the `content` among the members that a JSON client sent.
    private static func text(_ flags: BinaryFlags, _ body: UnsafeRawBufferPointer) throws -> String {
        struct Members: Decodable {
            var content: String
        }
        guard let text = messageText(flags, body) else { throw BenchError("a body that can't be read") }
        guard flags.contentType == .members else { return text }
        return try JSONDecoder().decode(Members.self, from: Data(text.utf8)).content
    }
}
