internal import Base
internal import Reactor

/// A client of the floor's forwarder: messages of a fixed size without any framing.
final class FloorClient: LoadClient {
    /// A message that was split over two reads, as far as it came.
    private var partial: [UInt8] = []
    private var isGreeted = false

    override func writeOpening(to channel: Channel) throws {
        channel.buffer.append(littleEndian: UInt32(index))
        channel.buffer.append(littleEndian: UInt32(owner.plan.peer(of: index)))
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
            owner.delivered(self, stamp, now)
        }
        while rest.count >= size {
            owner.delivered(self, Stamp.read(UnsafeRawBufferPointer(rebasing: rest), at: 0), now)
            rest = rest.dropFirst(size)
        }
        partial.append(contentsOf: rest)
    }
}
