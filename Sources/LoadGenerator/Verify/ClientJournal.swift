/// What one client of a verification knows: what it sent, what was acked, and what it was shown, session by session.
package struct ClientJournal: Sendable, Equatable {
    /// A message that was sent, maybe several times.
    package struct Sent: Sendable, Equatable {
        package var destination: String
        package var isGroup: Bool
        /// Of the content; see ``VerifyContent/digest(_:)``.
        package var digest: UInt64

        package init(destination: String, isGroup: Bool, digest: UInt64) {
            self.destination = destination
            self.isGroup = isGroup
            self.digest = digest
        }
    }

    /// Everything between one welcome and the loss of that connection.
    package struct Session: Sendable, Equatable {
        /// The last entry that the client had when it signed in.
        package var after: UInt64
        /// The inbox's end, as the router told it.
        package var announced: UInt64
        /// What this device has confirmed, as the router told it.
        package var confirmed: UInt64
        /// The highest confirm that had been answered before.
        package var confirmedBefore: UInt64
        /// In the order in which they came.
        package var entries: [StoredEntry] = []
        /// Messages of large groups, which have no place in the inbox.
        package var pushes: [StoredEntry] = []

        package init(after: UInt64, announced: UInt64, confirmed: UInt64 = 0, confirmedBefore: UInt64 = 0) {
            self.after = after
            self.announced = announced
            self.confirmed = confirmed
            self.confirmedBefore = confirmedBefore
        }

        /// The last entry that the client has.
        package var end: UInt64 { entries.last?.seq ?? after }
    }

    package var user: String
    /// By `cid`.
    package var sent: [String: Sent] = [:]
    /// Every ack in the order in which they came; those of resends, too.
    package var acks: [StoredEntry] = []
    package var sessions: [Session] = []
    /// The highest confirm that was answered.
    package var confirmed: UInt64 = 0
    /// Frames that had no business to come.
    package var surprises: [String] = []
    package var duplicateCount = 0
    package var resendCount = 0

    package init(user: String) { self.user = user }
}

/// A message as the router tells it: in a push, an ack, a page of an inbox or of a history.
package struct StoredEntry: Sendable, Equatable {
    /// 0 in a history, and in a message of a large group.
    package var seq: UInt64
    /// 0 for what is no message, as an invitation to a group.
    package var id: UInt64
    package var conversation: String
    package var cseq: UInt64
    package var sender: String
    package var cid: String
    /// Nil where no content came: in an ack.
    package var digest: UInt64?

    package init(
        seq: UInt64, id: UInt64, conversation: String, cseq: UInt64, sender: String, cid: String, digest: UInt64?
    ) {
        self.seq = seq
        self.id = id
        self.conversation = conversation
        self.cseq = cseq
        self.sender = sender
        self.cid = cid
        self.digest = digest
    }

    var isMessage: Bool { id != 0 }
    var key: MessageKey { MessageKey(sender: sender, cid: cid) }

    var summary: String {
        "seq \(seq), id \(id), \(conversation) \(cseq), from \(sender), cid \(cid)"
    }
}

/// What a message is known by, whatever numbers it got.
struct MessageKey: Hashable {
    var sender: String
    var cid: String
}
