package import Base

/// A durable notification: an entry in the inboxes of its recipients that is no message.
package struct Notice: Sendable {
    /// What it is about, if that is a conversation: it then counts as something that happened there.
    package enum Subject: Sendable {
        case none
        case privately(with: Identifier)
        case group(Identifier)
    }

    /// Who did it.
    package var actor: Identifier
    package var subject: Subject
    package var recipients: [Identifier]
    /// JSON members without braces, `"name":…` first.
    package var members: [UInt8]

    package init(actor: Identifier, subject: Subject, recipients: [Identifier], members: [UInt8]) {
        self.actor = actor
        self.subject = subject
        self.recipients = recipients
        self.members = members
    }

    /// The subject as a record has it.
    var head: MessageHead {
        let content: UInt8 = 2 << 4
        return switch subject {
        case .none: MessageHead(command: 0, content: content, sender: actor, destination: actor)
        case .privately(let other): MessageHead(command: 10, content: content, sender: actor, destination: other)
        case .group(let group):
            MessageHead(command: RecordView.groupCommand, content: content, sender: actor, destination: group)
        }
    }
}
