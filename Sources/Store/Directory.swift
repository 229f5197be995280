package import Base

/// A change of what is known about users and groups.
///
/// Each is one transaction: it happens as a whole, together with the notices it causes, or not at all. Who may do it is
/// decided above the store.
package enum DirectoryCommand: Sendable {
    case group(GroupCommand)
    case contact(ContactCommand)
    case account(AccountCommand)
    /// Events up to this number were delivered; answered by ``DirectoryAnswer/done``.
    case eventsDelivered(through: UInt64)

    /// Whether what is committed should be in the index before.
    package var movesMessages: Bool {
        switch self {
        case .group(.create): true
        case .contact(let command): command.movesMessages
        case .group, .account, .eventsDelivered: false
        }
    }
}

/// A question about users, their conversations and groups.
package enum DirectoryQuestion: Sendable {
    /// Answered by ``DirectoryAnswer/group(_:)``; fails with `notFound` if there is no such group.
    case group(Identifier)
    /// The groups of a member behind an id, in their order; answered by ``DirectoryAnswer/ownGroups(_:)``.
    case ownGroups(of: Identifier, after: Identifier?, limit: Int)
    /// When the users were last online; answered by ``DirectoryAnswer/lastSeen(_:)``, which names only those who
    /// ever were.
    case lastSeen([Identifier])
    /// What the user is to the other; answered by ``DirectoryAnswer/relation(_:)``.
    case relation(of: Identifier, to: Identifier)
    /// A user's contacts and requests; answered by ``DirectoryAnswer/contacts(_:)``.
    case contacts(of: Identifier)
    /// A user's contacts with their accounts and conversations; answered by ``DirectoryAnswer/contactList(_:)``.
    case contactList(of: Identifier)
    /// Whom a user has blocked; answered by ``DirectoryAnswer/users(_:)``.
    case blocks(by: Identifier)
    /// A page of a user's conversations; answered by ``DirectoryAnswer/chatList(_:)``.
    case chatList(ChatListQuery)
    /// A conversation that the viewer may see; answered by ``DirectoryAnswer/conversation(_:)``.
    case conversation(ConversationKey, viewer: Identifier, withReaders: Bool)
    case account(AccountQuestion)
    /// Answered by ``DirectoryAnswer/search(_:)``.
    case search(SearchQuery)
    /// Answered by ``DirectoryAnswer/events(_:)``.
    case events(EventQuery)

    /// Whether the answer lies in what is folded, and not only in what changes of the directory have written.
    package var readsMessages: Bool {
        switch self {
        case .group, .ownGroups, .relation, .contacts, .blocks: false
        case .lastSeen, .contactList, .chatList, .conversation, .account, .search, .events: true
        }
    }
}

/// What a command or a question brings; each says which of these.
package enum DirectoryAnswer: Sendable {
    case group(Group)
    case ownGroups([OwnGroup])
    /// Milliseconds since the Unix epoch.
    case lastSeen([Identifier: UInt64])
    case relation(Relation)
    case contacts([Contact])
    case contactList(ContactList)
    case users([Identifier])
    case chatList(ChatList)
    case conversation(ConversationView)
    case account(AccountAnswer)
    case events(EventPage)
    /// nil if the index is behind and the question waits for it.
    case search(SearchPage?)
    case done
}
