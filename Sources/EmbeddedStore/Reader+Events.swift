internal import Base
package import Store

/// The statements that read events. *Thread:* that of the connection.
struct EventStatements: ~Copyable {
    let rows: Statement
    let newest: Statement
    let delivered: Statement

    init(_ connection: borrowing Connection) throws(SQLiteError) {
        let rows = try connection.prepare(
            "SELECT n, kind, subject, time FROM events WHERE n > ?1 ORDER BY n LIMIT ?2")
        let newest = try connection.prepare("SELECT max(n) FROM events")
        let delivered = try connection.prepare("SELECT value FROM meta WHERE key = '\(EventLog.deliveredKey)'")
        self.rows = rows
        self.newest = newest
        self.delivered = delivered
    }
}

extension Reader {
    /// A page of events, oldest first. It ends early where large messages fill it.
    package mutating func events(_ query: EventQuery) throws(SQLiteError) -> EventPage {
        try inSnapshot { (reader) throws(SQLiteError) in try reader.eventPage(query) }
    }

    private func eventPage(_ query: EventQuery) throws(SQLiteError) -> EventPage {
        let last = try number(events.newest)
        let limit = min(max(query.limit, 1), Limits.pageEntriesMax)
        let delivered = try number(events.delivered)
        let rows = try eventRows(after: query.after ?? delivered, limit: limit + 1)
        var page = PageBuilder(limit: .max, through: 0)
        var found: [EventPage.Event] = []
        for (number, row) in rows.prefix(limit) {
            guard let content = try content(of: row, &page) else { break }
            found.append(EventPage.Event(number: number, time: row.time, content: content))
        }
        return EventPage(arena: page.arena, events: found, more: found.count < rows.count, last: last)
    }

    private func eventRows(
        after number: UInt64, limit: Int
    ) throws(SQLiteError) -> [(number: UInt64, row: EventRow)] {
        events.rows.bind(1, min(number, UInt64(Int64.max)))
        events.rows.bind(2, limit)
        defer { events.rows.reset() }
        var found: [(number: UInt64, row: EventRow)] = []
        while try events.rows.step() { found.append((events.rows.unsigned(0), try event(events.rows))) }
        return found
    }

    private func event(_ rows: borrowing Statement) throws(SQLiteError) -> EventRow {
        guard let kind = EventRow.Kind(rawValue: rows.integer(1)) else {
            throw SQLiteError(corrupt: "switchboard.db: event \(rows.unsigned(0)) is of no known kind")
        }
        return EventRow(kind: kind, subject: rows.unsigned(2), time: rows.unsigned(3))
    }

    /// nil if the page is full.
    private func content(
        of row: EventRow, _ page: inout PageBuilder
    ) throws(SQLiteError) -> EventPage.Content? {
        switch row.kind {
        case .entry:
            guard try append(row.subject, seq: 0, place: 0, to: &page) else { return nil }
            return page.arena.entries.last.map { .entry($0.offset) }
        case .connect: return .connect(try name(of: row.subject, &page.names))
        case .disconnect: return .disconnect(try name(of: row.subject, &page.names))
        case .start: return .start
        }
    }

    /// The first column of the first row; 0 without a row.
    func number(_ statement: borrowing Statement) throws(SQLiteError) -> UInt64 {
        defer { statement.reset() }
        return try statement.step() ? statement.unsigned(0) : 0
    }
}
