internal import Base
internal import Reactor

/// Speaks RESP 3: PUBLISH and SUBSCRIBE on one connection, or XADD on one and a waiting XREAD on another.
final class RedisClient: ProductClient {
    private var reader: RedisReader?
    private lazy var command: String = {
        let size = owner.plan.floorMessageBytes
        let key = "chat:\(peer)"
        return isStored
            ? "*5\r\n$4\r\nXADD\r\n$\(key.utf8.count)\r\n\(key)\r\n$1\r\n*\r\n$1\r\nm\r\n$\(size)\r\n"
            : "*3\r\n$7\r\nPUBLISH\r\n$\(key.utf8.count)\r\n\(key)\r\n$\(size)\r\n"
    }()

    override func writeOpening(to channel: Channel) throws {
        channel.buffer.append("HELLO 3\r\n")
    }

    override func write(_ payload: UnsafeRawBufferPointer, to channel: Channel) {
        channel.buffer.append(utf8: command)
        channel.buffer.append(payload)
        channel.buffer.append("\r\n")
    }

    override func take(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) -> Int {
        guard let (value, count) = RESPValue.read(bytes) else { return 0 }
        switch value {
        case .failure(let message): fail("Redis: \(message)")
        case .push(let parts): takePush(parts, bytes, now)
        case .map where state == .opening: finishOpening()
        // PUBLISH tells how many it reached; the arrival is what is waited for.
        default: if isStored { takeAnswer(now) }
        }
        return count
    }

    private func takePush(_ parts: [RESPValue], _ bytes: UnsafeRawBufferPointer, _ now: UInt64) {
        guard case .bytes(let kind)? = parts.first, case .bytes(let payload)? = parts.last else { return becameReady() }
        if bytes[kind].elementsEqual("message".utf8) {
            takePayload(UnsafeRawBufferPointer(rebasing: bytes[payload]), now)
        }
    }

    private func finishOpening() {
        guard isStored else { return write("SUBSCRIBE chat:\(index)\r\n") }
        let reader = RedisReader(self)
        self.reader = reader
        do { try reader.connect() } catch { fail("connect: \(error)") }
    }

    fileprivate func readerConnected() { becameReady() }

    fileprivate func readerLost() { if state != .ended { fail("Redis: the reading connection ended") } }
}

/// The second connection of a client, on which it waits for what its stream gets.
private final class RedisReader: ChannelDelegate {
    private unowned let client: RedisClient
    private var channel: Channel?
    private var partial: [UInt8] = []
    private var last = "0"

    init(_ client: RedisClient) { self.client = client }

    func connect() throws {
        channel = try client.owner.loop.connect(to: client.owner.plan.target.address, delegate: self)
    }

    private func read() {
        guard let channel else { return }
        channel.prepareToWrite()
        channel.buffer.append(utf8: "XREAD BLOCK 0 COUNT 1000 STREAMS chat:\(client.index) \(last)\r\n")
    }

    func channelConnected(_ channel: Channel) {
        read()
        client.readerConnected()
    }

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        partial.append(contentsOf: bytes)
        client.owner.meter.bytesIn += bytes.count
        let now = Stamp.now
        let used = partial.withUnsafeBytes { bytes in
            guard let (value, count) = RESPValue.read(bytes) else { return 0 }
            take(value, bytes, now)
            return count
        }
        guard used > 0 else { return }
        partial.removeFirst(used)
        read()
    }

    /// `[[stream, [[id, [field, value]], …]]]`
    private func take(_ value: RESPValue, _ bytes: UnsafeRawBufferPointer, _ now: UInt64) {
        guard case .array(let streams) = value, case .array(let stream)? = streams.first,
            case .array(let entries)? = stream.last
        else { return client.fail("Redis: XREAD was answered otherwise") }
        for case .array(let entry) in entries {
            guard case .bytes(let id)? = entry.first, case .array(let fields)? = entry.last,
                case .bytes(let payload)? = fields.last
            else { continue }
            last = String(decoding: bytes[id], as: UTF8.self)
            client.takePayload(UnsafeRawBufferPointer(rebasing: bytes[payload]), now)
        }
    }

    func channelTimer(_ channel: Channel) -> UInt64? { nil }

    func channelClosed(_ channel: Channel) { client.readerLost() }
}
