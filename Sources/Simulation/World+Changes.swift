internal import Base

// Clients change what they have sent.
extension World {
    /// A message of the connection's user whose place is known.
    private func someOwnMessage(_ connection: ClientConnection) -> SentMessage? {
        let own = checker.messages.filter { $0.sender == connection.device.user && $0.numbers != nil }
        // Few of them, so that changes of one message meet.
        return own.isEmpty ? nil : random.pick(Array(own.suffix(3)))
    }

    func edit(on connection: ClientConnection) {
        guard let message = someOwnMessage(connection), let cseq = message.numbers?.cseq else { return }
        let edit = message.changes.edits.count
        let text = SentMessage.text(message.number, edit: edit, byteCount: random.below(60), &random)
        checker.messages[message.number].changes.edits.append(.init(text: text))
        trace.note(
            "edit", UInt64(message.number), UInt64(edit), "#\(connection.number) message \(message.number), \(edit)")
        let place = #""conv":"\#(message.conversation)","cseq":\#(cseq)"#
        ask(
            .edit(message: message.number, edit: edit),
            #""cmd":"edit",\#(place),"content":\#(JSONString.encode(text))"#, on: connection)
    }

    func recall(on connection: ClientConnection) {
        guard let message = someOwnMessage(connection), let cseq = message.numbers?.cseq else { return }
        checker.messages[message.number].changes.recallTries += 1
        trace.note("recall", UInt64(message.number), 0, "#\(connection.number) message \(message.number)")
        ask(
            .recall(message: message.number), #""cmd":"recall","conv":"\#(message.conversation)","cseq":\#(cseq)"#,
            on: connection)
    }
}
