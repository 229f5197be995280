internal import Base
internal import Reactor
internal import Wire

/// `/echo`: sends every message back as it came, on the codec that the chat uses. For conformance suites.
final class EchoConnection: ChannelDelegate {
    private var decoder = WebSocketDecoder(role: .server, messageBytesMax: Limits.echoBytesMax)

    /// Answers the upgrade and takes what came behind it.
    func begin(on channel: Channel, answering response: HTTPResponse, _ rest: UnsafeRawBufferPointer) {
        channel.prepareToWrite()
        response.write(to: &channel.buffer, keepAlive: true)
        let unread = UnsafeMutableRawBufferPointer.allocate(byteCount: rest.count, alignment: 8)
        defer { unread.deallocate() }
        unread.copyMemory(from: rest)
        self.channel(channel, received: unread)
    }

    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        channel.prepareToWrite()
        var span = MutableRawSpan(_unsafeBytes: bytes)
        var offset = 0
        while true {
            switch decoder.next(&span, &offset) {
            case .needMore: return
            case .message(let kind, let range):
                channel.buffer.appendFrame(kind.opcode, span.bytes.extracting(range))
            case .assembled(let kind):
                decoder.withAssembled { channel.buffer.appendFrame(kind.opcode, $0) }
                decoder.releaseAssembled()
            case .ping(let payload):
                decoder.withControl(payload, in: span.bytes) { channel.buffer.appendFrame(.pong, $0) }
            case .pong: break
            case .close(let code, _):
                channel.buffer.appendCloseFrame(code ?? WebSocketCloseCode.normal)
                channel.closeAfterFlush()
                return
            case .failure(let failure):
                channel.buffer.appendCloseFrame(failure.closeCode, reason: failure.reason)
                channel.closeAfterFlush()
                return
            }
        }
    }

    func channelTimer(_ channel: Channel) -> UInt64? { nil }
    func channelClosed(_ channel: Channel) {}
}
