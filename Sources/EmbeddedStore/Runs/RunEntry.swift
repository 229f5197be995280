/// The indexes that are kept as runs. The raw value is what the database has.
package enum RunFamily: Int, CaseIterable {
    /// (conversation, `cseq`) to the message's id and a mark of its sender: ``HistoryValue``.
    case history = 1
    /// (user, `seq`) to the message's id.
    case inbox = 2
    /// (sender, id) to the hash of the `cid`.
    case sent = 3
    /// (user, id of the last message there) to the conversation; the last entry of a conversation is what counts.
    case activity = 4
}

/// What an index is sorted by.
struct RunKey: Comparable {
    var owner: UInt64
    var position: UInt64

    /// Before every entry: owners and positions count from 1.
    static let start = RunKey(owner: 0, position: 0)

    @inline(__always)
    static func < (left: RunKey, right: RunKey) -> Bool {
        left.owner != right.owner ? left.owner < right.owner : left.position < right.position
    }
}

/// One entry of an index, as it lies in a block: 24 bytes.
struct RunEntry: Equatable {
    var owner: UInt64
    var position: UInt64
    var value: UInt64

    @inline(__always)
    var key: RunKey { RunKey(owner: owner, position: position) }
}

/// Up to 168 sorted entries: a row that fills one page of 4 KiB and never spills over.
///
/// Its bytes are the number of entries as u64, and the entries; the rest is zero, so that every block has the same
/// size and can be written over in place. *Thread:* one at a time.
final class RunBlock {
    static let entriesMax = 168
    static let byteCount = 8 + entriesMax * MemoryLayout<RunEntry>.stride

    private let memory: UnsafeMutableRawPointer
    private(set) var count = 0

    init() {
        memory = .allocate(byteCount: RunBlock.byteCount, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: RunBlock.byteCount)
    }

    deinit { memory.deallocate() }

    /// Valid while the block lives and isn't changed.
    @inline(__always)
    var entries: UnsafeBufferPointer<RunEntry> {
        UnsafeBufferPointer(start: (memory + 8).assumingMemoryBound(to: RunEntry.self), count: count)
    }

    /// What goes to disk. Valid while the block lives and isn't changed.
    func unsafeBytes() -> UnsafeRawBufferPointer {
        memory.storeBytes(of: UInt64(count), as: UInt64.self)
        let used = 8 + count * MemoryLayout<RunEntry>.stride
        (memory + used).initializeMemory(as: UInt8.self, repeating: 0, count: RunBlock.byteCount - used)
        return UnsafeRawBufferPointer(start: memory, count: RunBlock.byteCount)
    }

    /// Takes over what was read from disk; false if that is no block.
    func fill(from bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count == RunBlock.byteCount, let start = bytes.baseAddress else { return false }
        let stored = bytes.loadUnaligned(as: UInt64.self)
        guard (1...UInt64(RunBlock.entriesMax)).contains(stored) else { return false }
        memory.copyMemory(from: start, byteCount: RunBlock.byteCount)
        count = Int(stored)
        return true
    }

    func removeAll() { count = 0 }

    /// Takes as many entries as fit into `limit`; returns how many.
    @inline(__always)
    func append(_ added: UnsafeBufferPointer<RunEntry>, limit: Int) -> Int {
        let taken = min(added.count, limit - count)
        guard taken > 0, let start = added.baseAddress else { return 0 }
        let end = memory + 8 + count * MemoryLayout<RunEntry>.stride
        end.copyMemory(from: start, byteCount: taken * MemoryLayout<RunEntry>.stride)
        count += taken
        return taken
    }

    /// The place of the first entry after `key`.
    func firstIndex(after key: RunKey) -> Int {
        let entries = entries
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if key < entries[middle].key { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
