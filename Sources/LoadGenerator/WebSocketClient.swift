internal import Base
internal import Reactor
internal import Wire

/// A client that speaks JSON in WebSocket text frames.
final class WebSocketClient: LoadClient {
    private var decoder = WebSocketDecoder(role: .client)
    private var key = ""
    /// The answer to the upgrade as far as it came; nil once it was checked.
    private var head: [UInt8]? = []
    private var maskState = UInt64.random(in: .min ... .max)

    override func writeOpening(to channel: Channel) throws {
        let target = owner.plan.target
        let user = target.user(index)
        var path = "/chat?id=\(user)"
        if case .secret(let secret) = target.credential {
            path += "&token=" + (try WebToken.make(user, secret: secret))
        }
        if let device = role?.device { path += "&device=\(device)" }
        if let resumeAfter = role?.resumeAfter { path += "&after=\(resumeAfter)" }
        key = WebSocketHandshake.key(random: (.random(in: .min ... .max), .random(in: .min ... .max)))
        WebSocketHandshake.writeRequest(
            to: &channel.buffer, host: target.web.description, target: path, key: key)
    }

    override var address: SocketAddress { owner.plan.target.web }

    override func reset() {
        decoder = WebSocketDecoder(role: .client)
        head = []
    }

    override func write(command json: String, to channel: Channel) {
        var json = json
        json.withUTF8 {
            channel.buffer.appendMaskedFrame(.text, RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0)), key: nextKey())
        }
    }

    override func write(_ message: OutgoingMessage, to channel: Channel) {
        var frame = OutputBuffer()
        frame.append(utf8: #"{"cmd":\#(message.kind.rawValue),"dstid":"\#(message.destination)","#)
        frame.append(utf8: #""cid":"\#(message.cidText)","content":"#)
        frame.appendJSONString(message.content)
        frame.append("}")
        channel.buffer.appendMaskedFrame(.text, RawSpan(_unsafeBytes: frame.unsafeBytes), key: nextKey())
    }

    override func writeHeartbeat(_ stamp: UInt64?, to channel: Channel) {
        let reference = stamp.map { #","ref":"\#(Stamp.text($0))""# } ?? ""
        write(command: #"{"cmd":0\#(reference)}"#, to: channel)
    }

    override func writeMessage(_ stamp: UInt64, to channel: Channel) {
        guard let message = template?.stamped(stamp) else { return }
        channel.buffer.appendMaskedFrame(.text, RawSpan(_unsafeBytes: message), key: nextKey())
    }

    override func receive(_ bytes: UnsafeMutableRawBufferPointer) {
        guard head != nil else { return decode(bytes) }
        head?.append(contentsOf: bytes)
        guard var head else { return }
        do {
            guard let length = try WebSocketHandshake.checkResponse(head.span.bytes, key: key) else { return }
            self.head = nil
            head.withUnsafeMutableBytes { decode(UnsafeMutableRawBufferPointer(rebasing: $0[length...])) }
        } catch {
            fail("upgrade: \(error.status.rawValue) \(error.reason)")
        }
    }

    private func receive(_ json: UnsafeRawBufferPointer, _ now: UInt64) {
        if let role { role.take(json: json, now) } else { handle(json: json, now) }
    }

    private func decode(_ bytes: UnsafeMutableRawBufferPointer) {
        let now = Stamp.now
        var span = bytes.mutableBytes
        var offset = 0
        while state == .opening || state == .ready {
            switch decoder.next(&span, &offset) {
            case .needMore: return
            case .message(.text, let range):
                receive(UnsafeRawBufferPointer(rebasing: bytes[range]), now)
            case .assembled(.text):
                decoder.withAssembled { assembled in assembled.withUnsafeBytes { receive($0, now) } }
            case .message(.binary, _), .assembled(.binary), .pong: owner.meter.other += 1
            case .ping(let payload): decoder.withControl(payload, in: span.bytes) { pong($0) }
            case .close(let code, _): return fail("closed by the server with \(code ?? 1005)")
            case .failure(let failure): return fail("\(failure.reason)")
            }
        }
    }

    override func handle(json: UnsafeRawBufferPointer, _ now: UInt64) {
        switch ServerFrame(json) {
        case .ack(let stamp, let isAccepted): owner.acked(self, stamp, isAccepted: isAccepted, now)
        case .message(let stamp), .typing(let stamp): owner.delivered(self, stamp, now)
        case .welcome: becameReady()
        case .error: owner.refused(self)
        case .behind(let seq):
            owner.meter.behind += 1
            fetch(after: seq)
        case .fetched: takePage(json, now)
        case .done(let stamp): owner.acked(self, stamp, isAccepted: false, now)
        case .subscribed: owner.subscribed(self)
        case .publication(let stamp): owner.delivered(self, stamp, now)
        case .publicationsLost: owner.meter.behind += 1
        case .heartbeat: owner.meter.acked += 1
        case .other: owner.meter.other += 1
        }
    }

    override func writeFetch(after seq: UInt64, to channel: Channel) {
        let frame = Array(#"{"cmd":"fetch","after":\#(seq),"limit":\#(LoadClient.fetchLimit)}"#.utf8)
        channel.buffer.appendMaskedFrame(.text, frame.span.bytes, key: nextKey())
    }

    /// Counts the entries of a page and asks for the next. A cold path: text is good enough.
    private func takePage(_ json: UnsafeRawBufferPointer, _ now: UInt64) {
        let text = String(decoding: json, as: UTF8.self)
        let own = #""userid":"\#(owner.plan.target.user(index))""#
        for entry in text.split(separator: #"{"cmd":"#).dropFirst() where !entry.contains(own) {
            let cid = entry.firstRange(of: #""cid":""#).map { entry[$0.upperBound...].prefix(Stamp.textBytes) }
            owner.delivered(self, cid.flatMap { UInt64($0, radix: 16) }, now)
        }
        guard text.hasSuffix(#""more":true}"#), let last = text.ranges(of: #""seq":"#).last,
            let seq = UInt64(text[last.upperBound...].prefix { $0.isNumber })
        else { return }
        fetch(after: seq)
    }

    private func pong(_ payload: RawSpan) {
        guard let channel else { return }
        owner.meter.pings += 1
        channel.prepareToWrite()
        channel.buffer.appendMaskedFrame(.pong, payload, key: nextKey())
    }

    /// A masking key of its own for each frame, from a generator that costs a few instructions (SplitMix64).
    @inline(__always)
    private func nextKey() -> UInt32 {
        maskState &+= 0x9E37_79B9_7F4A_7C15
        return UInt32(truncatingIfNeeded: foldedMultiply(maskState, 0xBF58_476D_1CE4_E5B9))
    }
}
