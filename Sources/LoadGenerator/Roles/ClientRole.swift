internal import Base
internal import Wire

/// What a scenario does with one client, whichever protocol the client speaks.
///
/// *Thread:* its client's.
class ClientRole {
    unowned let client: LoadClient

    init(_ client: LoadClient) { self.client = client }

    /// The inbox entry behind which a session shall begin; nil for what is new only.
    var resumeAfter: UInt64? { nil }

    /// The device that signs in; nil for the default one.
    var device: String? { nil }

    /// Takes a JSON frame: a text message, or the body of an EVENT.
    func take(json: UnsafeRawBufferPointer, _ now: UInt64) { client.handle(json: json, now) }

    /// Takes a binary frame other than EVENT and PING.
    func take(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {
        client.handle(header, payload, now)
    }
}

/// A message with a text, as a role sends it.
struct OutgoingMessage {
    var kind: MessageKind
    var destination: String
    /// Names the message in the binary protocol; never 0.
    var cid: UInt64
    /// Names the message in JSON.
    var cidText: String
    var content: String
}

/// The body of a binary message as text; nil if it isn't UTF-8 or compressed text.
func messageText(_ flags: BinaryFlags, _ body: UnsafeRawBufferPointer) -> String? {
    guard flags.isCompressed else { return String(validating: body, as: UTF8.self) }
    var raw = OutputBuffer()
    do { try LZ4Body.decompress(RawSpan(_unsafeBytes: body), to: &raw) } catch { return nil }
    return String(validating: raw.unsafeBytes, as: UTF8.self)
}
