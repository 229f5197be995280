internal import Base
internal import Store

extension Reader {
    /// A user's contacts, with what each one's account and conversation say.
    mutating func contactList(of name: Identifier) throws(SQLiteError) -> ContactList {
        try inSnapshot { (reader) throws(SQLiteError) in
            let user = try reader.number(of: name)
            var page = PageBuilder(limit: .max, through: 0)
            var items: [ContactList.Item] = []
            for contact in try reader.contacts.contacts(of: name) where contact.state == .contact {
                var item = ContactList.Item(user: contact.user)
                item.profile = try reader.accounts.profile(of: contact.user, for: name)
                let chat = try user.flatMap { (user) throws(SQLiteError) in
                    try reader.chat(of: user, name, with: contact.user, &page)
                }
                item.unread = chat?.unread ?? 0
                item.last = chat?.last
                items.append(item)
            }
            return ContactList(arena: page.arena, items: items)
        }
    }

    private mutating func chat(
        of user: UInt64, _ name: Identifier, with other: Identifier, _ page: inout PageBuilder
    ) throws(SQLiteError) -> ChatList.Item? {
        guard let conversation = try number(of: .privately(name, other)), let otherNumber = try number(of: other) else {
            return nil
        }
        let chat = Chat(number: conversation, place: 0, who: .other(otherNumber))
        return try item(chat, of: user, name, &page, needsLast: false)
    }
}
