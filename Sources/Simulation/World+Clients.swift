internal import Base
internal import Core
internal import Wire

// What clients do: their frames are put on the wire, and judged when the answers come back.
extension World {
    func nextRef() -> UInt64 {
        lastRef += 1
        return lastRef
    }

    /// A connection whose welcome has come.
    func someConnection() -> ClientConnection? {
        let welcome = openConnections.filter(\.view.isWelcome)
        return welcome.isEmpty ? nil : random.pick(welcome)
    }

    // MARK: Messages

    func sendNew(on connection: ClientConnection) {
        let user = connection.device.user
        let number = checker.messages.count
        let size =
            random.chance(10) ? random.below(profile.bodyBytesMax + 1) : random.below(min(profile.bodyBytesMax, 60) + 1)
        var group: Int?
        var recipient: Int?
        if !groups.isEmpty, random.chance(profile.groupShare) {
            group = random.below(groups.count)
        } else {
            recipient = random.chance(10) ? user : random.below(profile.users)
        }
        let name = group.map { groups[$0].description } ?? checker.userNames[recipient ?? user]
        let conversation = Naming.conversation(group == nil ? 10 : 11, checker.userNames[user], name)
        // Binary clients resend by cid, so they always have one.
        let hasCid = connection.form != .json || random.chance(profile.cidShare)
        checker.messages.append(
            SentMessage(
                number: number, sender: user, conversation: conversation, recipient: recipient, group: group,
                text: SentMessage.text(number, byteCount: size, &random), cid: hasCid ? UInt64(number) + 1 : 0,
                hasExtra: connection.form == .json && random.chance(30),
                oldestMembership: group.map { installed[connection.hub][$0] } ?? 0))
        send(number, on: connection)
    }

    /// Sends a message with a `cid` again, whatever became of it.
    func resend(on connection: ClientConnection) {
        let user = connection.device.user
        // Within the window of 256 messages, and a message goes out as it did before.
        let recent = checker.messages.suffix(200).filter {
            $0.sender == user && $0.cid != 0 && (!$0.hasExtra || connection.form == .json)
        }
        guard !recent.isEmpty else { return }
        send(random.pick(recent).number, on: connection)
    }

