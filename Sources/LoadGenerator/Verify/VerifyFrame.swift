internal import FoundationEssentials

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
        StoredEntry(
            seq: seq ?? 0, id: id ?? 0, conversation: conv ?? "", cseq: cseq ?? 0, sender: sender ?? userid ?? "",
            cid: cid ?? "", digest: content.map(VerifyContent.digest))
    }
}
