package import Base

/// Carries what isn't stored between event loops, and one day between machines. It may lose frames; nobody relies on
/// them for correctness, since whoever misses an entry sees the gap in `seq`. It doesn't lose mail about channels.
///
/// *Thread:* the sending node's own.
package protocol Bus {
    /// Sends a frame to one node, which may be the sender itself.
    func send(_ frame: BusFrame, to node: MailboxIndex)
    /// Sends a frame to every node, the sender included.
    func broadcast(_ frame: BusFrame)
    /// Sends mail about a channel to a node, which may be the sender itself; it comes later, and in this order.
    func send(_ mail: ChannelMail, to node: MailboxIndex)
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
