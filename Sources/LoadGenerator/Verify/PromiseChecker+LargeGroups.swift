// Groups that are too large for their members' inboxes: their messages are pushed without a `seq`, and whoever wasn't
// there is told by an entry of the inbox.
extension PromiseChecker {
    /// What was pushed is what is stored, in order, each once a session.
    func checkPushes(_ journal: ClientJournal, _ found: inout Findings) {
        for (number, session) in journal.sessions.enumerated() {
            let name = "\(journal.user), session \(number + 1) after \(session.after)"
            var last: [String: UInt64] = [:]
            for push in session.pushes {
                if !isLarge(push.conversation) || push.sender == journal.user {
                    found.add(.nothingUnexpected, name, "a message without a seq: \(push.summary)")
                }
                let before = last.updateValue(push.cseq, forKey: push.conversation) ?? 0
                if push.cseq <= before {
                    found.add(.pushedInOrder, name, "after \(before) came \(push.summary)")
                }
                checkContent(name, push, &found)
                let history = histories[push.conversation] ?? []
                let stored = push.cseq > 0 && push.cseq <= UInt64(history.count) ? history[Int(push.cseq) - 1] : nil
                if stored?.key != push.key || stored?.id != push.id {
                    found.add(.numbersAgree, name, "seen \(push.summary); stored \(stored?.summary ?? "nothing")")
                }
            }
        }
    }

    /// The last session, or a mark, tells of the newest message of each large group.
    func checkMarks(_ journal: ClientJournal, _ inbox: [StoredEntry], _ found: inout Findings) {
        for (group, members) in groups where isLarge(group) && members.contains(journal.user) {
            let newest = histories[group]?.last { $0.sender != journal.user }?.cseq ?? 0
            let told = inbox.filter { $0.conversation == group }.map(\.cseq).max() ?? 0
            let pushed = journal.sessions.last?.pushes.filter { $0.conversation == group }.map(\.cseq).max() ?? 0
            if max(told, pushed) < newest {
                found.add(.membersAreTold, journal.user, "told of \(max(told, pushed)), not \(newest) in \(group)")
            }
        }
    }
}
