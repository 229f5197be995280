package import Base
internal import Reactor

/// Speaks MQTT 3.1.1: publishes to the peer's topic with QoS 0 or 1, subscribes to its own with the same; with QoS 1 in
/// a session that the broker keeps.
final class MQTTClient: ProductClient {
    private var lastPacket: UInt16 = 0
    private lazy var topic = Array("chat/\(peer)".utf8)

    override func writeOpening(to channel: Channel) throws {
        let name = Array("client-\(index)".utf8)
        var packet: [UInt8] = [0, 4] + Array("MQTT".utf8)
        // Level 4; clean session with QoS 0; keep alive off.
        packet += [4, isStored ? 0 : 2, 0, 0, 0, UInt8(name.count)] + name
        channel.buffer.append(0x10)
        channel.buffer.appendMQTTLength(packet.count)
        packet.withUnsafeBytes { channel.buffer.append($0) }
    }

    private func subscribe() {
        guard let channel else { return }
        let own = Array("chat/\(index)".utf8)
        let packet: [UInt8] = [0, 1, 0, UInt8(own.count)] + own + [isStored ? 1 : 0]
        channel.prepareToWrite()
        channel.buffer.append(0x82)
        channel.buffer.appendMQTTLength(packet.count)
        packet.withUnsafeBytes { channel.buffer.append($0) }
    }

    override func write(_ payload: UnsafeRawBufferPointer, to channel: Channel) {
        channel.buffer.append(isStored ? 0x32 : 0x30)
        channel.buffer.appendMQTTLength(2 + topic.count + (isStored ? 2 : 0) + payload.count)
        channel.buffer.append(bigEndian: UInt16(topic.count))
        topic.withUnsafeBytes { channel.buffer.append($0) }
        if isStored {
            lastPacket = lastPacket == .max ? 1 : lastPacket + 1
            channel.buffer.append(bigEndian: lastPacket)
        }
        channel.buffer.append(payload)
    }

    override func take(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) -> Int {
        guard let (length, start) = MQTTLength.read(bytes), bytes.count >= start + length else { return 0 }
        let body = UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
        switch bytes[0] >> 4 {
        case 2 where length == 2 && body[1] == 0: subscribe()
        case 3: takePublication(body, quality: bytes[0] >> 1 & 3, now)
        case 4: takeAnswer(now)
        case 9: becameReady()
        default: fail("MQTT: packet \(bytes[0] >> 4)")
        }
        return start + length
    }

    private func takePublication(_ body: UnsafeRawBufferPointer, quality: UInt8, _ now: UInt64) {
        guard body.count >= 2 else { return fail("MQTT: PUBLISH is cut off") }
        var offset = 2 + Int(body[0]) << 8 + Int(body[1])
        if quality > 0 {
            guard body.count >= offset + 2, let channel else { return fail("MQTT: PUBLISH is cut off") }
            channel.prepareToWrite()
            channel.buffer.append(0x40)
            channel.buffer.append(2)
            channel.buffer.append(body[offset])
            channel.buffer.append(body[offset + 1])
            offset += 2
        }
        guard offset <= body.count else { return fail("MQTT: PUBLISH is cut off") }
        takePayload(UnsafeRawBufferPointer(rebasing: body[offset...]), now)
    }
}

/// The length of an MQTT packet: seven bits a byte, the lowest first.
package enum MQTTLength {
    /// The remaining length of the packet in `bytes`, and where its body begins; nil if it isn't whole.
    package static func read(_ bytes: UnsafeRawBufferPointer) -> (length: Int, start: Int)? {
        var length = 0
        for place in 0..<4 {
            guard place + 1 < bytes.count else { return nil }
            length |= Int(bytes[place + 1] & 0x7F) << (7 * place)
            if bytes[place + 1] & 0x80 == 0 { return (length, place + 2) }
        }
        return nil
    }
}

extension OutputBuffer {
    package mutating func appendMQTTLength(_ length: Int) {
        var rest = length
        repeat {
            append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
    }
}
