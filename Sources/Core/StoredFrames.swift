package import Base
package import Store
internal import Wire

// What was stored, as the JSON objects that clients see.
extension OutputBuffer {
    /// Appends a stored message or notification.
    ///
    /// - Parameters:
    ///   - withSeq: with its place in the inbox that it was read from.
    ///   - inflated: scratch memory for bodies that came compressed.
    package mutating func appendStored(_ record: RecordView, withSeq: Bool, inflated: inout OutputBuffer) {
        appendMessage(record, inflated: &inflated)
        if withSeq {
            append(#","seq":"#)
            append(decimal: record.senderSeq)
        }
        append(UInt8(ascii: "}"))
    }

    /// Appends an earlier version of a message: its members, and who made it when.
    package mutating func appendVersion(_ record: RecordView, inflated: inout OutputBuffer) {
        append(#"{"id":"#)
        append(decimal: record.id)
        append(#","userid":"#)
        appendJSONString(record.sender)
        append(#","time":"#)
        append(decimal: record.time)
        if let form = BodyForm(rawValue: record.content) {
            let body = MessageBody(form, RawSpan(_unsafeBytes: record.unsafeBody))
            try? body.appendJSONMembers(to: &self, scratch: &inflated)
        }
        append(UInt8(ascii: "}"))
    }
}
