import Base
import Wire

/// Why a frame is refused; nil if it is accepted.
func refusal(of text: String) -> EnvelopeError? { refusal(of: Array(text.utf8)) }

func refusal(of bytes: [UInt8]) -> EnvelopeError? {
    let envelope = Envelope()
    do throws(EnvelopeError) {
        try envelope.scan(bytes.span.bytes)
        return nil
    } catch {
        return error
    }
}

/// Whether `bytes` are an object that needs no `cmd`.
func scansAsObject(_ bytes: [UInt8], with envelope: Envelope) -> Bool {
    do throws(EnvelopeError) {
        try envelope.scanMembers(bytes.span.bytes)
        return true
    } catch {
        return false
    }
}

/// The message's own members of a frame that must be accepted.
func members(of text: String) throws -> String {
    let bytes = Array(text.utf8)
    let envelope = Envelope()
    try envelope.scan(bytes.span.bytes)
    var output = OutputBuffer()
    envelope.appendMembers(of: bytes.span.bytes, to: &output)
    return String(decoding: output.unsafeBytes, as: UTF8.self)
}

/// What an accessor says about a frame that must be accepted.
func value<Value>(
    in text: String, _ read: (Envelope, RawSpan) throws(EnvelopeError) -> Value
) throws -> Value {
    let bytes = Array(text.utf8)
    let envelope = Envelope()
    try envelope.scan(bytes.span.bytes)
    return try read(envelope, bytes.span.bytes)
}

extension OutputBuffer {
    var array: [UInt8] { Array(unsafeBytes) }
    var text: String { String(decoding: unsafeBytes, as: UTF8.self) }
}
