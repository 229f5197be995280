internal import Base
internal import Store
internal import Wire

/// What two users are told of a request, and of what became of it.
struct ContactNotice {
    enum Name: String {
        case request = "contact.request"
        case accepted = "contact.accepted"
        case removed = "contact.removed"
    }

    private let name: Name
    /// Who did it.
    private let actor: Identifier
    private let other: Identifier
    private let text: String

    init(_ name: Name, by actor: Identifier, _ other: Identifier, text: String = "") {
        self.name = name
        self.actor = actor
        self.other = other
        self.text = text
    }

    /// It is about no conversation: a request is nothing that was said there.
    func notice(to recipients: [Identifier]) -> Notice {
        Notice(actor: actor, subject: .none, recipients: recipients, members: members)
    }

    private var members: [UInt8] {
        var output = OutputBuffer()
        output.append(#""name":""#)
        output.append(utf8: name.rawValue)
        output.append(#"","user":"#)
        output.appendJSONString(other)
        output.append(#","conv":""#)
        output.appendJSONEscaped(min(actor, other))
        output.append(UInt8(ascii: ":"))
        output.appendJSONEscaped(max(actor, other))
        output.append(UInt8(ascii: "\""))
        if !text.isEmpty {
            output.append(#","text":"#)
            output.appendJSONString(text)
        }
        return Array(output.unsafeBytes)
    }
}
