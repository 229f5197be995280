internal import Base
internal import Store

/// Users, their devices, and what these have confirmed and read.
extension Numbering {
    /// The state of a user, read from the index or made if need be.
    mutating func slot(of name: Identifier) throws(SQLiteError) -> Int {
        if let slot = try slotIfKnown(of: name) { return slot }
        var state = UserState(number: next.user, name: name, head: 0, floor: 0)
        state.lastBatch = batch
        state.window.isLoaded = true
        state.devices = DeviceList.empty
        next.user += 1
        let slot = users.insert(state, hash: name.hash64)
        log.append(.newUser(slot))
        return slot
    }

    mutating func slotIfKnown(of name: Identifier) throws(SQLiteError) -> Int? {
        let hash = name.hash64
        if let slot = users.find(name, hash: hash) { return slot }
        return try lookup.user(name).map { users.insert($0, hash: hash) }
    }

    /// The state of a user who is in memory.
    func slotInMemory(of name: Identifier) -> Int? { users.find(name, hash: name.hash64) }

    mutating func loadDevices(_ user: Int) throws(SQLiteError) {
        guard users[user].devices == nil else { return }
        let devices = try lookup.devices(of: users[user].number)
        users[user].devices = devices
    }

    /// A device's place in its user's list. One that is new starts at the user's floor.
    mutating func deviceIndex(_ name: Identifier, user: Int) throws(SQLiteError) -> Int {
        var devices = users[user].devices ?? DeviceList.empty
        if let index = devices.index(of: name) { return index }
        let index = devices.append(DeviceState(name: deviceNames.pack(name), confirmed: users[user].floor))
        users[user].devices = devices
        log.append(.newDevice(user))
        return index
    }

    /// Up to where a device has confirmed; nil if it was never seen.
    mutating func confirmed(by device: Identifier, user: Int) throws(SQLiteError) -> UInt64? {
        try loadDevices(user)
        guard let devices = users[user].devices else { return nil }
        return devices.index(of: device).map { devices[$0].confirmed }
    }

    mutating func setAttachment(_ user: Int, token: UInt32, mailbox: UInt16) {
        log.append(.attachments(user, users[user].attachments))
        users[user].attachments.set(token, mailbox: mailbox)
    }

    mutating func removeAttachment(_ user: Int, mailbox: UInt16) {
        log.append(.attachments(user, users[user].attachments))
        users[user].attachments.remove(mailbox: mailbox)
    }

    // MARK: Confirms and reads

    mutating func numberConfirm(_ record: RecordView, user: Int) throws(SQLiteError) {
        try loadDevices(user)
        let device = try deviceIndex(record.destination, user: user)
        let state = users[user].devices.unsafelyUnwrapped[device]
        let position = max(state.confirmed, min(record.cseq, users[user].head))
        log.append(.device(user, index: device, confirmed: state.confirmed, floor: users[user].floor))
        users[user].devices?[device].confirmed = position
        users[user].floor = max(users[user].floor, users[user].devices?.confirmedByAll ?? 0)
        touch(user)
        record.setNumbers(id: 0, cseq: position, time: record.time, senderSeq: users[user].floor)
        record.setOwners(conversation: 0, sender: users[user].number, destination: 0)
        record.setStatus(.stored)
    }

    mutating func numberRead(_ record: RecordView, reader: Int) throws(SQLiteError) {
        var name: ConversationName?
        var otherNumber: UInt64 = 0
        if record.command == RecordView.groupCommand {
            name = .group(record.destination)
        } else if let other = try slotIfKnown(of: record.destination) {
            otherNumber = users[other].number
            name = privately(users[reader].number, otherNumber)
        }
        guard record.cseq > 0, let name, let conversation = try existing(name) else {
            record.setStatus(.refused)
            return
        }
        touch(reader)
        let position = min(record.cseq, conversations[conversation].head)
        record.setNumbers(id: 0, cseq: position, time: record.time, senderSeq: record.senderSeq)
        record.setOwners(
            conversation: conversations[conversation].number, sender: users[reader].number, destination: otherNumber)
        record.setStatus(.stored)
    }
}
