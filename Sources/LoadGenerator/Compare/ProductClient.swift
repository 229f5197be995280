internal import Base
internal import Reactor

/// A client of another product. Subclasses cut what comes in into messages.
class ProductClient: LoadClient {
    let isStored: Bool
    private var partial: [UInt8] = []
    /// When the messages were sent whose answers are still to come; servers answer in order.
    private var unanswered: [UInt64] = []
    private var answered = 0

    init(index: Int, owner: LoadLoop, isStored: Bool) {
        self.isStored = isStored
        super.init(index: index, owner: owner)
    }

    var peer: Int { owner.plan.peer(of: index) }

    final override func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        partial.append(contentsOf: bytes)
        let now = Stamp.now
        var used = 0
        partial.withUnsafeBytes { bytes in
            while state == .opening || state == .ready {
                let count = take(UnsafeRawBufferPointer(rebasing: bytes[used...]), now)
                if count == 0 { break }
                used += count
            }
        }
        partial.removeFirst(min(used, partial.count))
    }

    /// Handles the first message in `bytes` and returns its length; 0 if it isn't whole yet.
    func take(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) -> Int { 0 }

    final override func writeMessage(_ stamp: UInt64, to channel: Channel) {
        guard let payload = template?.stamped(stamp) else { return }
        if isStored { unanswered.append(stamp) }
        write(payload, to: channel)
    }

    func write(_ payload: UnsafeRawBufferPointer, to channel: Channel) {}

    /// The server answered for the oldest message that it hadn't answered for.
    final func takeAnswer(_ now: UInt64) {
        guard answered < unanswered.count else { return fail("an answer to nothing") }
        let stamp = unanswered[answered]
        answered += 1
        if answered > 1_000 {
            unanswered.removeFirst(answered)
            answered = 0
        }
        owner.acked(self, stamp, isAccepted: false, now)
    }

    final func takePayload(_ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        owner.delivered(self, Stamp.read(payload, at: 0), now)
    }

    /// Writes outside of the load.
    final func write(_ text: String) {
        guard let channel else { return }
        channel.prepareToWrite()
        channel.buffer.append(utf8: text)
    }
}

/// The length of the line at the start of `bytes` without its end of two bytes; nil if it isn't whole.
func lineLength(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let end = bytes.firstIndex(of: 13), end + 1 < bytes.count else { return nil }
    return end
}

extension UnsafeRawBufferPointer {
    /// The text of the first `count` bytes.
    func text(_ count: Int) -> String { String(decoding: prefix(count), as: UTF8.self) }
}
