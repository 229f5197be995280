/// Taking a batch back that didn't reach the disk.
extension Numbering {
    /// What numbering did, one entry a change, with what it was before where that can't be told.
    enum Change {
        case newUser(Int)
        case newConversation(Int)
        case userHead(Int)
        case conversationHead(Int)
        case sent(Int, SentWindow.Addition)
        case device(Int, index: Int, confirmed: UInt64, floor: UInt64)
        case newDevice(Int)
        case attachments(Int, Attachments)
        case recalled(UInt64)
        /// Conversation, and its last message that lay in its history only.
        case historyOnly(UInt64, UInt64)
        /// User and conversation, up to where it was told and by which batch.
        case told(UInt64, UInt64, UInt64, UInt64)
    }

    /// Takes back everything since ``begin(batch:now:)``.
    mutating func undo() {
        for change in log.reversed() {
            switch change {
            case .newUser(let slot): users.remove(slot)
            case .newConversation(let slot): conversations.remove(slot)
            case .userHead(let slot): users[slot].head -= 1
            case .conversationHead(let slot): conversations[slot].head -= 1
            case .sent(let slot, let addition):
                users[slot].window.take(back: addition)
                recent.removeLast()
            case .device(let slot, let index, let confirmed, let floor):
                users[slot].devices?[index].confirmed = confirmed
                users[slot].floor = floor
            case .newDevice(let slot): users[slot].devices?.removeLast()
            case .attachments(let slot, let attachments): users[slot].attachments = attachments
            case .recalled(let message): recalled[message] = nil
            case .historyOnly(let conversation, let cseq): _ = marks.setHead(cseq, conversation: conversation)
            case .told(let user, let conversation, let cseq, let batch):
                let before = cseq > 0 ? MarkTable.Told(cseq: cseq, batch: batch) : nil
                marks.setTold(before, .init(user: user, conversation: conversation))
            }
        }
        log.removeAll(keepingCapacity: true)
        next = before
    }
}
