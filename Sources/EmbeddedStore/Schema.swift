/// The tables, as a list of named steps. A step is never changed once it was released; a change is a new step.
struct Schema {
    let steps: [(name: String, sql: String)]

    /// Brings a database up to date, each step in a transaction of its own.
    ///
    /// - Throws: if the database has a step that this program doesn't know: it was written by a newer one.
    func migrate(_ connection: borrowing Connection, file: String) throws(SQLiteError) {
        try connection.execute("CREATE TABLE IF NOT EXISTS migrations(name TEXT PRIMARY KEY) WITHOUT ROWID")
        let missing = Set(try missingSteps(connection, file: file))
        for step in steps where missing.contains(step.name) {
            try connection.transaction { () throws(SQLiteError) in
                try connection.execute(step.sql)
                try connection.execute("INSERT INTO migrations VALUES('\(step.name)')")
            }
        }
    }

    /// The steps that a database lacks, in their order.
    ///
    /// - Throws: if it has one that this program doesn't know.
    func missingSteps(_ connection: borrowing Connection, file: String) throws(SQLiteError) -> [String] {
        let names = steps.map(\.name)
        var done: Set<String> = []
        let rows = try connection.prepare("SELECT name FROM migrations")
        while try rows.step() { done.insert(rows.text(0)) }
        if let unknown = done.subtracting(names).sorted().first {
            throw SQLiteError(
                corrupt: "\(file) was written by a newer version (it has the step \"\(unknown)\"); "
                    + "start that version, or restore a backup from before the upgrade")
        }
        return names.filter { !done.contains($0) }
    }

    /// `journal.db`: what is committed and not yet folded.
    static let journal = Schema(steps: [
        (
            "journal",
            """
            CREATE TABLE batches(n INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, records BLOB NOT NULL);
            CREATE TABLE meta(key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
            """
        )
    ])

