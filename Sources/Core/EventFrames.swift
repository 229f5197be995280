package import Base
package import Store
internal import Wire

// Events as JSON, for the operator's own systems.
extension OutputBuffer {
    /// Appends a page: `{"epoch":…,"events":[…],"more":…,"last":…}`.
    ///
    /// - Parameter inflated: scratch memory for bodies that came compressed.
    package mutating func appendEvents(_ page: EventPage, epoch: String, inflated: inout OutputBuffer) {
        append(#"{"epoch":"#)
        appendJSONString(epoch)
        append(#","events":["#)
        for (index, event) in page.events.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            appendEvent(event, of: page.arena, inflated: &inflated)
        }
        append(page.more ? #"],"more":true,"last":"# : #"],"more":false,"last":"#)
        append(decimal: page.last)
        append(UInt8(ascii: "}"))
    }

    private mutating func appendEvent(
        _ event: EventPage.Event, of arena: RecordArena, inflated: inout OutputBuffer
    ) {
        append(#"{"n":"#)
        append(decimal: event.number)
        append(#","time":"#)
        append(decimal: event.time)
        append(#","type":""#)
        switch event.content {
        case .entry(let offset): appendEntry(arena.record(at: offset), inflated: &inflated)
        case .connect(let user):
            append(#"connect","userid":"#)
            appendJSONString(user)
        case .disconnect(let user):
            append(#"disconnect","userid":"#)
            appendJSONString(user)
        case .start: append(#"start""#)
        }
        append(UInt8(ascii: "}"))
    }

    private mutating func appendEntry(_ record: RecordView, inflated: inout OutputBuffer) {
        switch record.kind {
        case .notice: append(record.noticeName)
        case .edit: append("message.edited")
        case .recall: append("message.recalled")
        default: append("message")
        }
        append(record.kind?.isMessage == true ? #"","message":"# : #"","notify":"#)
        appendMessage(record, inflated: &inflated)
        append(UInt8(ascii: "}"))
    }
}

extension RecordView {
    /// What a notice says as its `name`, which comes first in its body and needs no escapes.
    fileprivate var noticeName: UnsafeRawBufferPointer {
        let name = unsafeBody.dropFirst(#""name":""#.utf8.count).prefix { $0 != UInt8(ascii: "\"") }
        return UnsafeRawBufferPointer(rebasing: name)
    }
}
