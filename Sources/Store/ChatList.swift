package import Base

/// Which part of a user's chat list is wanted.
package struct ChatListQuery: Sendable {
    /// Before which activity a page ends.
    package enum Place: Sendable {
        /// ``ChatList/Item/place`` of an item: nothing is left out and nothing comes twice.
        case item(UInt64)
        /// Milliseconds since the Unix epoch: what happened in them or later is left out. A way to a date; as a place
        /// behind a page it would leave out what shares the millisecond of the page's oldest item.
        case time(UInt64)
    }

    package var user: Identifier
    /// nil for the newest page.
    package var before: Place?
    package var limit: Int

    package init(user: Identifier, before: Place?, limit: Int) {
        self.user = user
        self.before = before
        self.limit = limit
    }
}

/// A page of a user's conversations, by their last activity.
package struct ChatList: Sendable {
    /// One conversation as one of its users sees it.
    package struct Item: Sendable {
        package var conversation: ConversationKey
        /// A group's name, or that of the other one's account; nil if there is no account.
        package var name: String?
        /// The last message, an offset in ``ChatList/arena``; nil if there is none.
        package var last: UInt32?
        /// What the list is sorted by: unique, and larger the newer the activity.
        package var place: UInt64
        /// When that was, milliseconds since the Unix epoch.
        package var time: UInt64
        /// Messages of others that the user hasn't read.
        package var unread: UInt64
        /// Up to where the user has read; 0 for nothing.
        package var cursor: UInt64
        /// Up to where the other one has read; nil in a group, and while one of the two has blocked the other.
        package var peerCursor: UInt64?

        package init(
            conversation: ConversationKey, name: String?, last: UInt32?, place: UInt64, time: UInt64, unread: UInt64,
            cursor: UInt64, peerCursor: UInt64?
        ) {
            self.conversation = conversation
            self.name = name
            self.last = last
            self.place = place
            self.time = time
            self.unread = unread
            self.cursor = cursor
            self.peerCursor = peerCursor
        }
    }

    package var arena: RecordArena
    /// Oldest activity first. Fewer than the limit do not mean the end: large messages end a page early.
    package var items: [Item]

    package init(arena: RecordArena, items: [Item]) {
        self.arena = arena
        self.items = items
    }
}

/// One conversation as one of its users sees it, and up to where the others have read it.
package struct ConversationView: Sendable {
    /// Another user, and the place up to which that one has read.
    package struct Reader: Sendable, Equatable {
        package var user: Identifier
        package var cseq: UInt64

        package init(user: Identifier, cseq: UInt64) {
            self.user = user
            self.cseq = cseq
        }
    }

    package var arena: RecordArena
    /// Its place and time mean nothing.
    package var item: ChatList.Item
    /// Those who have read something; nil if they weren't asked for, or aren't told.
    package var readers: [Reader]?

    package init(arena: RecordArena, item: ChatList.Item, readers: [Reader]?) {
        self.arena = arena
        self.item = item
        self.readers = readers
    }
}
