package import Base
internal import Core
internal import EmbeddedStore
internal import Reactor
internal import Store
internal import Wire

/// Writes all that the store holds about one user as one JSON document, while it is read.
package struct UserExport: ~Copyable {
    /// Where the document goes, piece by piece.
    package typealias Output = (UnsafeRawBufferPointer) throws -> Void

    private var archive: UserArchive
    private var output = OutputBuffer()
    private var inflated = OutputBuffer()
    private let write: Output

    /// So much is gathered before it is written.
    private static let pieceBytes = 64 << 10

    /// Opens a data directory for the export of a user; nil if nothing is known of the id.
    ///
    /// - Throws: why it can't be read, in words for the operator.
    package init?(
        of user: Identifier, in path: String, inboxMembersMax: Int, to write: @escaping Output
    ) throws {
        var archive = try UserArchive(of: user, in: path, inboxMembersMax: inboxMembersMax)
        guard try archive.isKnown() else { return nil }
        self.archive = archive
        self.write = write
    }

    /// Whether a router has the directory open: what it took in the last seconds may be missing.
    package var isLive: Bool { archive.isLive }

    /// Writes the document.
    package mutating func run() throws {
        output.append(#"{"format":"switchboard-user","version":1,"user":"#)
        output.appendJSONString(archive.user)
        output.append(#","time":"#)
        output.append(decimal: Clock.realtimeMilliseconds)
        output.append(archive.isLive ? #","live":true"# : #","live":false"#)
        try appendAccount()
        try appendContacts()
        try appendGroups()
        try appendDevices()
        try appendConversations()
        try appendInbox()
        try appendMessages()
        try appendEdits()
        try appendEvents()
        output.append("}\n")
        try flush(above: 0)
    }

    // MARK: Parts

    private mutating func appendAccount() throws {
        output.append(#","account":"#)
        if let (account, created) = try archive.account() {
            output.append(#"{"id":"#)
            output.appendJSONString(account.id)
            output.append(#","name":"#)
            output.appendJSONString(account.name)
            output.append(#","email":"#)
            output.appendJSONString(account.email)
            output.append(#","created":"#)
            output.append(decimal: created)
            output.append("}")
        } else {
            output.append("null")
        }
        output.append(#","last_seen":"#)
        if let time = try archive.lastSeen() { output.append(decimal: time) } else { output.append("null") }
    }

    private mutating func appendContacts() throws {
        let all = try archive.contacts()
        try appendList("contacts", all.filter { $0.state == .contact }) { output, contact in
            output.append(#"{"user":"#)
            output.appendJSONString(contact.user)
            output.append(#","since":"#)
            output.append(decimal: contact.time)
            output.append("}")
        }
        try appendList("requests", all.filter { $0.state != .contact }) { output, request in
            output.append(#"{"user":"#)
            output.appendJSONString(request.user)
            output.append(request.state == .incoming ? #","direction":"incoming""# : #","direction":"outgoing""#)
            output.append(#","text":"#)
            output.appendJSONString(request.text)
            output.append(#","time":"#)
            output.append(decimal: request.time)
            output.append("}")
        }
        try appendList("blocks", try archive.blocks()) { $0.appendJSONString($1) }
    }

    private mutating func appendGroups() throws {
        var isFirst = begin("groups")
        var last: Identifier?
        while true {
            let page = try archive.groups(after: last)
            guard !page.isEmpty else { break }
            for group in page {
                separate(&isFirst)
                output.append(#"{"id":"#)
                output.appendJSONString(group.id)
                output.append(#","name":"#)
                output.appendJSONString(group.name)
                output.append(#","role":"#)
                output.appendJSONString(group.role.rawValue)
                output.append("}")
                last = group.id
            }
            try flush(above: UserExport.pieceBytes)
        }
        output.append("]")
    }

    private mutating func appendDevices() throws {
        try appendList("devices", try archive.devices()) { output, entry in
            output.append(#"{"device":"#)
            output.appendJSONString(entry.device)
            output.append(#","confirmed":"#)
            output.append(decimal: entry.confirmed)
            output.append("}")
        }
    }

    private mutating func appendConversations() throws {
        var isFirst = begin("conversations")
        try forEachConversation { export, conversation in
            export.separate(&isFirst)
            export.append(conversation.item)
        }
        output.append("]")
    }

    private mutating func appendInbox() throws {
        var isFirst = begin("inbox")
        var through: UInt64 = 0
        while true {
            let page = try archive.inbox(after: through)
            try append(page, withSeq: true, &isFirst)
            guard page.more else { break }
            through = page.through
        }
        output.append("]")
    }

    /// The history of each conversation, and what was sent to groups that the user has left.
    private mutating func appendMessages() throws {
        var isFirst = begin("messages")
        try forEachConversation { export, conversation in
            var through: UInt64 = 0
            while true {
                let page = try export.archive.history(of: conversation.item.conversation, after: through)
                try export.append(page, withSeq: false, &isFirst)
                guard page.more else { break }
                through = page.through
            }
        }
        var through: UInt64 = 0
        while true {
            let page = try archive.sentElsewhere(after: through)
            try append(page, withSeq: false, &isFirst)
            guard page.more else { break }
            through = page.through
        }
        output.append("]")
    }

    private mutating func appendEdits() throws {
        var isFirst = begin("edits")
        var through: UInt64 = 0
        while true {
            let page = try archive.edited(after: through)
            for entry in page.arena.entries {
                separate(&isFirst)
                try appendVersions(of: page.arena.record(at: entry.offset))
                try flush(above: UserExport.pieceBytes)
            }
            guard page.more else { break }
            through = page.through
        }
        output.append("]")
    }

    private mutating func appendVersions(of message: RecordView) throws {
        output.append(#"{"id":"#)
        output.append(decimal: message.id)
        output.append(#","conv":"#)
        append(ConversationKey(command: message.command, sender: message.sender, destination: message.destination))
        output.append(#","cseq":"#)
        output.append(decimal: message.cseq)
        output.append(#","versions":["#)
        var isFirst = true
        var through: UInt64 = 0
        while true {
            let page = try archive.versions(of: message.id, after: through)
            for entry in page.arena.entries {
                separate(&isFirst)
                output.appendVersion(page.arena.record(at: entry.offset), inflated: &inflated)
            }
            guard page.more else { break }
            through = page.through
        }
        output.append("]}")
    }

    private mutating func appendEvents() throws {
        var isFirst = begin("events")
        var last: UInt64 = 0
        while true {
            let page = try archive.events(after: last)
            guard !page.isEmpty else { break }
            for event in page {
                separate(&isFirst)
                output.append(#"{"n":"#)
                output.append(decimal: event.number)
                output.append(#","time":"#)
                output.append(decimal: event.time)
                output.append(#","type":"#)
                output.appendJSONString(event.kind)
                if let message = event.message {
                    output.append(#","id":"#)
                    output.append(decimal: message)
                }
                output.append("}")
                last = event.number
            }
            try flush(above: UserExport.pieceBytes)
        }
        output.append("]")
    }

    // MARK: Pieces

    private mutating func forEachConversation(
        _ body: (inout UserExport, UserArchive.Conversation) throws -> Void
    ) throws {
        var last: UInt64 = 0
        while true {
            let page = try archive.conversations(after: last)
            guard !page.isEmpty else { return }
            for conversation in page {
                try body(&self, conversation)
                last = conversation.number
            }
            try flush(above: UserExport.pieceBytes)
        }
    }

    private mutating func append(_ item: ChatList.Item) {
        output.append(#"{"conv":"#)
        append(item.conversation)
        if case .group = item.conversation {
            output.append(#","kind":"group","name":"#)
        } else {
            output.append(#","kind":"private","name":"#)
        }
        if let name = item.name { output.appendJSONString(name) } else { output.append("null") }
        output.append(#","unread":"#)
        output.append(decimal: item.unread)
        output.append(#","cursor":"#)
        output.append(decimal: item.cursor)
        output.append(#","time":"#)
        output.append(decimal: item.time)
        output.append("}")
    }

    private mutating func append(_ conversation: ConversationKey) {
        switch conversation {
        case .group(let group): output.appendJSONString(group)
        case .privately(let one, let other):
            output.append("\"")
            output.appendJSONEscaped(min(one, other))
            output.append(":")
            output.appendJSONEscaped(max(one, other))
            output.append("\"")
        }
    }

    private mutating func append(_ page: Page, withSeq: Bool, _ isFirst: inout Bool) throws {
        for entry in page.arena.entries {
            separate(&isFirst)
            output.appendStored(page.arena.record(at: entry.offset), withSeq: withSeq, inflated: &inflated)
            try flush(above: UserExport.pieceBytes)
        }
    }

    private mutating func appendList<Element>(
        _ name: StaticString, _ list: [Element], _ append: (inout OutputBuffer, Element) -> Void
    ) throws {
        var isFirst = begin(name)
        for element in list {
            separate(&isFirst)
            append(&output, element)
            try flush(above: UserExport.pieceBytes)
        }
        output.append("]")
    }

    private mutating func begin(_ name: StaticString) -> Bool {
        output.append(#",""#)
        output.append(name)
        output.append(#"":["#)
        return true
    }

    private mutating func separate(_ isFirst: inout Bool) {
        output.append(isFirst ? "\n" : ",\n")
        isFirst = false
    }

    private mutating func flush(above bytes: Int) throws {
        guard output.count > bytes else { return }
        try write(output.unsafeBytes)
        output.removeAll()
    }
}
