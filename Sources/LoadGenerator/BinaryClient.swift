internal import Base
internal import Reactor
internal import Wire

/// A client that speaks the binary protocol over TCP.
final class BinaryClient: LoadClient {
    private var decoder = BinaryFrameDecoder(lengthMax: Limits.frameBytesMax)

    private lazy var name = Array(owner.plan.target.user(index).utf8)

    override func writeOpening(to channel: Channel) throws {
        let target = owner.plan.target
        let user = target.user(index)
        var authentication = BinaryAuthentication.none
        var credential: [UInt8] = []
        if case .secret(let secret) = target.credential {
            authentication = .token
            credential = Array(try WebToken.make(user, secret: secret).utf8)
        }
        let features = owner.plan.isCompressed ? BinaryFeatures.readsLZ4 : 0
        BinaryHello(authentication: authentication, features: features, after: role?.resumeAfter).append(
            user: Identifier(user), device: role?.device.flatMap { Identifier($0) },
            credential: credential.span.bytes, to: &channel.buffer)
    }

    /// What was left of a frame belongs to the connection that ended.
    override func reset() { decoder = BinaryFrameDecoder(lengthMax: Limits.frameBytesMax) }

    override func write(_ message: OutgoingMessage, to channel: Channel) {
        guard let destination = Identifier(message.destination) else { return }
        var body = OutputBuffer()
        body.append(utf8: message.content)
        if owner.plan.isCompressed {
            var compressed = OutputBuffer()
            LZ4Body.compress(RawSpan(_unsafeBytes: body.unsafeBytes), to: &compressed)
            swap(&body, &compressed)
        }
        let flags = BinaryFlags(.text, isCompressed: owner.plan.isCompressed)
        BinarySend(cid: message.cid, kind: message.kind, destination: destination).append(
            flags: flags, bodyByteCount: body.count, to: &channel.buffer)
        channel.buffer.append(body.unsafeBytes)
    }

    override func write(command json: String, to channel: Channel) {
        BinaryHeader(.command, length: json.utf8.count).append(to: &channel.buffer)
        channel.buffer.append(utf8: json)
    }

    override func writeHeartbeat(_ stamp: UInt64?, to channel: Channel) {
        let text = stamp.map { Stamp.text($0) } ?? ""
        BinaryHeader(.ping, length: text.utf8.count).append(to: &channel.buffer)
        channel.buffer.append(utf8: text)
    }

    override func writeMessage(_ stamp: UInt64, to channel: Channel) {
        guard let message = template?.stamped(stamp) else { return }
        channel.buffer.append(message)
    }

    override func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        let now = Stamp.now
        let bytes = UnsafeRawBufferPointer(bytes)
        var offset = 0
        while state == .opening || state == .ready {
            switch decoder.next(RawSpan(_unsafeBytes: bytes), &offset) {
            case .needMore: return
            case .frame(let header, let range):
                receive(header, UnsafeRawBufferPointer(rebasing: bytes[range]), now)
            case .assembled(let header):
                decoder.withAssembled { payload in payload.withUnsafeBytes { receive(header, $0, now) } }
            case .failure(let failure): return fail("frame refused: \(failure)")
            }
        }
    }

    private func receive(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        guard let role else { return handle(header, payload, now) }
        switch BinaryFrameType(rawValue: header.type) {
        case .ping: pong(payload)
        case .event: role.take(json: payload, now)
        default: role.take(header, payload, now)
        }
    }

    override func handle(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        switch BinaryFrameType(rawValue: header.type) {
        case .ack where payload.count >= 8:
            let cid = payload.loadUnaligned(fromByteOffset: 0, as: UInt64.self).littleEndian
            owner.acked(self, cid, isAccepted: false, now)
        case .deliver: deliver(payload, now)
        case .event: handle(json: payload, now)
        case .fetched where payload.count >= 9 && payload[8] == 1:
            fetch(after: payload.loadUnaligned(fromByteOffset: 0, as: UInt64.self).littleEndian)
        case .fetched: break
        case .welcome: becameReady()
        case .error: refuse(header, payload)
        case .ping: pong(payload)
        case .pong: owner.meter.acked += 1
        default: owner.meter.other += 1
        }
    }

    override func handle(json: UnsafeRawBufferPointer, _ now: UInt64) {
        switch ServerFrame(json) {
        case .typing(let stamp), .publication(let stamp): owner.delivered(self, stamp, now)
        case .done(let stamp): owner.acked(self, stamp, isAccepted: false, now)
        case .subscribed: owner.subscribed(self)
        case .publicationsLost: owner.meter.behind += 1
        case .error: owner.refused(self)
        case .behind(let seq):
            owner.meter.behind += 1
            fetch(after: seq)
        default: owner.meter.other += 1
        }
    }

    /// The stamp lies as deep in the body as in the body that was sent: the router doesn't touch it.
    private func deliver(_ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        let senderLength = BinaryClient.fixedDeliveryBytes
        guard payload.count > senderLength else { return fail("DELIVER is cut off") }
        let destinationLength = senderLength + 1 + Int(payload[senderLength])
        guard payload.count > destinationLength else { return fail("DELIVER is cut off") }
        // A page that is fetched holds what this user sent, too.
        if payload[(senderLength + 1)..<destinationLength].elementsEqual(name) { return }
        let body = destinationLength + 1 + Int(payload[destinationLength])
        owner.delivered(self, owner.stampDepth.flatMap { Stamp.read(payload, at: body + $0) }, now)
    }

    override func writeFetch(after seq: UInt64, to channel: Channel) {
        BinaryFetch(after: seq, limit: UInt32(LoadClient.fetchLimit)).append(to: &channel.buffer)
    }

    private func refuse(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer) {
        guard state == .opening else { return owner.refused(self) }
        let reply = try? BinaryReply(header, payload: RawSpan(_unsafeBytes: payload))
        if case .error(let error, _) = reply { return fail("sign-in: \(error.code.rawValue)") }
        fail("sign-in: malformed error")
    }

    private func pong(_ payload: UnsafeRawBufferPointer) {
        guard let channel else { return }
        owner.meter.pings += 1
        channel.prepareToWrite()
        BinaryHeader(.pong, length: payload.count).append(to: &channel.buffer)
        channel.buffer.append(payload)
    }

    /// `seq`, `id`, `cseq`, `time` and `cmd` of a DELIVER, in front of the sender.
    private static let fixedDeliveryBytes = 33
}
