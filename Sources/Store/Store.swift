package import Base

/// What keeps messages: takes batches, gives them numbers, makes them durable, and answers in the caller's mailbox.
///
/// Every call returns at once; answers come as ``StoreEvent``s in the mailbox that the call names, never inline.
/// Events of one mailbox keep the order in which the store did the work, so that whoever attached an inbox sees
/// each entry either below the head it was told or as an event after it: nothing falls between.
/// *Thread:* any.
package protocol Store: Sendable {
    /// Changes when data was restored or a tail was lost: clients that know another one start over.
    var epoch: String { get }

    /// Whether anybody had blocked anybody when the store was opened.
    var hadBlocks: Bool { get }

    /// Whether messages were held when the store was opened; they stay so under another policy too.
    var hadHeldMessages: Bool { get }

    /// Whether callers should stop reading from senders until events come in: the queue to the disk is full.
    var isCongested: Bool { get }

    /// Whether the queue to the disk is so long that whoever fills it should wait.
    var isLaden: Bool { get }

    /// Takes over a batch. Answered by ``StoreEvent/committed(_:)`` after the sync to disk, or by
    /// ``StoreEvent/failed(_:)``.
    ///
    /// Order within and between batches of one caller is kept. The same (sender, `cid`) is stored once.
    func submit(_ batch: RecordArena)

    /// Registers interest in a user's inbox; answered by ``StoreEvent/attached(ticket:reply:)``.
    ///
    /// A user has at most one attachment per mailbox; attaching again renews its token and serves further devices.
    func attach(_ user: Identifier, device: Identifier, token: UInt32, mailbox: MailboxIndex, ticket: UInt64)

    /// Takes an attachment back; events that are on their way may still come.
    func detach(_ user: Identifier, mailbox: MailboxIndex)

    /// Whether ``mark(_:mailbox:ticket:)`` may have something to do for this user: false for nearly everyone who is in
    /// no large group.
    func mayOweMarks(to user: Identifier) -> Bool

    /// Tells a user's inbox of each large group with messages that it doesn't tell of yet, by one notice a group;
    /// attaching does it too. Answered by ``StoreEvent/marked(ticket:failure:)`` when that is durable.
    func mark(_ user: Identifier, mailbox: MailboxIndex, ticket: UInt64)

    /// Reads; answered by ``StoreEvent/page(ticket:page:)`` and sees everything committed before the call.
    func read(_ query: ReadQuery, mailbox: MailboxIndex, ticket: UInt64)

    /// Changes something about users or groups; answered by ``StoreEvent/directory(ticket:result:)`` when it is
    /// durable.
    func perform(_ command: DirectoryCommand, mailbox: MailboxIndex, ticket: UInt64)

    /// Asks about users or groups; answered by ``StoreEvent/directory(ticket:result:)``, and sees everything that was
    /// answered before the call.
    func ask(_ question: DirectoryQuestion, mailbox: MailboxIndex, ticket: UInt64)
}

/// Where a store puts its answers: one per event loop.
package protocol StoreMailbox: Sendable {
    /// Takes events in their order. *Thread:* any of the store's; must not block.
    func deliver(_ events: [StoreEvent])
}

/// What a store answers.
package enum StoreEvent: Sendable {
    /// A batch is on disk.
    case committed(CommitNotice)
    /// A batch was not stored and its numbers were given back; to be answered with an error.
    case failed(FailureNotice)
    /// An inbox is attached, or, on failure, as little as before the call.
    case attached(ticket: UInt64, reply: Result<AttachReply, StoreError>)
    /// An inbox tells of all that its large groups have; on failure nothing was changed.
    case marked(ticket: UInt64, failure: StoreError?)
    case page(ticket: UInt64, page: Result<Page, StoreError>)
    case directory(ticket: UInt64, result: Result<DirectoryAnswer, StoreError>)
}

