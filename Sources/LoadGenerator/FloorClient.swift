internal import Base
internal import Reactor

/// A client of the floor's forwarder: messages of a fixed size without any framing.
final class FloorClient: LoadClient {
    /// A message that was split over two reads, as far as it came.
    private var partial: [UInt8] = []
    private var isGreeted = false

    override func writeOpening(to channel: Channel) throws {
        channel.buffer.append(littleEndian: UInt32(index))
        let isEveryone = owner.plan.floorWork == .fanout && index == 0
        channel.buffer.append(littleEndian: isEveryone ? UInt32.max : UInt32(owner.plan.peer(of: index)))
    }

    override func writeMessage(_ stamp: UInt64, to channel: Channel) {
        guard let message = template?.stamped(stamp) else { return }
        channel.buffer.append(message)
    }

    override func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        let now = Stamp.now
        var rest = UnsafeRawBufferPointer(bytes)[...]
        if !isGreeted {
            isGreeted = true
            rest = rest.dropFirst()
            becameReady()
        }
        let size = owner.plan.floorMessageBytes
        if !partial.isEmpty {
            let missing = rest.prefix(size - partial.count)
            partial.append(contentsOf: missing)
            rest = rest.dropFirst(missing.count)
            guard partial.count == size else { return }
            let stamp = partial.withUnsafeBytes { Stamp.read($0, at: 0) }
            partial.removeAll(keepingCapacity: true)
            take(stamp, now)
        }
        while rest.count >= size {
            take(Stamp.read(UnsafeRawBufferPointer(rebasing: rest), at: 0), now)
            rest = rest.dropFirst(size)
        }
        partial.append(contentsOf: rest)
    }

    /// In a fan-out the sender's own copy stands for the ack.
    private func take(_ stamp: UInt64?, _ now: UInt64) {
        if owner.plan.floorWork == .fanout, index == 0 {
            owner.acked(self, stamp, isAccepted: false, now)
        } else {
            owner.delivered(self, stamp, now)
        }
    }
}
