package import Base

/// What a record is.
package enum RecordKind: UInt8, Sendable {
    /// A message to a user or a group: takes an id, a place in its conversation and a place in each recipient's inbox.
    case message = 1
    /// A device has everything up to a place in its user's inbox.
    case confirm = 2
    /// A user was last online at a time.
    case seen = 3
    /// A user has read a conversation up to a place.
    case read = 4
    /// A ``Notice``: takes an id and a place in each recipient's inbox.
    case notice = 5
    /// A held message comes into the inbox of whom it was sent to, with the id and the place in the conversation that
    /// it has.
    case release = 6
    /// New members of a message: takes an id and a place in each recipient's inbox. Refused if the message was
    /// recalled.
    case edit = 8
    /// A message is taken back: the same. Of several, all but the first are duplicates.
    case recall = 9
    /// A user came online at a time; told only if events are on.
    case came = 10

    /// Whether a client sees it as a message.
    @inlinable package var isMessage: Bool { self == .message || self == .release }
    /// Whether it changes a message that is there.
    @inlinable package var isChange: Bool { self == .edit || self == .recall }
    /// Whether it has places in inboxes.
    @inlinable package var isEntry: Bool { isMessage || self == .notice || isChange }
}

/// What became of a record.
package enum RecordStatus: UInt8, Sendable {
    case pending = 0
    case stored = 1
    /// The sender's `cid` was stored before: the numbers are those of then.
    case duplicate = 2
    /// Not stored, by a rule of the store; the numbers mean nothing.
    case refused = 3
}

