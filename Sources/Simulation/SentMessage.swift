internal import Base

/// A message that some client has sent, and all that was ever heard of it.
struct SentMessage {
    let number: Int
    /// Index of the user.
    let sender: Int
    let conversation: String
    /// The other user; nil in a group.
    let recipient: Int?
    let group: Int?
    /// What the recipients must see: `m`, the number, `|`, and something to fill.
    let text: String
    /// 0: none.
    let cid: UInt64
    /// Whether it has a member that the router doesn't know.
    let hasExtra: Bool
    /// The oldest membership that may decide about its recipients.
    let oldestMembership: Int

    /// How often it was sent, and how often the router said that nothing was stored.
    var attempts = 0
    var refusals = 0
    /// Whether an ack came that wasn't for a resend, and whether any came.
    var firstAck = false
    var isAcked = false
    var numbers: Numbers?
    var changes = MessageChanges()
    /// Its place in the inbox of each user.
    var places: [Int: UInt64] = [:]

    struct Numbers: Equatable {
        var id: UInt64
        var cseq: UInt64
        var time: UInt64
    }

    static let extraText = #"{"n":[1, 2.50,-3e2,null],"é\n":"\u00e9"}"#
    static let extraValue: JSONValue = {
        let bytes = Array(extraText.utf8)
        guard let value = bytes.withUnsafeBytes({ JSONValue($0) }) else { preconditionFailure("extraText is JSON") }
        return value
    }()

    /// The number in a message's text.
    static func number(in text: String) -> Int? {
        guard text.utf8.first == UInt8(ascii: "m"), let end = text.utf8.firstIndex(of: UInt8(ascii: "|")) else {
            return nil
        }
        return Int(
            text.utf8[text.utf8.index(after: text.utf8.startIndex)..<end].reduce(into: "") {
                $0.unicodeScalars.append(Unicode.Scalar($1))
            })
    }

    /// Text for an edit of message `number`: another one for each.
    static func text(_ number: Int, edit: Int, byteCount: Int, _ random: inout SeededRandom) -> String {
        text(number, byteCount: byteCount, &random) + "|edit \(edit)"
    }

    /// Text for message `number` of about `byteCount` bytes, with what is hard to write in JSON.
    static func text(_ number: Int, byteCount: Int, _ random: inout SeededRandom) -> String {
        var text = "m\(number)|"
        let pieces = ["a", "quite plain text ", "\"", "\\", "\n", "é", "\u{1}", "🚀", "/", "\u{2028}"]
        if byteCount > 500 { text += String(repeating: "x", count: byteCount) }
        while text.utf8.count < byteCount { text += pieces[random.below(pieces.count)] }
        return text
    }
}

/// A question or a message that a session waits for an answer to.
enum Question {
    case send(message: Int)
    case page(PageQuestion)
    case history(HistoryQuestion)
    case confirm(seq: UInt64)
    case edit(message: Int, edit: Int)
    case recall(message: Int)
    case typing
    case read(ReadPlace)
    /// Of these users.
    case watch([String])
    case unwatch
    case subscribe(String, after: UInt64?, epoch: String?)
    case unsubscribe(String)
    case publish(String)
}

struct PageQuestion {
    var after: UInt64
    var limit: Int
    /// The last entry that anybody had seen when the question was asked.
    var known: UInt64
    /// The checker's moment then.
    var moment: Int
}

struct HistoryQuestion {
    var conversation: String
    var after: UInt64?
    var before: UInt64?
    var limit: Int
    /// The last message that anybody had seen when the question was asked.
    var known: UInt64
    /// The checker's moment then.
    var moment: Int
    /// Whether all of the conversation is being read, for the end of a run.
    var isFinal = false
}

/// What a client knows of one session, by which the checker judges what comes next.
struct SessionView {
    /// What it asked to resume behind; nil: live only.
    let after: UInt64?
    /// The last entry of its user that anybody had seen when it signed in.
    var known: UInt64 = 0
    /// The checker's moment then.
    var moment = 0
    var isWelcome = false
    /// The last entry that was pushed or acked.
    var last: UInt64 = 0
    /// Entries up to here may be gone, since all devices have confirmed them.
    var floor: UInt64 = 0
    var isBehind = false
    /// The last message without a place in the inbox that was pushed, by group.
    var pushed: [String: UInt64] = [:]
    var questions: [UInt64: Question] = [:]
    /// Attempts that were answered before the commit.
    var accepted: Set<UInt64> = []
    /// Pages asked for in binary, which are answered in order and without a reference.
    var binaryPages: [PageQuestion] = []
    /// Users whom it watches, and who of them is online as far as it was told.
    var watched: Set<String> = []
    var online: [String: Bool] = [:]
    /// What came in since, until it is known what of it is the page.
    var held: [ServerFrame] = []
    var channels: [String: ChannelView] = [:]

    init(after: UInt64?) { self.after = after }
}
