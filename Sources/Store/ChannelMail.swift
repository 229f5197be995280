package import Base

/// What one node tells another about channels; it goes as ``Interest``, in order and never lost.
///
/// A channel has a home: the node that numbers its publications and keeps its history. Other nodes tell it whether
/// they have subscribers; it sends each publication once to each of those nodes.
package struct ChannelMail: Sendable {
    /// What it says.
    package enum Content: Sendable {
        // To the channel's home.
        case subscribe(ChannelSubscribe)
        /// A subscriber left. `user`: whose last one it was; nil if the user has others.
        case leave(channel: Identifier, interest: ChannelInterest, user: Identifier?)
        case publish(ChannelPublish)
        /// A session wants the publications behind `after`.
        case read(channel: Identifier, after: UInt64, session: UInt64)

        // From the channel's home.
        case subscribed(ChannelSubscribed)
        case published(channel: Identifier, Publication)
        /// `offset` of what a session published, or why it wasn't.
        case answered(session: UInt64, reference: [UInt8], Result<UInt64, ChannelRefusal>)
        case page(channel: Identifier, session: UInt64, ChannelPage)
        case presence(channel: Identifier, user: Identifier, isJoin: Bool)

        // Between any two.
        /// Who subscribes on this node?
        case count(channel: Identifier, ticket: UInt64)
        case counted(ticket: UInt64, users: [Identifier], count: Int)
        /// Publications that cost this much have been taken from this node.
        case taken(cost: Int)
    }

    package var from: MailboxIndex
    package var content: Content

    package init(from: MailboxIndex, _ content: Content) {
        self.from = from
        self.content = content
    }
}

/// What a node wants to hear of a channel.
package enum ChannelInterest: UInt8, Sendable {
    case none
    case publications
    /// And who comes and goes.
    case presence
}

/// A session's wish to subscribe.
package struct ChannelSubscribe: Sendable {
    package var channel: Identifier
    package var session: UInt64
    /// The client's own id of the frame, as it was written.
    package var reference: [UInt8]
    /// The last publication that the client has; nil if it wants no others than new ones.
    package var after: UInt64?
    /// The epoch that it is from; nil if the client doesn't say.
    package var epoch: String?
    /// What the node wants to hear, this session included.
    package var interest: ChannelInterest
    /// Whose first session on the channel it is; nil if the user has others there.
    package var user: Identifier?

    package init(
        channel: Identifier, session: UInt64, reference: [UInt8], after: UInt64?, epoch: String?,
        interest: ChannelInterest, user: Identifier?
    ) {
        self.channel = channel
        self.session = session
        self.reference = reference
        self.after = after
        self.epoch = epoch
        self.interest = interest
        self.user = user
    }
}

/// The home's answer to it.
package struct ChannelSubscribed: Sendable {
    /// Where the channel is at this moment.
    package struct Place: Sendable {
        package var offset: UInt64
        package var epoch: String
        /// The first of what the session missed; nil if it wants nothing, or the history can't tell.
        package var missed: ChannelPage?

        package init(offset: UInt64, epoch: String, missed: ChannelPage?) {
            self.offset = offset
            self.epoch = epoch
            self.missed = missed
        }
    }

    package var channel: Identifier
    package var session: UInt64
    package var reference: [UInt8]
    package var place: Result<Place, ChannelRefusal>

    package init(
        channel: Identifier, session: UInt64, reference: [UInt8], place: Result<Place, ChannelRefusal>
    ) {
        self.channel = channel
        self.session = session
        self.reference = reference
        self.place = place
    }
}

/// What a session publishes.
package struct ChannelPublish: Sendable {
    package var channel: Identifier
    package var user: Identifier
    package var session: UInt64
    package var reference: [UInt8]
    /// A JSON value, as it was written.
    package var data: [UInt8]

    package init(
        channel: Identifier, user: Identifier, session: UInt64, reference: [UInt8], data: [UInt8]
    ) {
        self.channel = channel
        self.user = user
        self.session = session
        self.reference = reference
        self.data = data
    }
}

/// One publication, as all subscribers get it.
package struct Publication: Sendable {
    package var offset: UInt64
    /// When it was published, in milliseconds since the epoch.
    package var time: UInt64
    /// A complete JSON object, as a client reads it.
    package var event: [UInt8]

    package init(offset: UInt64, time: UInt64, event: [UInt8]) {
        self.offset = offset
        self.time = time
        self.event = event
    }
}

/// A piece of a channel's history.
package struct ChannelPage: Sendable {
    /// What was asked for: the publications behind this offset.
    package var after: UInt64
    /// Whether some behind `after` are no longer in the history.
    package var hasGap: Bool
    package var publications: [Publication]
    /// Up to where the page tells all that there is.
    package var through: UInt64
    /// Whether nothing newer has been published so far.
    package var isLast: Bool

    package init(after: UInt64, hasGap: Bool, publications: [Publication], through: UInt64, isLast: Bool) {
        self.after = after
        self.hasGap = hasGap
        self.publications = publications
        self.through = through
        self.isLast = isLast
    }
}

/// Why a channel's home doesn't do what it is asked for.
package enum ChannelRefusal: Error, Sendable {
    /// It has as many channels as it may have, all of them in use.
    case tooManyChannels
    /// Subscribers' nodes are too far behind.
    case congested
}
