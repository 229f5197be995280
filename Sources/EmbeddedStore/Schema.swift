/// The tables, as a list of named steps. A step is never changed once it was released; a change is a new step.
struct Schema {
    let steps: [(name: String, sql: String)]

    /// Brings a database up to date, each step in a transaction of its own.
    ///
    /// - Throws: if the database has a step that this program doesn't know: it was written by a newer one.
    func migrate(_ connection: borrowing Connection, file: String) throws(SQLiteError) {
        try connection.execute("CREATE TABLE IF NOT EXISTS migrations(name TEXT PRIMARY KEY) WITHOUT ROWID")
        let names = steps.map(\.name)
        var done: Set<String> = []
        do {
            let rows = try connection.prepare("SELECT name FROM migrations")
            while try rows.step() { done.insert(rows.text(0)) }
        }
        if let unknown = done.subtracting(names).sorted().first {
            throw SQLiteError(
                corrupt: "\(file) was written by a newer version (it has the step \"\(unknown)\"); "
                    + "start that version, or restore a backup from before the upgrade")
        }
        for step in steps where !done.contains(step.name) {
            try connection.execute("BEGIN IMMEDIATE")
            do {
                try connection.execute(step.sql)
                try connection.execute("INSERT INTO migrations VALUES('\(step.name)')")
                try connection.execute("COMMIT")
            } catch {
                connection.rollBack()
                throw error
            }
        }
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
    /// A conversation's last `cseq` is that of its last message; only an inbox, whose rows go when they are confirmed,
    /// needs its head written down. A private conversation has its smaller user number as owner and the other as peer;
    /// a group's has owner 0 and the group's id as peer. `sent` is clustered by hour first, so that its growth stays
    /// in few pages and what is old goes in one piece.
    static let index = Schema(steps: [
        (
            "index",
            """
            CREATE TABLE users(
                number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, head INTEGER NOT NULL DEFAULT 0,
                floor INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL DEFAULT 0);
            CREATE TABLE conversations(
                number INTEGER PRIMARY KEY, owner INTEGER NOT NULL, peer NOT NULL, UNIQUE(owner, peer));
            CREATE TABLE messages(
                conversation INTEGER NOT NULL, cseq INTEGER NOT NULL, id INTEGER NOT NULL, sender INTEGER NOT NULL,
                command INTEGER NOT NULL, content INTEGER NOT NULL, cid BLOB NOT NULL, body BLOB NOT NULL,
                PRIMARY KEY(conversation, cseq)) WITHOUT ROWID;
            CREATE TABLE inbox(
                user INTEGER NOT NULL, seq INTEGER NOT NULL, conversation INTEGER NOT NULL, cseq INTEGER NOT NULL,
                PRIMARY KEY(user, seq)) WITHOUT ROWID;
            CREATE TABLE devices(
                user INTEGER NOT NULL, device TEXT NOT NULL, confirmed INTEGER NOT NULL,
                PRIMARY KEY(user, device)) WITHOUT ROWID;
            CREATE TABLE cursors(
                user INTEGER NOT NULL, conversation INTEGER NOT NULL, cseq INTEGER NOT NULL,
                PRIMARY KEY(user, conversation)) WITHOUT ROWID;
            CREATE TABLE sent(
                hour INTEGER NOT NULL, user INTEGER NOT NULL, id INTEGER NOT NULL, hash INTEGER NOT NULL,
                cseq INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(hour, user, id)) WITHOUT ROWID;
            CREATE TABLE groups(
                id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE members(
                group_id TEXT NOT NULL, user TEXT NOT NULL, role TEXT NOT NULL,
                PRIMARY KEY(group_id, user)) WITHOUT ROWID;
            CREATE TABLE meta(key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
            """
        )
    ])
}
