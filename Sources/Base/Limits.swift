/// Every limit of the router that isn't an option, with its unit in its name and its reason beside it.
package enum Limits {
    /// Largest message body; the contract promises that 1 MiB fits everywhere.
    package static let messageBytesMax = 1 << 20
    /// What a JSON message has besides its `content`, together.
    package static let otherMembersBytesMax = 64 << 10
    /// Largest frame: a message of the largest size with its envelope, base64 included (4/3 of 1 MiB and members).
    package static let frameBytesMax = 1 << 21
    /// Largest members that an edit or a forward comes to: base64 of the largest body fits, and a frame around it.
    package static let composedBytesMax = frameBytesMax - (64 << 10)
    /// Versions of an edited message that are kept, besides the one that counts.
    package static let editsKept = 100
    /// Largest WebSocket message of the echo endpoint, which conformance suites need.
    package static let echoBytesMax = 64 << 20
    /// Request line and headers of an HTTP request.
    package static let httpHeadBytesMax = 16 << 10
    package static let httpHeadersMax = 100
    package static let httpBodyBytesMax = 1 << 20
    /// A sender's own message id.
    package static let cidBytesMax = 64
    /// What the binary protocol sends as a credential: room for a JWT.
    package static let credentialBytesMax = 8 << 10
    /// Nesting of a JSON frame.
    package static let jsonDepthMax = 64
    /// Members of a group whose other members hear of each read; in a larger one only the reader's own sessions do.
    package static let readReceiptMembersMax = 500
    /// Conversations of a page of a chat list.
    package static let chatListMax = 100
    /// Entries of one page of inbox or history.
    package static let pageEntriesMax = 1_000
    package static let pageEntriesDefault = 100
    /// The window in which a resent `cid` is recognised, per sender.
    package static let cidWindowMessages = 256
    package static let cidWindowMilliseconds: UInt64 = 24 * 3_600 * 1_000
    /// Waiting bytes above which a session goes to pull mode.
    package static let sessionOutputBytesMax = 64 << 10
    /// Bytes of a tick's batch above which it is handed over early: a message to a large group takes most of 1 MiB.
    package static let batchBytesMax = 16 << 20
    /// Waiting bytes of a connection above which nothing more is read from it: who doesn't take answers gets no more.
    package static let unreadAnswersMax = 1 << 20
    /// Waiting bytes above which a connection is given up: some thousand requests were answered in one tick.
    package static let outputBytesMax = 160 << 20
    /// Largest number of members of a group.
    package static let groupMembersMax = 10_000
    /// A user's contacts and requests, and those whom a user has blocked.
    package static let contactsMax = 10_000
    /// What comes with a request.
    package static let requestTextBytesMax = 1_024
    /// Messages to a stranger that wait for an answer, and their bytes: accepting moves them in one transaction.
    package static let heldMessagesMax = 256
    package static let heldBytesMax = 16 << 20
    /// Users that one session may watch.
    package static let watchedUsersMax = 1_000
    /// Watches of all sessions of a loop: what they take stays below some hundred MiB.
    package static let watchesPerLoopMax = 2_000_000
    /// How long a user who dropped counts as online: a client that reconnects is no news.
    package static let presenceGraceMilliseconds: UInt64 = 3_000
    /// How long after a start those count as online whom the stop before it sent away, and how long ago that may be.
    package static let resumeMilliseconds: UInt64 = 15_000
    package static let restartMilliseconds: UInt64 = 60_000
    /// Channels that a session may subscribe to.
    package static let channelsPerSessionMax = 256
    /// The `data` of a publication.
    package static let channelDataBytesMax = 64 << 10
    /// Members up to which a group message is written to everyone's inbox, unless the operator says otherwise.
    package static let inboxMembersDefault = 500
    /// From connection to sign-in, for `/ws` and the binary protocol.
    package static let signInSeconds: UInt64 = 10
    /// Looks of the timer, some 30 s apart, that a frame may take to come in whole: a minute and a half.
    package static let unfinishedLooksMax: UInt8 = 3
    /// What frames that wait for a group, a relation or a channel may take in a loop; more are refused.
    package static let heldFrameBytesMax = 64 << 20
    /// What a session may add in a tick to a queue that is long already, and still be read from.
    package static let modestBytes = 16 << 10
    /// Silence of both sides after which the server pings.
    package static let heartbeatSeconds: UInt64 = 30
    /// Silence of the client after which the connection is given up: at least one ping was not answered.
    package static let heartbeatTimeoutSeconds: UInt64 = 90
}