    func send(_ number: Int, on connection: ClientConnection) {
        let ref = nextRef()
        checker.messages[number].attempts += 1
        let message = checker.messages[number]
        connection.view.questions[ref] = .send(message: number)
        let destination = message.group.map { groups[$0].description } ?? checker.userNames[message.recipient ?? 0]
        trace.note(
            "send", UInt64(number), UInt64(connection.number),
            "#\(connection.number) message \(number) to \(destination), attempt \(message.attempts), ref \(ref)")
        let command = message.group == nil ? 10 : 11
        guard connection.form == .json else {
            connection.toServer.append(.binary(binary(message, command: UInt8(command), to: destination)))
            return
        }
        var text = #"{"cmd":\#(command),"dstid":"\#(destination)","ref":\#(ref)"#
        if message.cid != 0 { text += #","cid":"\#(message.cid)""# }
        // The ack that follows an accepted one has no reference, so it takes a cid to know it.
        if message.cid != 0, random.chance(profile.acceptedShare) { text += #","level":"accepted""# }
        text += #","content":\#(JSONString.encode(message.text))"#
        if message.hasExtra { text += #","x":\#(SentMessage.extraText)"# }
        connection.toServer.append(.json(Array((text + "}").utf8)))
    }

    private func binary(_ message: SentMessage, command: UInt8, to destination: String) -> [UInt8] {
        let type = random.pick([ContentType.opaque, .text, .members])
        var raw = OutputBuffer()
        if type == .members {
            raw.append(utf8: #"{"content":\#(JSONString.encode(message.text))}"#)
        } else {
            raw.append(utf8: message.text)
        }
        let isCompressed = raw.count > 100 && random.chance(50)
        var body = OutputBuffer()
        if isCompressed {
            LZ4Body.compress(RawSpan(_unsafeBytes: raw.unsafeBytes), to: &body)
        } else {
            body.append(raw.unsafeBytes)
        }
        guard let kind = MessageKind(rawValue: command) else { preconditionFailure("10 or 11") }
        var frame = OutputBuffer()
        let send = BinarySend(cid: message.cid, kind: kind, destination: World.identifier(destination))
        send.append(flags: BinaryFlags(type, isCompressed: isCompressed), bodyByteCount: body.count, to: &frame)
        frame.append(body.unsafeBytes)
        return Array(frame.unsafeBytes)
    }

    // MARK: Reading

    func confirm(on connection: ClientConnection) {
        let device = connection.device
        guard device.have > 0 else { return }
        let seq = random.chance(80) ? device.have : UInt64(random.below(Int(device.have) + 1))
        device.confirmSent = max(device.confirmSent, seq)
        trace.note("confirm", seq, UInt64(connection.number), "#\(connection.number) \(seq)")
        if connection.form != .json {
            var frame = OutputBuffer()
            BinaryConfirm(seq: seq).append(to: &frame)
            connection.toServer.append(.binary(Array(frame.unsafeBytes)))
        } else if random.chance(50) {
            ask(.confirm(seq: seq), #""cmd":"confirm","seq":\#(seq)"#, on: connection)
        } else {
            connection.toServer.append(.json(Array(#"{"cmd":"confirm","seq":\#(seq)}"#.utf8)))
        }
    }

    /// Fetches what a session that is behind missed, or some page.
    func fetch(on connection: ClientConnection) {
        let view = connection.view
        // Two readers answer, and a binary page has no reference to tell it by: one at a time.
        guard view.binaryPages.isEmpty else { return }
        let after = view.isBehind ? view.last : UInt64(random.below(Int(connection.device.have) + 1))
        fetch(after: after, limit: random.below(profile.pageEntries) + 1, on: connection)
    }

    func fetch(after: UInt64, limit: Int, on connection: ClientConnection) {
        let page = PageQuestion(
            after: after, limit: limit, known: checker.heads[connection.device.user],
            moment: checker.moment)
        trace.note("fetch", after, UInt64(connection.number), "#\(connection.number) after \(after), \(limit)")
        if connection.form == .json {
            return ask(.page(page), #""cmd":"fetch","after":\#(after),"limit":\#(limit)"#, on: connection)
        }
        var frame = OutputBuffer()
        BinaryFetch(after: after, limit: UInt32(limit)).append(to: &frame)
        connection.view.binaryPages.append(page)
        connection.toServer.append(.binary(Array(frame.unsafeBytes)))
    }

    func history(on connection: ClientConnection) {
        let user = connection.device.user
        let mine = checker.conversations.keys.sorted().filter { mayRead($0, user) }
        guard !mine.isEmpty else { return }
        let conversation = random.pick(mine)
        let known = checker.conversationHeads[conversation] ?? 0
        let place = UInt64(random.below(Int(known) + 2))
        var asked = HistoryQuestion(
            conversation: conversation, limit: random.below(profile.pageEntries) + 1, known: known,
            moment: checker.moment)
        switch random.below(3) {
        case 0: asked.after = place
        case 1: asked.before = max(place, 1)
        default: break
        }
        ask(asked, on: connection)
    }

    func ask(_ asked: HistoryQuestion, on connection: ClientConnection) {
        var text = #""cmd":"history","conv":"\#(asked.conversation)","limit":\#(asked.limit)"#
        if let after = asked.after { text += #","after":\#(after)"# }
        if let before = asked.before { text += #","before":\#(before)"# }
        trace.note("history", asked.known, UInt64(connection.number), "#\(connection.number) \(text)")
        ask(.history(asked), text, on: connection)
    }

    /// Whether a user may surely read a conversation now.
    func mayRead(_ conversation: String, _ user: Int) -> Bool {
        guard let group = groups.firstIndex(where: { $0.description == conversation }) else {
            return conversation.split(separator: ":").contains { $0 == checker.userNames[user] }
        }
        return checker.memberships[group].last?.contains(user) ?? false
    }

    /// Says that a conversation was read: to its end, or to some place that may be behind it.
    func markRead(on connection: ClientConnection) {
        let user = connection.device.user
        let mine = checker.conversations.keys.sorted().filter { mayRead($0, user) }
        guard !mine.isEmpty else { return }
        let conversation = random.pick(mine)
        let known = checker.conversationHeads[conversation] ?? 0
        let cseq = random.chance(40) ? known : UInt64(random.below(Int(known) + 3))
        let place = ReadPlace(user: user, conversation: conversation, cseq: cseq, known: known)
        checker.readSent(place)
        let text = #""cmd":"read","conv":"\#(conversation)","cseq":\#(cseq)"#
        trace.note("mark read", cseq, UInt64(connection.number), "#\(connection.number) \(text)")
        ask(.read(place), text, on: connection)
    }

    func typing(on connection: ClientConnection) {
        let other = checker.userNames[random.below(profile.users)]
        if !groups.isEmpty, random.chance(50) {
            ask(.typing, #""cmd":"typing","group":true,"dstid":"\#(random.pick(groups))""#, on: connection)
        } else {
            ask(.typing, #""cmd":"typing","dstid":"\#(other)""#, on: connection)
        }
    }

    /// Begins or ends watches of some users.
    func watch(on connection: ClientConnection) {
        let names = (0...random.below(3)).map { _ in checker.userNames[random.below(profile.users)] }
        let list = names.map { #""\#($0)""# }.joined(separator: ",")
        if random.chance(70) {
            connection.view.watched.formUnion(names)
            ask(.watch(names), #""cmd":"watch","users":[\#(list)]"#, on: connection)
        } else {
            connection.view.watched.subtract(names)
            ask(.unwatch, #""cmd":"unwatch","users":[\#(list)]"#, on: connection)
        }
    }

    /// Puts a JSON frame with a reference on the wire; a binary session wraps it.
    func ask(_ question: Question, _ members: String, on connection: ClientConnection) {
        let ref = nextRef()
        connection.view.questions[ref] = question
        let json = Array("{\(members),\"ref\":\(ref)}".utf8)
        guard connection.form != .json else { return connection.toServer.append(.json(json)) }
        var frame = OutputBuffer()
        BinaryHeader(.command, length: json.count).append(to: &frame)
        json.withUnsafeBytes { frame.append($0) }
        connection.toServer.append(.binary(Array(frame.unsafeBytes)))
    }
}

/// JSON strings as the clients write them.
enum JSONString {
    static func encode(_ text: String) -> String {
        var encoded = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": encoded += "\\\""
            case "\\": encoded += "\\\\"
            case "\n": encoded += "\\n"
            case "\u{1}": encoded += "\\u0001"
            default: encoded.unicodeScalars.append(scalar)
            }
        }
        return encoded + "\""
    }
}