/// One record in an arena. Integers are little-endian; the layout is also the format of a journal row.
///
/// | offset | field |
/// | --- | --- |
/// | 0 | u32 size, a multiple of 8 |
/// | 4 | u8 kind · u8 status · u8 command (10, 11; 0: a notice about no conversation) · u8 content (content type << 4,
/// bit 0: LZ4) |
/// | 8 | u64 id |
/// | 16 | u64 cseq (confirm, read: the place confirmed or read up to; edit, recall: that of the message; notice: 0, or
/// of a mark the place it tells of) |
/// | 24 | u64 time, milliseconds |
/// | 32 | u64 seq of the sender's own inbox entry, 0 if there is none; in a page: of the reader's entry; confirm: the
/// user's floor, up to where all of its devices have confirmed; notice, release: its number in the index's table
/// `pending`, 0 for a mark |
/// | 40 | u8 sender length · u8 destination length · u8 cid length · u8 flags (``Flag``) · u32 body length |
/// | 48 | u32 recipient count · u32 length of the recipients' names |
/// | 56 | u64 the store's number of the conversation · u64 of the sender · u64 of the destination if it is a user;
/// release: an id of its own |
/// | 80 | sender, destination, cid (edit, recall: u64 id of the message), recipients' names (u8 length, bytes), padding
/// to 8 |
/// | … | recipient count × (u64 user number, u64 seq): the placements |
/// | … | body |
///
/// A private message names no recipients: they are the sender and the destination, in that order (once if they are
/// the same). *Ownership:* valid while its arena lives. *Safety:* built only by the arena's builders or after
/// ``isWhole(_:)``, so its lengths can be believed.
package struct RecordView {
    @usableFromInline static let headerBytes = 80
    /// The command of a message to a group, and of a read position in one.
    package static let groupCommand: UInt8 = 11
    @usableFromInline let base: UnsafeMutableRawPointer

    init(base: UnsafeMutableRawPointer) { self.base = base }

    @inlinable @inline(__always)
    func load<Value: BitwiseCopyable>(_ offset: Int, as type: Value.Type) -> Value {
        base.loadUnaligned(fromByteOffset: offset, as: type)
    }

    @inlinable package var size: Int { Int(load(0, as: UInt32.self)) }
    @inlinable package var kind: RecordKind? { RecordKind(rawValue: load(4, as: UInt8.self)) }
    @inlinable package var status: RecordStatus { RecordStatus(rawValue: load(5, as: UInt8.self)) ?? .refused }
    /// 10 for a private message, 11 for a group message.
    @inlinable package var command: UInt8 { load(6, as: UInt8.self) }
    /// Content type in bits 4–7, LZ4 in bit 0: the flags of the binary protocol.
    @inlinable package var content: UInt8 { load(7, as: UInt8.self) }
    @inlinable package var id: UInt64 { load(8, as: UInt64.self) }
    @inlinable package var cseq: UInt64 { load(16, as: UInt64.self) }
    @inlinable package var time: UInt64 { load(24, as: UInt64.self) }
    @inlinable package var senderSeq: UInt64 { load(32, as: UInt64.self) }
    /// The store's own numbers, for itself; 0 before they are given and in pages.
    @inlinable package var conversationNumber: UInt64 { load(56, as: UInt64.self) }
    @inlinable package var senderNumber: UInt64 { load(64, as: UInt64.self) }
    /// 0 if the destination is a group or a device.
    @inlinable package var destinationNumber: UInt64 { load(72, as: UInt64.self) }
    /// Of a release: an id of the time when it came, which no message has.
    @inlinable package var releaseID: UInt64 { load(72, as: UInt64.self) }
    /// Whether the record has a user or a conversation that the store met for the first time.
    @inlinable package var introducesNames: Bool { has(.introducesNames) }
    /// Whether the message has a place in its sender's inbox only, until its destination takes the sender as a contact.
    @inlinable package var isHeld: Bool { has(.isHeld) }

    /// What is true of some records only.
    package enum Flag: UInt8 {
        /// It has a user or a conversation that the store met for the first time.
        case introducesNames = 1
        /// A message that its destination gets only once it takes the sender as a contact.
        case isHeld = 2
        /// A message to a large group: it has a place in the sender's inbox alone, and is pushed to the other members.
        case isForMembers = 4
        /// A notice that tells a member of a large group of its messages up to `cseq`.
        case isMark = 8
    }

    /// Whether something is true of this record.
    @inlinable package func has(_ flag: Flag) -> Bool { load(43, as: UInt8.self) & flag.rawValue != 0 }
    @inlinable var senderBytes: Int { Int(load(40, as: UInt8.self)) }
    @inlinable var destinationBytes: Int { Int(load(41, as: UInt8.self)) }
    @inlinable var cidBytes: Int { Int(load(42, as: UInt8.self)) }
    @inlinable var bodyBytes: Int { Int(load(44, as: UInt32.self)) }
    @inlinable package var placementCount: Int { Int(load(48, as: UInt32.self)) }
    @inlinable var namesBytes: Int { Int(load(52, as: UInt32.self)) }
    @inlinable var namesOffset: Int { RecordView.headerBytes + senderBytes + destinationBytes + cidBytes }
    @inlinable var placementsOffset: Int { (namesOffset + namesBytes + 7) & ~7 }
    @inlinable var bodyOffset: Int { placementsOffset + placementCount * 16 }

    @inlinable func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + offset, count: count)
    }

    @inlinable package var unsafeSender: UnsafeRawBufferPointer { slice(RecordView.headerBytes, senderBytes) }
    @inlinable package var unsafeDestination: UnsafeRawBufferPointer {
        slice(RecordView.headerBytes + senderBytes, destinationBytes)
    }
    /// The sender's own id, unescaped; empty for none.
    @inlinable package var unsafeCid: UnsafeRawBufferPointer {
        slice(RecordView.headerBytes + senderBytes + destinationBytes, cidBytes)
    }
    @inlinable package var unsafeBody: UnsafeRawBufferPointer { slice(bodyOffset, bodyBytes) }
    /// The id of the message that an edit or a recall is about.
    package var changedMessage: UInt64 {
        precondition(cidBytes == RecordView.changedMessageBytes)
        return unsafeCid.loadUnaligned(as: UInt64.self)
    }
    static let changedMessageBytes = 8

    /// All of the record, as it goes to disk.
    package var unsafeBytes: UnsafeRawBufferPointer { slice(0, size) }
    package var sender: Identifier { Identifier(trusted: RawSpan(_unsafeBytes: unsafeSender)) }
    package var destination: Identifier { Identifier(trusted: RawSpan(_unsafeBytes: unsafeDestination)) }

    /// Whether the recipients are named, and not just the sender and the destination.
    @inlinable package var namesRecipients: Bool { namesBytes > 0 }

    /// Calls `body` with each recipient in the order of the placements.
    package func forEachRecipient<Failure>(
        _ body: (Int, Identifier) throws(Failure) -> Void
    ) throws(Failure) {
        guard namesRecipients else {
            guard placementCount > 0 else { return }
            try body(0, sender)
            if placementCount > 1 { try body(1, destination) }
            return
        }
        var offset = namesOffset
        for index in 0..<placementCount {
            let count = Int(load(offset, as: UInt8.self))
            try body(index, Identifier(trusted: RawSpan(_unsafeBytes: slice(offset + 1, count))))
            offset += 1 + count
        }
    }

    /// The store's own number of a recipient and the place in its inbox.
    @inlinable package func placement(_ index: Int) -> (user: UInt64, seq: UInt64) {
        precondition(index < placementCount)
        let offset = placementsOffset + index * 16
        return (load(offset, as: UInt64.self), load(offset + 8, as: UInt64.self))
    }

    // MARK: Written by the store before it publishes the batch

    @inlinable package func setStatus(_ status: RecordStatus) {
        base.storeBytes(of: status.rawValue, toByteOffset: 5, as: UInt8.self)
    }

    @inlinable package func setNumbers(id: UInt64, cseq: UInt64, time: UInt64, senderSeq: UInt64) {
        base.storeBytes(of: id, toByteOffset: 8, as: UInt64.self)
        base.storeBytes(of: cseq, toByteOffset: 16, as: UInt64.self)
        base.storeBytes(of: time, toByteOffset: 24, as: UInt64.self)
        base.storeBytes(of: senderSeq, toByteOffset: 32, as: UInt64.self)
    }

    @inlinable package func setOwners(conversation: UInt64, sender: UInt64, destination: UInt64) {
        base.storeBytes(of: conversation, toByteOffset: 56, as: UInt64.self)
        base.storeBytes(of: sender, toByteOffset: 64, as: UInt64.self)
        base.storeBytes(of: destination, toByteOffset: 72, as: UInt64.self)
    }

    /// Notes that something is true of this record.
    @inlinable package func set(_ flag: Flag) {
        base.storeBytes(of: load(43, as: UInt8.self) | flag.rawValue, toByteOffset: 43, as: UInt8.self)
    }

    @inlinable package func setPlacement(_ index: Int, user: UInt64, seq: UInt64) {
        precondition(index < placementCount)
        let offset = placementsOffset + index * 16
        base.storeBytes(of: user, toByteOffset: offset, as: UInt64.self)
        base.storeBytes(of: seq, toByteOffset: offset + 8, as: UInt64.self)
    }

    // MARK: Checking

    /// Whether `bytes` begin with a record whose every length lies inside of it.
    static func isWhole(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count >= headerBytes, let start = bytes.baseAddress else { return false }
        let record = RecordView(base: UnsafeMutableRawPointer(mutating: start))
        guard record.kind != nil, record.size % 8 == 0, record.size >= headerBytes, record.size <= bytes.count,
            record.bodyOffset + record.bodyBytes <= record.size
        else { return false }
        guard (1...64).contains(record.senderBytes), (1...64).contains(record.destinationBytes),
            record.cidBytes <= Limits.cidBytesMax
        else { return false }
        if record.kind?.isChange == true, record.cidBytes != changedMessageBytes { return false }
        guard record.namesRecipients else { return record.placementCount <= 2 }
        return record.namesFillTheirPart
    }

    private var namesFillTheirPart: Bool {
        let end = namesOffset + namesBytes
        var offset = namesOffset
        for _ in 0..<placementCount {
            guard offset < end else { return false }
            let count = Int(load(offset, as: UInt8.self))
            guard (1...64).contains(count), offset + 1 + count <= end else { return false }
            offset += 1 + count
        }
        return offset == end
    }
}
