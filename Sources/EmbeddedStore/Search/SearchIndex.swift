internal import Store
internal import Wire

/// How the full-text index is kept.
package struct SearchOptions: Sendable {
    /// Messages of a part: a question for the beginning of a word reads all words of a part that begin so.
    package var partMessages = 1 << 19

    package init() {}
}

/// The full-text index: which words stand in which messages, in parts of bounded size by the messages' ids.
///
/// A part is a table of FTS5 that keeps no texts, `search_1`, `search_2` …; `search_parts` says with which id each
/// begins. Messages come in by bounded steps, long after they were folded, up to `search_position` in `meta`; what
/// changes a message that is in already changes its words with it. *Thread:* that of the fold.
struct SearchIndex: ~Copyable {
    /// Up to which message the index reaches.
    private(set) var position: UInt64
    /// nil: it is off.
    private let options: SearchOptions?
    private let following: Statement
    private let message: Statement
    private let newestPart: Statement
    private let part: Statement
    private let addPart: Statement
    private let countPart: Statement
    private let setMeta: Statement
    private let envelope = Envelope()

    /// What one step takes at most.
    private static let stepMessages = 256
    private static let stepBytes = 128 << 10

    private static let columns = """
        SELECT id, conversation, content, body, kind, c.owner, c.peer
        FROM messages CROSS JOIN conversations c ON c.number = conversation
        """

    /// Opens the index. If it is off, or was made by other rules, it is thrown away.
    init(_ connection: borrowing Connection, _ options: SearchOptions?) throws(SQLiteError) {
        let known = try connection.integer("SELECT value FROM meta WHERE key = 'search_version'")
        let wanted = options == nil ? nil : Int(SearchText.version)
        if known != wanted { try SearchIndex.clear(connection, isOn: options != nil) }
        let following = try connection.prepare("\(SearchIndex.columns) WHERE id > ?1 ORDER BY id LIMIT ?2")
        let message = try connection.prepare("\(SearchIndex.columns) WHERE id = ?1")
        let newestPart = try connection.prepare(
            "SELECT part, messages FROM search_parts ORDER BY part DESC LIMIT 1")
        let part = try connection.prepare(
            "SELECT part FROM search_parts WHERE first <= ?1 ORDER BY part DESC LIMIT 1")
        let addPart = try connection.prepare("INSERT INTO search_parts VALUES(?1, ?2, 0)")
        let countPart = try connection.prepare("UPDATE search_parts SET messages = messages + ?2 WHERE part = ?1")
        let setMeta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES('search_position', ?1)")
        position = UInt64(try connection.integer("SELECT value FROM meta WHERE key = 'search_position'") ?? 0)
        self.options = options
        self.following = following
        self.message = message
        self.newestPart = newestPart
        self.part = part
        self.addPart = addPart
        self.countPart = countPart
        self.setMeta = setMeta
    }

    private static func clear(_ connection: borrowing Connection, isOn: Bool) throws(SQLiteError) {
        var parts: [Int] = []
        do {
            let rows = try connection.prepare("SELECT part FROM search_parts")
            while try rows.step() { parts.append(rows.integer(0)) }
        }
        try connection.transaction { () throws(SQLiteError) in
            for part in parts { try connection.execute("DROP TABLE search_\(part)") }
            try connection.execute(
                "DELETE FROM search_parts; DELETE FROM meta WHERE key IN ('search_version', 'search_position')")
            guard isOn else { return }
            try connection.execute("INSERT INTO meta VALUES('search_version', \(SearchText.version))")
        }
    }

    var isOn: Bool { options != nil }

    // MARK: Following

    /// Takes the next messages up to `last` into the index; durable when it returns.
    ///
    /// - Returns: bytes of text that were added.
    mutating func step(through last: UInt64, on connection: borrowing Connection) throws(SQLiteError) -> Int {
        var reached = position
        var bytes = 0
        try connection.transaction { () throws(SQLiteError) in
            let part = try currentPart(on: connection)
            let insert = try SearchIndex.insertion(into: part, on: connection)
            var count = 0
            reached = last
            following.bind(1, position)
            following.bind(2, SearchIndex.stepMessages)
            defer { following.reset() }
            while try following.step() {
                let id = following.unsigned(0)
                if let words = try words(following) {
                    try SearchIndex.write(words, of: id, insert)
                    bytes += words.text.utf8.count
                }
                count += 1
                if count == SearchIndex.stepMessages || bytes >= SearchIndex.stepBytes {
                    reached = id
                    break
                }
            }
            countPart.bind(1, part)
            countPart.bind(2, count)
            try countPart.run()
            setMeta.bind(1, reached)
            try setMeta.run()
        }
        position = reached
        return bytes
    }

