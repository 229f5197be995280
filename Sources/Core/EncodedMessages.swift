internal import Base
internal import Store

/// The JSON of one commit's messages, each up to its `seq`: encoded once, whoever gets it and in whatever order.
struct EncodedMessages: ~Copyable {
    private var bytes = OutputBuffer()
    private var places: [UInt32: Range<Int>] = [:]
    private var last: (record: UInt32, place: Range<Int>)?

    /// Beyond this what was encoded first is forgotten, and encoded again if somebody still wants it.
    private static let bytesMax = 1 << 20

    /// Forgets everything; to be called before records of another arena are asked for.
    mutating func removeAll() {
        guard last != nil else { return }
        last = nil
        places.removeAll(keepingCapacity: true)
        bytes.removeAll()
    }

    /// Encodes the record at `offset` of its arena unless that was done; returns where in ``unsafeBytes`` it lies.
    mutating func place(of record: RecordView, at offset: UInt32, inflated: inout OutputBuffer) -> Range<Int> {
        if let last, last.record == offset { return last.place }
        let place = places[offset] ?? encode(record, at: offset, inflated: &inflated)
        last = (offset, place)
        return place
    }

    private mutating func encode(
        _ record: RecordView, at offset: UInt32, inflated: inout OutputBuffer
    ) -> Range<Int> {
        if bytes.count > EncodedMessages.bytesMax { removeAll() }
        let start = bytes.count
        bytes.appendMessage(record, inflated: &inflated)
        let place = start..<bytes.count
        places[offset] = place
        return place
    }

    /// What was encoded; valid until the next change.
    var unsafeBytes: UnsafeRawBufferPointer { bytes.unsafeBytes }
}