/// What of a committed batch concerns one mailbox, in the order of the inbox numbers.
package struct CommitNotice: Sendable {
    /// One record, as an answer, as an entry of an attached inbox, or as both; or, as neither of them, a message of a
    /// large group for whoever of its members is here. Of those each mailbox has all.
    package struct Item: Sendable {
        /// The record's offset in the arena.
        package var record: UInt32
        /// Index into the arena's replies if the answer goes to this mailbox, else `RecordArena.Entry.noReply`.
        package var reply: UInt32
        /// The token of the attachment this entry is for; `noAttachment` if the item is an answer only.
        package var attachment: UInt32
        /// Place in the inbox of the attached user.
        package var seq: UInt64
        package static let noAttachment = UInt32.max

        /// Whether it is for the members of the record's group.
        @inlinable package var isForMembers: Bool {
            attachment == Item.noAttachment && reply == RecordArena.Entry.noReply
        }

        /// The record at `record` as a message for the members of its group.
        package init(forMembers record: UInt32) {
            self.init(record: record, reply: RecordArena.Entry.noReply, attachment: Item.noAttachment, seq: 0)
        }

        package init(record: UInt32, reply: UInt32, attachment: UInt32, seq: UInt64) {
            self.record = record
            self.reply = reply
            self.attachment = attachment
            self.seq = seq
        }
    }

    package var arena: RecordArena
    package var items: [Item]

    package init(arena: RecordArena, items: [Item]) {
        self.arena = arena
        self.items = items
    }
}

/// A batch that was not stored.
package struct FailureNotice: Sendable {
    package var arena: RecordArena
    package var error: StoreError

    package init(arena: RecordArena, error: StoreError) {
        self.arena = arena
        self.error = error
    }
}

/// An inbox as it stood at the instant of attaching.
package struct AttachReply: Sendable {
    /// Last place in the inbox; entries after it come as events.
    package var head: UInt64
    /// Up to where this device has confirmed.
    package var confirmed: UInt64

    package init(head: UInt64, confirmed: UInt64) {
        self.head = head
        self.confirmed = confirmed
    }
}

/// What can be read back.
package enum ReadQuery: Sendable {
    /// Inbox entries with `seq` > after, oldest first.
    case inbox(user: Identifier, after: UInt64, limit: Int)
    /// Inbox entries after the device's confirmed position.
    case unconfirmed(user: Identifier, device: Identifier, limit: Int)
    /// Messages of a conversation, oldest first within the page.
    ///
    /// - Parameter viewer: what is held back from this user is left out; nil: nothing is, for the operator.
    case history(ConversationKey, HistoryRange, limit: Int, viewer: Identifier?)
    /// What a message was before each of its edits, oldest first, each with the id, time and sender of the message or
    /// edit that made it, which is above `after`.
    case edits(message: UInt64, after: UInt64, limit: Int)
}

/// Which part of a conversation.
package enum HistoryRange: Sendable {
    case newest
    case before(UInt64)
    case after(UInt64)
}

/// A conversation: two users, smaller id first, or a group.
package enum ConversationKey: Hashable, Sendable {
    case privately(Identifier, Identifier)
    case group(Identifier)

    /// The conversation of a message from `sender` with command 10 (private) or 11 (group).
    package init(command: UInt8, sender: Identifier, destination: Identifier) {
        if command == RecordView.groupCommand {
            self = .group(destination)
        } else {
            self = sender < destination ? .privately(sender, destination) : .privately(destination, sender)
        }
    }
}

/// Entries or messages that were read: stored records, each with the reader's `seq` in ``RecordView/senderSeq``.
package struct Page: Sendable {
    package var arena: RecordArena
    /// Whether there is more in the direction that was asked for.
    package var more: Bool
    /// The last place that the page speaks for: that of the last entry; of an inbox without more, its head as it was
    /// read, since entries that every device confirmed are gone.
    package var through: UInt64

    package init(arena: RecordArena, more: Bool, through: UInt64) {
        self.arena = arena
        self.more = more
        self.through = through
    }
}

/// Why the store didn't do it.
package enum StoreError: Error, Equatable, Sendable {
    /// Disk full, I/O error: nothing was stored.
    case unavailable(String)
    /// Whether it was stored isn't known; repeating the same batch is safe.
    case unknownOutcome(String)
    case notFound
    case conflict(String)

    /// What failed, in words for the operator.
    package var reason: String {
        switch self {
        case .unavailable(let text), .unknownOutcome(let text), .conflict(let text): text
        case .notFound: "not found"
        }
    }
}
