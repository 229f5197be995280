package import Base

/// What one user is to another.
package enum Standing: UInt8, Sendable {
    case stranger
    /// Has asked to be a contact, and isn't one yet.
    case asked
    case contact
}

/// What decides about a private message of one user to another.
package struct Relation: Sendable, Equatable {
    package var standing: Standing
    /// The other one has blocked the user.
    package var isBlocked: Bool
    /// Somebody has; if not, nobody needs to be asked about the user's next messages.
    package var isBlockedByAnyone: Bool
    /// How many of the user's messages wait for the other one's answer, and their bytes.
    package var heldMessages: Int
    package var heldBytes: Int

    package init(
        standing: Standing, isBlocked: Bool = false, isBlockedByAnyone: Bool = false, heldMessages: Int = 0,
        heldBytes: Int = 0
    ) {
        self.standing = standing
        self.isBlocked = isBlocked
        self.isBlockedByAnyone = isBlockedByAnyone
        self.heldMessages = heldMessages
        self.heldBytes = heldBytes
    }
}

/// What can be done to contacts and blocks. Each is answered by the relation of who did it to the other, as it is then.
package enum ContactCommand: Sendable {
    /// Asks to be a contact; whom the other has asked becomes one. Does nothing, and says so, if the other has blocked
    /// the user. Fails with `conflict` if there are too many.
    ///
    /// - Parameter isImplied: by a message that is held; after a refusal it doesn't ask again.
    case request(by: Identifier, to: Identifier, text: String, isImplied: Bool)
    /// Makes contacts of the two, and what was held of their messages comes into the inboxes. Fails with `notFound` if
    /// the other hasn't asked.
    case accept(by: Identifier, from: Identifier)
    /// Fails with `notFound` if the other hasn't asked.
    case reject(by: Identifier, from: Identifier)
    /// Fails with `notFound` if the two are no contacts.
    case remove(by: Identifier, Identifier)
    /// Refuses a request of the other one, too.
    case block(by: Identifier, Identifier)
    case unblock(by: Identifier, Identifier)

    /// Whether it moves messages, so that what is committed should be in the index before.
    package var movesMessages: Bool {
        switch self {
        case .request, .accept: true
        case .reject, .remove, .block, .unblock: false
        }
    }
}

/// A contact or a request, as one of the two sees it.
package struct Contact: Sendable, Equatable {
    /// On which side of a request the user is.
    package enum State: Sendable {
        case contact
        /// The user has asked the other one.
        case outgoing
        case incoming
    }

    package var user: Identifier
    package var state: State
    /// What came with a request; empty for nothing.
    package var text: String
    /// Since when, milliseconds since the Unix epoch.
    package var time: UInt64

    package init(user: Identifier, state: State, text: String, time: UInt64) {
        self.user = user
        self.state = state
        self.text = text
        self.time = time
    }
}

/// A user's contacts, by id.
package struct ContactList: Sendable {
    /// One contact.
    package struct Item: Sendable {
        package var user: Identifier
        /// nil if the contact has no account.
        package var profile: Profile?
        /// The last message, an offset in ``ContactList/arena``; nil if there is none, or no more room.
        package var last: UInt32?
        /// Messages that the user hasn't read.
        package var unread: UInt64 = 0

        package init(user: Identifier) { self.user = user }
    }

    package var arena: RecordArena
    package var items: [Item]

    package init(arena: RecordArena, items: [Item]) {
        self.arena = arena
        self.items = items
    }
}
