package import Base

/// What a message record is made of; spans are copied once, into the arena.
package struct MessageHead: Sendable {
    /// 10 private, 11 group.
    package var command: UInt8
    package var content: UInt8
    package var sender: Identifier
    package var destination: Identifier

    package init(command: UInt8, content: UInt8, sender: Identifier, destination: Identifier) {
        self.command = command
        self.content = content
        self.sender = sender
        self.destination = destination
    }
}

/// Who is told of an edit or a recall.
package enum ChangeAudience: Sendable {
    /// The two of a private conversation.
    case both
    /// Nobody but who made it: the other one doesn't know of the message.
    case actor
    case members(Group)
}

extension RecordArena {
    /// Appends a private message: inbox entries for the sender and the destination.
    package func appendPrivateMessage(
        _ head: MessageHead, cid: RawSpan, body: RawSpan, reply: ReplyAddress?
    ) {
        let count = head.sender == head.destination ? 1 : 2
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        append(.message, head, cid: cid, names: none, count: count, body: body, reply: reply)
    }

    /// Appends a private message that its destination doesn't see yet: an inbox entry for the sender alone.
    package func appendHeldMessage(_ head: MessageHead, cid: RawSpan, body: RawSpan, reply: ReplyAddress?) {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        append(.message, head, cid: cid, names: none, count: 1, body: body, reply: reply)
        if let entry = entries.last { record(at: entry.offset).set(.isHeld) }
    }

    /// Appends the release of a held message to its destination.
    package func appendRelease(
        _ head: MessageHead, cid: RawSpan, body: RawSpan, id: UInt64, cseq: UInt64, time: UInt64
    ) {
        RecordArena.recipientNames(CollectionOfOne(head.destination)).withUnsafeBytes { names in
            append(.release, head, cid: cid, names: names, count: 1, body: body, reply: nil)
        }
        guard let entry = entries.last else { return }
        record(at: entry.offset).setNumbers(id: id, cseq: cseq, time: time, senderSeq: 0)
    }

    /// Appends a message with inbox entries for exactly `recipients`.
    ///
    /// - Parameter names: the recipients as (u8 length, bytes), distinct; see ``recipientNames(_:)``.
    package func appendGroupMessage(
        _ head: MessageHead, cid: RawSpan, names: [UInt8], recipientCount: Int, body: RawSpan, reply: ReplyAddress?
    ) {
        names.withUnsafeBytes {
            append(.message, head, cid: cid, names: $0, count: recipientCount, body: body, reply: reply)
        }
    }

    /// Appends a message to a group: inbox entries for all its members, or, if it is large, for the sender alone.
    package func appendMessage(
        _ head: MessageHead, to group: Group, cid: RawSpan, body: RawSpan, reply: ReplyAddress?
    ) {
        guard group.isLarge else {
            return appendGroupMessage(
                head, cid: cid, names: group.recipientNames, recipientCount: group.members.count, body: body,
                reply: reply)
        }
        appendGroupMessage(
            head, cid: cid, names: RecordArena.recipientNames(CollectionOfOne(head.sender)), recipientCount: 1,
            body: body, reply: reply)
        guard let entry = entries.last else { return }
        record(at: entry.offset).set(.isForMembers)
        setAudience(group, at: entry.offset)
    }

    /// Appends "this group has messages up to `cseq`" for the inbox of one of its members.
    ///
    /// - Parameter members: JSON members without braces, `"name":…` first.
    package func appendMark(group: Identifier, to user: Identifier, cseq: UInt64, members: [UInt8]) {
        append(Notice(actor: user, subject: .group(group), recipients: [user], members: members))
        guard let entry = entries.last else { return }
        let view = record(at: entry.offset)
        view.setNumbers(id: 0, cseq: cseq, time: 0, senderSeq: 0)
        view.set(.isMark)
    }

    /// The names of a group message's recipients in the form of a record; made once per membership, not per message.
    package static func recipientNames(_ recipients: some Sequence<Identifier>) -> [UInt8] {
        var names: [UInt8] = []
        for recipient in recipients {
            names.append(UInt8(recipient.count))
            recipient.withBytes { span in span.withUnsafeBytes { names.append(contentsOf: $0) } }
        }
        return names
    }

    /// Appends a notice.
    package func append(_ notice: Notice) {
        RecordArena.recipientNames(notice.recipients).withUnsafeBytes { names in
            append(
                .notice, notice.head, cid: RawSpan(), names: names, count: notice.recipients.count,
                body: notice.members.span.bytes, reply: nil)
        }
    }

    /// Appends an edit or a recall of a message at `cseq` of the conversation that `head` names, by its sender.
    ///
    /// - Parameters:
    ///   - message: the message's id.
    ///   - audience: who gets an entry.
    ///   - body: an edit's new members as an object.
    package func appendChange(
        _ kind: RecordKind, _ head: MessageHead, of message: UInt64, at cseq: UInt64, to audience: ChangeAudience,
        body: RawSpan, reply: ReplyAddress?
    ) {
        precondition(kind.isChange)
        let (names, count): ([UInt8], Int) =
            switch audience {
            case .both: ([], head.sender == head.destination ? 1 : 2)
            case .actor: (RecordArena.recipientNames([head.sender]), 1)
            case .members(let group): (group.allNames, group.members.count)
            }
        withUnsafeBytes(of: message) { message in
            names.withUnsafeBytes { names in
                append(
                    kind, head, cid: RawSpan(_unsafeBytes: message), names: names, count: count, body: body,
                    reply: reply)
            }
        }
        guard let entry = entries.last else { return }
        record(at: entry.offset).setNumbers(id: 0, cseq: cseq, time: 0, senderSeq: 0)
    }

