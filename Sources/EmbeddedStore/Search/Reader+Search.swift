internal import Base
package import Store

/// The statements of a search. *Thread:* that of the connection.
struct SearchStatements: ~Copyable {
    let position: Statement
    let lastID: Statement
    let parts: Statement
    let groups: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let position = try connection.prepare("SELECT value FROM meta WHERE key = 'search_position'")
        let lastID = try connection.prepare("SELECT value FROM meta WHERE key = 'last_id'")
        let parts = try connection.prepare("SELECT part, first FROM search_parts WHERE first < ?1 ORDER BY part DESC")
        let groups = try connection.prepare(
            """
            SELECT c.number FROM members m JOIN conversations c ON c.owner = 0 AND c.peer = m.group_id
            WHERE m.user = ?1 LIMIT ?2
            """)
        self.position = position
        self.lastID = lastID
        self.parts = parts
        self.groups = groups
    }
}

extension Reader {
    /// Time after which a search answers what it has found so far; the next page goes on there.
    private static let searchNanoseconds: UInt64 = 200_000_000
    /// The user and the groups that are searched at once.
    private static let searchedGroupsMax = 1_000

    /// Messages with certain words in a user's conversations.
    ///
    /// - Returns: nil if the index is behind and the question waits for it.
    package mutating func search(_ query: SearchQuery) throws(SQLiteError) -> SearchPage? {
        try inSnapshot { (reader) throws(SQLiteError) in try reader.searchPage(query) }
    }

    private func searchPage(_ query: SearchQuery) throws(SQLiteError) -> SearchPage? {
        let isCurrent = try number(search.position) >= number(search.lastID)
        let nothing = SearchPage(arena: RecordArena(capacity: 0), more: false, before: 0, isComplete: isCurrent)
        if !isCurrent, query.waits { return nil }
        let user = try number(of: query.user)
        let (owners, areAll) = try owners(query, user)
        guard let words = SearchWords(query.text), !owners.isEmpty else { return nothing }
        let limit = min(max(query.limit, 1), Limits.pageEntriesMax)
        var found = try find(
            SearchText.question(words, of: owners), for: user ?? 0,
            before: min(query.before ?? .max, UInt64(Int64.max)), limit: limit)
        try cut(&found)
        var page = PageBuilder(limit: .max, through: 0, bytesMax: .max)
        for id in found.ids.reversed() { _ = try append(id, seq: 0, place: 0, to: &page) }
        return SearchPage(
            arena: page.arena, more: found.more, before: found.more ? found.end : 0, isComplete: isCurrent && areAll)
    }

    /// Whose messages are looked through, as words of the index, and whether these are all of the user's. A member of a
    /// group may be new to the store.
    private func owners(_ query: SearchQuery, _ user: UInt64?) throws(SQLiteError) -> ([String], areAll: Bool) {
        if let key = query.conversation {
            return (try number(of: key).map { [SearchText.conversation($0)] } ?? [], true)
        }
        var owners = user.map { [SearchText.user($0)] } ?? []
        search.groups.bindCopy(1, query.user.description)
        search.groups.bind(2, Reader.searchedGroupsMax)
        defer { search.groups.reset() }
        while try search.groups.step() { owners.append(SearchText.conversation(search.groups.unsigned(0))) }
        return (Array(owners.prefix(Reader.searchedGroupsMax)), owners.count <= Reader.searchedGroupsMax)
    }

    private struct Found {
        /// Newest first.
        var ids: [UInt64] = []
        var more = false
        /// All from here on are looked through.
        var end: UInt64
    }

    /// Looks part by part, from the newest message on, and past what is held back from the user.
    private func find(
        _ question: String, for user: UInt64, before end: UInt64, limit: Int
    ) throws(SQLiteError) -> Found {
        // A new user of an erased one's id finds nothing of before.
        let begin = try erased.lastID(of: user)
        let deadline = SystemClock.monotonic() + Reader.searchNanoseconds
        var found = Found(end: end)
        search.parts.bind(1, end)
        defer { search.parts.reset() }
        while try search.parts.step() {
            let table = "search_\(search.parts.integer(0))"
            let rows = try search.parts.sibling(
                """
                SELECT rowid FROM \(table) s WHERE \(table) MATCH ?1 AND rowid < ?2 AND rowid > ?4
                AND NOT EXISTS (SELECT 1 FROM held WHERE held.id = s.rowid AND held.sender <> ?3)
                ORDER BY rowid DESC
                """)
            rows.bindCopy(1, question)
            rows.bind(2, end)
            rows.bind(3, user)
            rows.bind(4, begin)
            while try rows.step() {
                if found.ids.count == limit {
                    found.more = true
                    return found
                }
                found.ids.append(rows.unsigned(0))
                found.end = rows.unsigned(0)
            }
            found.end = search.parts.unsigned(1)
            if SystemClock.monotonic() >= deadline {
                found.more = true
                return found
            }
        }
        return found
    }

    /// Keeps of what was found what a page may hold, the newest first.
    private func cut(_ found: inout Found) throws(SQLiteError) {
        var bytes = 0
        for (index, id) in found.ids.enumerated() {
            bytes += try size(of: id)
            guard index > 0, bytes > Reader.pageBytesMax else { continue }
            found = Found(ids: Array(found.ids[..<index]), more: true, end: found.ids[index - 1])
            return
        }
    }
}
