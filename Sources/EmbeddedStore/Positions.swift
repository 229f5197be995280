/// What is kept of each user and each conversation and changes with every message: in few blocks of numbers.
///
/// *Thread:* that of the connection.
struct Positions: ~Copyable {
    private var users: NumberBlocks
    private var conversations: NumberBlocks

    /// The numbers of a user, in the order in which they lie in a block.
    enum UserNumber: Int, CaseIterable {
        /// Last place in the inbox.
        case head
        /// Up to where all devices have confirmed.
        case floor
        /// When the user was last online, milliseconds since the Unix epoch; 0 for never.
        case seen
    }

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let users = try NumberBlocks(connection, table: "user_positions", width: UserNumber.allCases.count)
        let conversations = try NumberBlocks(
            connection, table: "conversation_numbers", width: MemoryLayout<ConversationNumbers>.size / 8)
        self.users = users
        self.conversations = conversations
    }

    /// Forgets what is in memory, at the beginning of a transaction.
    mutating func begin() {
        users.begin()
        conversations.begin()
    }

    mutating func user(_ number: UInt64, _ which: UserNumber) throws(SQLiteError) -> UInt64 {
        try users.number(which.rawValue, of: number)
    }

    mutating func conversation(_ number: UInt64) throws(SQLiteError) -> ConversationNumbers {
        try conversations.value(of: number, as: ConversationNumbers.self)
    }

    /// Raises a number of a user; cheap for users in ascending order.
    mutating func raise(_ user: UInt64, _ which: UserNumber, to value: UInt64) throws(SQLiteError) {
        try users.raise(which.rawValue, of: user, to: value)
    }

    /// Empties a user's inbox, which goes on behind its last entry; and when the user was online is forgotten.
    mutating func clear(user: UInt64) throws(SQLiteError) {
        let head = try users.number(UserNumber.head.rawValue, of: user)
        try users.put([head, head, 0] as [3 of UInt64], of: user)
    }

    /// Puts the numbers of a conversation; cheap for conversations in ascending order.
    mutating func put(_ numbers: ConversationNumbers, ofConversation number: UInt64) throws(SQLiteError) {
        try conversations.put(numbers, of: number)
    }

    /// Writes what was changed.
    mutating func flush() throws(SQLiteError) {
        try users.flush()
        try conversations.flush()
    }
}