    /// The part that grows; a new one if it is full.
    private func currentPart(on connection: borrowing Connection) throws(SQLiteError) -> Int {
        var newest = 0
        do {
            defer { newestPart.reset() }
            if try newestPart.step() {
                newest = newestPart.integer(0)
                if newestPart.integer(1) < options?.partMessages ?? .max { return newest }
            }
        }
        try connection.execute(
            """
            CREATE VIRTUAL TABLE search_\(newest + 1) USING fts5(
                place, content, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')
            """)
        addPart.bind(1, newest + 1)
        addPart.bind(2, position + 1)
        try addPart.run()
        return newest + 1
    }

    // MARK: Changes

    /// Takes a message that is about to change out of the index.
    func remove(_ id: UInt64, on connection: borrowing Connection) throws(SQLiteError) {
        try change(id, on: connection) { (part) in
            """
            INSERT INTO search_\(part)(search_\(part), rowid, place, content) VALUES('delete', ?1, ?2, ?3)
            """
        }
    }

    /// Puts a message that has changed into the index again.
    func restore(_ id: UInt64, on connection: borrowing Connection) throws(SQLiteError) {
        try change(id, on: connection) { (part) in
            "INSERT INTO search_\(part)(rowid, place, content) VALUES(?1, ?2, ?3)"
        }
    }

    /// Does something with the words of a message, if the index has reached it.
    private func change(
        _ id: UInt64, on connection: borrowing Connection, _ sql: (Int) -> String
    ) throws(SQLiteError) {
        guard isOn, id <= position else { return }
        defer {
            message.reset()
            part.reset()
        }
        message.bind(1, id)
        part.bind(1, id)
        guard try message.step(), try part.step(), let words = try words(message) else { return }
        try SearchIndex.write(words, of: id, try connection.prepare(sql(part.integer(0))))
    }

    /// Writes the parts anew, without the words of what was taken out.
    func forgetRemoved(on connection: borrowing Connection) throws(SQLiteError) {
        guard isOn else { return }
        var parts: [Int] = []
        do {
            let rows = try connection.prepare("SELECT part FROM search_parts ORDER BY part")
            while try rows.step() { parts.append(rows.integer(0)) }
        }
        for part in parts {
            try connection.execute("INSERT INTO search_\(part)(search_\(part)) VALUES('optimize')")
            try connection.checkpoint()
        }
    }

    // MARK: Words

    private struct Words {
        var place: String
        var text: String
    }

    /// What a row of a message has for the index; nil if it is nothing.
    private func words(_ row: borrowing Statement) throws(SQLiteError) -> Words? {
        guard row.integer(4) == Int(RecordKind.message.rawValue),
            let text = SearchText.text(
                UInt8(truncatingIfNeeded: row.integer(2)), row.bytes(3), envelope: envelope)
        else { return nil }
        var place = SearchText.conversation(row.unsigned(1))
        if !row.isText(6) {
            place += " " + SearchText.user(row.unsigned(5))
            if row.unsigned(5) != row.unsigned(6) { place += " " + SearchText.user(row.unsigned(6)) }
        }
        return Words(place: place, text: SearchText.prepared(text))
    }

    private static func insertion(
        into part: Int, on connection: borrowing Connection
    ) throws(SQLiteError) -> Statement {
        try connection.prepare("INSERT INTO search_\(part)(rowid, place, content) VALUES(?1, ?2, ?3)")
    }

    private static func write(_ words: Words, of id: UInt64, _ statement: borrowing Statement) throws(SQLiteError) {
        statement.bind(1, id)
        statement.bindCopy(2, words.place)
        statement.bindCopy(3, words.text)
        try statement.run()
    }
}