    /// `switchboard.db`: what can be asked.
    ///
    /// Messages lie in the order of their commits; where those of a conversation, an inbox or a sender are is in the
    /// runs: blocks of sorted entries, and fences with the first key of each block (``RunIndex``). A private
    /// conversation has its smaller user number as owner and the other as peer; a group's has owner 0 and the group's
    /// id as peer. A notice lies among the messages, in no conversation's history; if it is about no conversation, its
    /// number there is 0. What the two of a private conversation have read lies in its block of numbers; `cursors` is
    /// for members of groups who have read or sent. Edits and recalls lie like notices, with the id of the message they
    /// are about as `cid`; `edits` has what a message was before each edit, by the edit's id, and of old versions only
    /// that they were. `history_only` has the last message of each group that was too large for its members' inboxes,
    /// `marks` up to where each member's inbox tells of it. `erased` has who was erased: the generation of logins that
    /// a new account of the id begins with, and until when older ones must be refused; the last message and inbox entry
    /// of before; up to which message the user's content is taken away, and whether something is left to do.
    static let index = Schema(steps: [
        (
            "index",
            """
            CREATE TABLE users(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
            CREATE TABLE user_positions(block INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
            CREATE TABLE conversations(
                number INTEGER PRIMARY KEY, owner INTEGER NOT NULL, peer NOT NULL, UNIQUE(owner, peer));
            CREATE TABLE conversation_numbers(block INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
            CREATE TABLE messages(
                id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, cseq INTEGER NOT NULL, seq INTEGER NOT NULL,
                sender INTEGER NOT NULL, command INTEGER NOT NULL, content INTEGER NOT NULL, cid BLOB NOT NULL,
                body BLOB NOT NULL, kind INTEGER NOT NULL);
            CREATE TABLE pending(id INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL);
            CREATE TABLE edits(
                message INTEGER NOT NULL, edit INTEGER NOT NULL, content INTEGER NOT NULL, body BLOB,
                PRIMARY KEY(message, edit));
            CREATE TABLE blocks(id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
            CREATE TABLE fences(
                run INTEGER NOT NULL, owner INTEGER NOT NULL, position INTEGER NOT NULL, block INTEGER NOT NULL,
                PRIMARY KEY(run, owner, position)) WITHOUT ROWID;
            CREATE TABLE runs(
                run INTEGER PRIMARY KEY, family INTEGER NOT NULL, rank INTEGER NOT NULL, state INTEGER NOT NULL,
                entries INTEGER NOT NULL, last_id INTEGER NOT NULL, target INTEGER NOT NULL,
                owner INTEGER NOT NULL, position INTEGER NOT NULL);
            CREATE TABLE devices(
                user INTEGER NOT NULL, device TEXT NOT NULL, confirmed INTEGER NOT NULL,
                PRIMARY KEY(user, device)) WITHOUT ROWID;
            CREATE TABLE cursors(
                user INTEGER NOT NULL, conversation INTEGER NOT NULL, cseq INTEGER NOT NULL, sent INTEGER NOT NULL,
                sent_at_cursor INTEGER NOT NULL, PRIMARY KEY(user, conversation)) WITHOUT ROWID;
            CREATE TABLE groups(
                id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE members(
                group_id TEXT NOT NULL, user TEXT NOT NULL, role TEXT NOT NULL,
                PRIMARY KEY(group_id, user)) WITHOUT ROWID;
            CREATE TABLE contacts(
                user TEXT NOT NULL, other TEXT NOT NULL, state INTEGER NOT NULL, text TEXT NOT NULL,
                time INTEGER NOT NULL, PRIMARY KEY(user, other)) WITHOUT ROWID;
            CREATE TABLE user_blocks(
                user TEXT NOT NULL, other TEXT NOT NULL, PRIMARY KEY(user, other)) WITHOUT ROWID;
            CREATE INDEX user_blocks_other ON user_blocks(other);
            CREATE TABLE held(
                id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, cseq INTEGER NOT NULL, sender INTEGER NOT NULL);
            CREATE INDEX held_conversation ON held(conversation, cseq);
            CREATE TABLE accounts(
                id TEXT PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL, email TEXT NOT NULL,
                email_key TEXT NOT NULL UNIQUE, password TEXT NOT NULL, created INTEGER NOT NULL,
                generation INTEGER NOT NULL, kept INTEGER NOT NULL, older_expire INTEGER NOT NULL) WITHOUT ROWID;
            CREATE INDEX account_names ON accounts(name_key, id);
            CREATE INDEX account_changes ON accounts(older_expire) WHERE older_expire > 0;
            CREATE TABLE ended_logins(login INTEGER PRIMARY KEY, user TEXT NOT NULL, expires INTEGER NOT NULL);
            CREATE INDEX ended_login_expiry ON ended_logins(expires);
            CREATE TABLE meta(key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
            """
        ),
        (
            "large groups",
            """
            CREATE TABLE history_only(conversation INTEGER PRIMARY KEY, cseq INTEGER NOT NULL);
            CREATE TABLE marks(
                user INTEGER NOT NULL, conversation INTEGER NOT NULL, cseq INTEGER NOT NULL,
                PRIMARY KEY(user, conversation)) WITHOUT ROWID;
            CREATE INDEX groups_of_user ON members(user);
            """
        ),
        (
            "events",
            """
            CREATE TABLE events(
                n INTEGER PRIMARY KEY, kind INTEGER NOT NULL, subject INTEGER NOT NULL, time INTEGER NOT NULL);
            """
        ),
        (
            "search",
            """
            CREATE TABLE search_parts(part INTEGER PRIMARY KEY, first INTEGER NOT NULL, messages INTEGER NOT NULL);
            """
        ),
        (
            "erasure",
            """
            CREATE TABLE erased(
                id TEXT PRIMARY KEY, user INTEGER NOT NULL, generation INTEGER NOT NULL, expires INTEGER NOT NULL,
                last_id INTEGER NOT NULL, head INTEGER NOT NULL, scrubbed INTEGER NOT NULL,
                unfinished INTEGER NOT NULL) WITHOUT ROWID;
            CREATE INDEX erased_users ON erased(user);
            """
        ),
        (
            "revoked tokens",
            """
            CREATE TABLE revoked_users(user TEXT PRIMARY KEY, issued_before INTEGER NOT NULL) WITHOUT ROWID;
            """
        ),
    ])
}
