package import Base

/// Carries what isn't stored between event loops, and one day between machines. Frames may be lost; nobody relies on
/// them for correctness, since whoever misses an entry sees the gap in `seq`. What must not be lost goes as mail.
///
/// *Thread:* the sending node's own.
package protocol Bus {
    /// Sends a frame to one node, which may be the sender itself.
    func send(_ frame: BusFrame, to node: MailboxIndex)
    /// Sends a frame to every node, the sender included.
    func broadcast(_ frame: BusFrame)
    /// Sends mail to one node, which may be the sender itself. It comes later, in the order in which it was sent, as
    /// long as both nodes live; the sender's limits keep it little.
    func send(_ mail: BusMail, to node: MailboxIndex)
}

/// What one node must know for good of another.
package enum BusMail: Sendable {
    case interest(Interest)
    case channel(ChannelMail)
}

/// Who wants to hear of what another node owns, and how that stands.
package enum Interest: Sendable {
    /// Sessions of the node `by` watch a user of the receiver; answered by `presence`.
    case watch(Identifier, by: MailboxIndex)
    /// They don't any more.
    case unwatch(Identifier, by: MailboxIndex)
    /// How a user of the sender stands, whom sessions of the receiver watch.
    case presence(PresenceChange)
}

/// That a user came or went.
package struct PresenceChange: Sendable {
    package var user: Identifier
    package var isOnline: Bool
    /// When the user went, in milliseconds; 0 for one who is online, or if the sender doesn't know.
    package var lastSeen: UInt64

    package init(user: Identifier, isOnline: Bool, lastSeen: UInt64) {
        self.user = user
        self.isOnline = isOnline
        self.lastSeen = lastSeen
    }
}

/// An event for sessions on some node, as JSON members that its sessions' encoders wrap.
package struct BusFrame: Sendable {
    /// Whose sessions get the event.
    package enum Audience: Sendable {
        /// Every session of a user.
        case user(Identifier)
        /// Every session of every member of a group but the origin.
        case members(Group)
    }

    package var audience: Audience
    /// Who caused it; its own sessions don't get it when the audience is a group.
    package var origin: Identifier
    /// A complete JSON object, as a client reads it.
    package var event: [UInt8]

    package init(audience: Audience, origin: Identifier, event: [UInt8]) {
        self.audience = audience
        self.origin = origin
        self.event = event
    }
}