    /// Appends "this device has everything up to `seq`".
    package func appendConfirm(user: Identifier, device: Identifier, seq: UInt64, reply: ReplyAddress?) {
        appendPosition(.confirm, user, device, position: seq, time: 0, reply: reply)
    }

    /// Appends "this user has read the conversation up to `cseq`".
    ///
    /// - Parameter command: 10 if `destination` is a user, 11 if it is a group. A conversation without messages is
    ///   refused.
    package func appendRead(
        user: Identifier, command: UInt8, destination: Identifier, cseq: UInt64, reply: ReplyAddress?
    ) {
        appendPosition(.read, user, destination, command: command, position: cseq, time: 0, reply: reply)
    }

    /// Appends "this user was online until `time`" (milliseconds).
    package func appendSeen(user: Identifier, time: UInt64) {
        appendPosition(.seen, user, user, position: 0, time: time, reply: nil)
    }

    /// Appends "this user is online since `time`" (milliseconds).
    package func appendArrival(user: Identifier, time: UInt64) {
        appendPosition(.came, user, user, position: 0, time: time, reply: nil)
    }

    private func appendPosition(
        _ kind: RecordKind, _ user: Identifier, _ other: Identifier, command: UInt8 = 0, position: UInt64,
        time: UInt64, reply: ReplyAddress?
    ) {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        let head = MessageHead(command: command, content: 0, sender: user, destination: other)
        append(kind, head, cid: RawSpan(), names: none, count: 0, body: RawSpan(), reply: reply)
        guard let entry = entries.last else { return }
        record(at: entry.offset).setNumbers(id: 0, cseq: position, time: time, senderSeq: 0)
    }

    /// Appends a stored message or notice that was read back; `seq` is the reader's inbox entry, 0 in history.
    package func appendStored(
        _ kind: RecordKind, _ head: MessageHead, cid: RawSpan, body: RawSpan, id: UInt64, cseq: UInt64, seq: UInt64,
        time: UInt64
    ) {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        append(kind, head, cid: cid, names: none, count: 0, body: body, reply: nil)
        guard let entry = entries.last else { return }
        let view = record(at: entry.offset)
        view.setNumbers(id: id, cseq: cseq, time: time, senderSeq: seq)
        view.setStatus(.stored)
    }

    private func append(
        _ kind: RecordKind, _ head: MessageHead, cid: RawSpan, names: UnsafeRawBufferPointer, count: Int,
        body: RawSpan, reply: ReplyAddress?
    ) {
        precondition(cid.byteCount <= Limits.cidBytesMax)
        let variable = head.sender.count + head.destination.count + cid.byteCount + names.count
        let placements = (RecordView.headerBytes + variable + 7) & ~7
        let bodyOffset = placements + count * 16
        let offset = appendRecord(size: bodyOffset + body.byteCount, reply: reply)
        let target = mutableBase(at: offset)
        let lengths: [4 of UInt8] = [UInt8(head.sender.count), UInt8(head.destination.count), UInt8(cid.byteCount), 0]
        target.storeBytes(of: kind.rawValue, toByteOffset: 4, as: UInt8.self)
        target.storeBytes(of: head.command, toByteOffset: 6, as: UInt8.self)
        target.storeBytes(of: head.content, toByteOffset: 7, as: UInt8.self)
        target.storeBytes(of: lengths, toByteOffset: 40, as: [4 of UInt8].self)
        target.storeBytes(of: UInt32(body.byteCount), toByteOffset: 44, as: UInt32.self)
        target.storeBytes(of: UInt32(count), toByteOffset: 48, as: UInt32.self)
        target.storeBytes(of: UInt32(names.count), toByteOffset: 52, as: UInt32.self)
        var cursor = target + RecordView.headerBytes
        head.sender.withBytes { cursor = copy($0, to: cursor) }
        head.destination.withBytes { cursor = copy($0, to: cursor) }
        cursor = copy(cid, to: cursor)
        if let source = names.baseAddress { cursor.copyMemory(from: source, byteCount: names.count) }
        // Up to the body: padding, and placements that the store may never fill in.
        zero(cursor + names.count, through: target + bodyOffset)
        zero(copy(body, to: target + bodyOffset), through: target + record(at: offset).size)
    }

    private func zero(_ start: UnsafeMutableRawPointer, through end: UnsafeMutableRawPointer) {
        start.initializeMemory(as: UInt8.self, repeating: 0, count: end - start)
    }

    private func copy(_ span: RawSpan, to target: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        span.withUnsafeBytes { bytes in
            if let source = bytes.baseAddress { target.copyMemory(from: source, byteCount: bytes.count) }
        }
        return target + span.byteCount
    }
}
