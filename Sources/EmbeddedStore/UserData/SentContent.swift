internal import Base
internal import Store
internal import Wire

/// Takes away the content of what an erased user sent, in steps that are each a transaction: a crash loses none of
/// them, and the next one goes on where the last one ended.
///
/// Messages stay where they are, as a recall leaves them. *Thread:* that of the connection; nobody else writes.
struct SentContent: ~Copyable {
    private let connection: Connection
    private var search: SearchIndex
    private let changes: MessageChanges
    private let find: Statement
    private let clearCid: Statement
    private let body: Statement
    private let setBody: Statement
    private let setRecalled: Statement
    private let progress: Statement
    private let runs: RunErasure

    private static let stepMessages = 1_000

    init(_ path: String) throws(SQLiteError) {
        let connection = try Connection(path: path, options: ConnectionOptions(cacheBytes: 64 << 20))
        let search = try SearchIndex(connection, try StoppedStore.searchOptions(connection))
        let changes = try MessageChanges(connection)
        // The rows' bodies are only read if a number before them says so: most of them lie in pages of their own.
        let find = try connection.prepare(
            """
            SELECT id, kind FROM messages WHERE id > ?1 AND id <= ?2
            AND (sender = ?3 OR (command = 0 AND substr(body, 1, length(?4)) = ?4))
            ORDER BY id LIMIT \(SentContent.stepMessages)
            """)
        let clearCid = try connection.prepare("UPDATE messages SET cid = X'' WHERE id = ?1")
        let body = try connection.prepare("SELECT body FROM messages WHERE id = ?1")
        let setBody = try connection.prepare("UPDATE messages SET body = ?2 WHERE id = ?1")
        let setRecalled = try connection.prepare("UPDATE messages SET content = ?2, body = ?3 WHERE id = ?1")
        let progress = try connection.prepare("UPDATE erased SET scrubbed = ?2 WHERE id = ?1")
        let runs = try RunErasure(connection)
        self.connection = connection
        self.search = search
        self.changes = changes
        self.find = find
        self.clearCid = clearCid
        self.body = body
        self.setBody = setBody
        self.setRecalled = setRecalled
        self.progress = progress
        self.runs = runs
    }

    /// Somebody whose erasure isn't finished.
    struct Unfinished {
        var user: Identifier
        /// 0 if nothing was ever stored for the id.
        var number: UInt64
        var last: UInt64
        var scrubbed: UInt64
    }

    /// Does all that is left to do of all erasures, except for what the files' free pages hold.
    mutating func finish() throws(SQLiteError) {
        let erasures = try unfinished()
        for erasure in erasures {
            if erasure.number > 0 {
                try connection.transaction { () throws(SQLiteError) in
                    for family in [RunFamily.inbox, .sent, .activity] {
                        try runs.remove(erasure.number, from: family)
                    }
                }
            }
            var erasure = erasure
            while erasure.scrubbed < erasure.last { try step(&erasure) }
        }
        if !erasures.isEmpty { try search.forgetRemoved(on: connection) }
        try connection.checkpoint(truncating: true)
    }

    private func unfinished() throws(SQLiteError) -> [Unfinished] {
        let rows = try connection.prepare("SELECT id, user, last_id, scrubbed FROM erased WHERE unfinished")
        var found: [Unfinished] = []
        while try rows.step() {
            guard let user = Identifier(rows.text(0)) else { throw SQLiteError(corrupt: AccountReader.invalid) }
            found.append(
                Unfinished(
                    user: user, number: rows.unsigned(1), last: rows.unsigned(2), scrubbed: rows.unsigned(3)))
        }
        return found
    }

    private func step(_ erasure: inout Unfinished) throws(SQLiteError) {
        let found = try next(erasure)
        let reached = found.count < SentContent.stepMessages ? erasure.last : found.last?.id ?? erasure.last
        try connection.transaction { () throws(SQLiteError) in
            for (id, kind) in found { try empty(id, kind) }
            progress.bindCopy(1, erasure.user.description)
            progress.bind(2, reached)
            try progress.run()
        }
        try connection.checkpoint()
        erasure.scrubbed = reached
    }

    private func next(_ erasure: Unfinished) throws(SQLiteError) -> [(id: UInt64, kind: RecordKind?)] {
        // Whoever asked the user to be a contact wrote that to nobody else.
        var request = OutputBuffer()
        request.append(#""name":"contact.request","user":"#)
        request.appendJSONString(erasure.user)
        request.append(UInt8(ascii: ","))
        find.bind(1, erasure.scrubbed)
        find.bind(2, erasure.last)
        find.bind(3, erasure.number)
        find.bind(4, blob: request.unsafeBytes)
        defer { find.reset() }
        var found: [(id: UInt64, kind: RecordKind?)] = []
        while try find.step() {
            found.append((find.unsigned(0), RecordKind(rawValue: UInt8(truncatingIfNeeded: find.integer(1)))))
        }
        return found
    }

    private func empty(_ id: UInt64, _ kind: RecordKind?) throws(SQLiteError) {
        switch kind {
        case .message:
            try search.remove(id, on: connection)
            try changes.recall(id)
            clearCid.bind(1, id)
            try clearCid.run()
        case .edit:
            setRecalled.bind(1, id)
            setRecalled.bind(2, Int(BodyForm.members.rawValue))
            setRecalled.bind(3, blob: MessageMembers.recalled)
            try setRecalled.run()
        case .notice: try cutText(of: id)
        case .recall, .confirm, .seen, .read, .release, .came, nil: break
        }
    }

    /// Takes what somebody wrote out of a notice: it comes last, and no string within can look like its key.
    private func cutText(of id: UInt64) throws(SQLiteError) {
        body.bind(1, id)
        var members: [UInt8] = []
        if try body.step() { members = Array(body.bytes(0)) }
        body.reset()
        guard let range = members.firstRange(of: Array(#","text":"#.utf8)) else { return }
        try Array(members[..<range.lowerBound]).span.bytes.withUnsafeBytes { (members) throws(SQLiteError) in
            setBody.bind(1, id)
            setBody.bind(2, blob: members)
            try setBody.run()
        }
    }
}
