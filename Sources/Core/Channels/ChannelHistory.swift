internal import Store

/// The last publications of a channel, by offset and without a gap.
struct ChannelHistory {
    /// Those before `start` are gone.
    private var publications: [Publication] = []
    private var start = 0
    private(set) var byteCount = 0

    /// What a publication takes beside its text.
    static let overheadBytes = 64

    var count: Int { publications.count - start }
    var isEmpty: Bool { count == 0 }
    /// Offset of the oldest one; nil if there is none.
    var firstOffset: UInt64? { isEmpty ? nil : publications[start].offset }

    mutating func append(_ publication: Publication) {
        publications.append(publication)
        byteCount += publication.event.count + ChannelHistory.overheadBytes
    }

    /// Forgets what is beyond the limits.
    mutating func trim(_ limits: ChannelLimits, now: UInt64) {
        while count > limits.historyCountMax || byteCount > limits.historyBytesMax { removeFirst() }
        while !isEmpty, publications[start].time + limits.historyMilliseconds < now { removeFirst() }
    }

    mutating func removeAll() { self = ChannelHistory() }

    private mutating func removeFirst() {
        byteCount -= publications[start].event.count + ChannelHistory.overheadBytes
        publications[start].event = []
        start += 1
        if isEmpty {
            self = ChannelHistory()
        } else if start > 32, start > count {
            publications.removeFirst(start)
            start = 0
        }
    }

    /// What follows `after`, as far as a page holds, but at least one publication.
    func page(after: UInt64, offset: UInt64, bytesMax: Int) -> ChannelPage {
        guard let firstOffset, after < offset else {
            return ChannelPage(after: after, hasGap: after < offset, publications: [], through: offset, isLast: true)
        }
        let hasGap = after + 1 < firstOffset
        let first = hasGap ? start : start + Int(after + 1 - firstOffset)
        var end = first
        var bytes = 0
        while end < publications.count, end == first || bytes + publications[end].event.count <= bytesMax {
            bytes += publications[end].event.count
            end += 1
        }
        return ChannelPage(
            after: after, hasGap: hasGap, publications: Array(publications[first..<end]),
            through: publications[end - 1].offset, isLast: end == publications.count)
    }
}
