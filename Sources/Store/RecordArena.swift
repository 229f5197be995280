/// One contiguous piece of memory that holds records back to back, each 8-byte aligned.
///
/// This memory is written once and then shared: a loop lays its messages into it, the journal fills in the numbers
/// and hands the same bytes to SQLite, and after the commit every recipient's loop reads them to build frames.
///
/// *Ownership:* exactly one thread may write at a time: the loop until it submits, then the journal until it
/// publishes the batch. From then on the arena is immutable and any thread may read it.
package final class RecordArena: @unchecked Sendable {
    /// One record's place, and who wants to hear what became of it.
    package struct Entry: Sendable {
        package var offset: UInt32
        /// Index into ``replies``, or `Entry.noReply`.
        package var reply: UInt32
        package static let noReply = UInt32.max
    }

    package private(set) var entries: [Entry] = []
    package private(set) var replies: [ReplyAddress] = []
    /// Who is pushed the messages that have no place in their inboxes, by record.
    private var audiences: [UInt32: Group] = [:]
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    /// Bytes in use.
    package private(set) var byteCount = 0
    /// When what is in it came in, in nanoseconds of the caller's clock; 0 if that isn't known. Set before it is
    /// submitted.
    package var takenAt: UInt64 = 0

    package init(capacity: Int = 4096) {
        self.capacity = max(capacity, 256)
        base = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    package var isEmpty: Bool { entries.isEmpty }

    /// All records, as they go to disk. Valid while the arena lives and isn't appended to.
    package var unsafeBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

    /// The record at an entry's offset. Valid while the arena lives and isn't appended to.
    package func record(at offset: UInt32) -> RecordView { RecordView(base: base + Int(offset)) }

    /// The members as they were when the message was admitted; nil if it has a place in every recipient's inbox.
    package func audience(at offset: UInt32) -> Group? { audiences.isEmpty ? nil : audiences[offset] }

    func setAudience(_ group: Group, at offset: UInt32) { audiences[offset] = group }

    /// Appends a record of `size` bytes (rounded up to 8) with its header zeroed; returns its offset. Whoever builds it
    /// must write all the rest, since all of it goes to disk.
    func appendRecord(size: Int, reply: ReplyAddress?) -> UInt32 {
        let size = (size + 7) & ~7
        let offset = byteCount
        if offset + size > capacity { grow(to: offset + size) }
        (base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: RecordView.headerBytes)
        (base + offset).storeBytes(of: UInt32(size), as: UInt32.self)
        byteCount += size
        var entry = Entry(offset: UInt32(offset), reply: Entry.noReply)
        if let reply {
            entry.reply = UInt32(replies.count)
            replies.append(reply)
        }
        entries.append(entry)
        return entry.offset
    }

    /// The writable memory of the record at `offset`; for the builders of this module.
    func mutableBase(at offset: UInt32) -> UnsafeMutableRawPointer { base + Int(offset) }

    private func grow(to needed: Int) {
        let newCapacity = max(needed, capacity * 2)
        let newBase = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
        newBase.copyMemory(from: base, byteCount: byteCount)
        base.deallocate()
        base = newBase
        capacity = newCapacity
    }

    /// Copies records read back from disk, checking every length before believing it.
    ///
    /// - Returns: nil if the bytes are not a sequence of whole records.
    package convenience init?(recovering bytes: UnsafeRawBufferPointer) {
        self.init(capacity: bytes.count)
        guard let source = bytes.baseAddress else { return }
        base.copyMemory(from: source, byteCount: bytes.count)
        byteCount = bytes.count
        var offset = 0
        while offset < bytes.count {
            guard RecordView.isWhole(UnsafeRawBufferPointer(rebasing: bytes[offset...])) else { return nil }
            entries.append(Entry(offset: UInt32(offset), reply: Entry.noReply))
            offset += record(at: UInt32(offset)).size
        }
    }
}

/// Where the answer to a record goes. The store carries it along and reads nothing but `mailbox`.
package struct ReplyAddress: Sendable {
    package var mailbox: MailboxIndex
    /// Whose frame it was, and in which form the answer is wanted; the caller's own meaning.
    package var token: UInt64
    package var form: UInt8
    /// What the client wants repeated (the `ref` token); empty for none.
    package var reference: [UInt8]

    package init(mailbox: MailboxIndex, token: UInt64, form: UInt8, reference: [UInt8] = []) {
        self.mailbox = mailbox
        self.token = token
        self.form = form
        self.reference = reference
    }
}

/// Index of a mailbox given to the store when it was opened: one per event loop.
package struct MailboxIndex: Hashable, Sendable {
    package var rawValue: UInt16
    package init(_ rawValue: Int) { self.rawValue = UInt16(rawValue) }
}
