import Base

/// What becomes of a message's members when it is edited, recalled or forwarded: new objects, built from ones that
/// were admitted. Not for the way of a message.
package enum MessageMembers {
    /// The body of a message that was recalled, in the form `BodyForm.members`. No sender can make one, since
    /// `recalled` is dropped from what they send.
    package static var recalled: UnsafeRawBufferPointer {
        let text: StaticString = #"{"recalled":true}"#
        return UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// Whether a stored body is that of a recalled message.
    package static func isRecalled(_ form: UInt8, _ bytes: UnsafeRawBufferPointer) -> Bool {
        form == BodyForm.members.rawValue && bytes.elementsEqual(recalled)
    }

    /// Refuses an edit whose members, an object, can't be applied.
    package static func checkEdit(_ members: RawSpan) throws(EnvelopeError) {
        var isEmpty = true
        var hasName = false
        try JSONObject.forEachMember(of: members) { name, _, _ in
            isEmpty = false
            hasName = hasName || name.elementsEqual("name".utf8)
        }
        if isEmpty { throw .badRequest("an edit needs at least one field") }
        if hasName { throw .badRequest("a field called name can't be edited: its notification has one of its own") }
    }

    /// A message after an edit, as an object: the members of `edit`, an object, in place of those of the same name,
    /// and `edited`. Nil if it would be too large.
    ///
    /// `encoding` says how `content` is written, so it goes with the content that is replaced.
    package static func edited(_ old: MessageBody, by edit: RawSpan, at time: UInt64) -> [UInt8]? {
        var replaced: Set<[UInt8]> = [Array("edited".utf8)]
        let isObject = (try? JSONObject.forEachMember(of: edit) { name, _, _ in replaced.insert(name) }) != nil
        guard isObject else { return nil }
        if replaced.contains(Array("content".utf8)) { replaced.insert(Array("encoding".utf8)) }
        return object([members(of: old, without: replaced), members(of: edit, without: []), edited(at: time)])
    }

    /// The same where the message as a whole would be too large: the edit alone.
    package static func edited(onlyBy edit: RawSpan, at time: UInt64) -> [UInt8] {
        object([members(of: edit, without: []), edited(at: time)]) ?? Array(recalled)
    }

    private static func edited(at time: UInt64) -> [UInt8] { Array(#""edited":\#(time)"#.utf8) }

    /// A copy of a message that says where it comes from, as an object; nil if it would be too large.
    ///
    /// - Parameter origin: the value of `forward`.
    package static func forwarded(_ old: MessageBody, origin: RawSpan) -> [UInt8]? {
        let forward = Array(#""forward":"#.utf8) + origin.withUnsafeBytes { Array($0) }
        return object([forward, members(of: old, without: [Array("forward".utf8), Array("edited".utf8)])])
    }

    // MARK: Members

    /// An object of members; nil if it is too large.
    private static func object(_ parts: [[UInt8]]) -> [UInt8]? {
        let inside = parts.filter { !$0.isEmpty }.joined(separator: [JSONBytes.comma])
        let object = [JSONBytes.openBrace] + inside + [JSONBytes.closeBrace]
        return object.count <= Limits.composedBytesMax ? object : nil
    }

    /// A body's members but for some, without braces.
    private static func members(of body: MessageBody, without names: Set<[UInt8]>) -> [UInt8] {
        var output = OutputBuffer()
        var scratch = OutputBuffer()
        output.append(JSONBytes.openBrace)
        // A body that was admitted decompresses.
        try? body.appendJSONMembers(to: &output, scratch: &scratch)
        output.append(JSONBytes.closeBrace)
        // Each member comes with a comma before it.
        if output.count > 2 { output.overwrite(at: 0, littleEndian: UInt16(JSONBytes.openBrace) << 8 | 0x20) }
        return members(of: RawSpan(_unsafeBytes: output.unsafeBytes), without: names)
    }

    private static func members(of object: RawSpan, without names: Set<[UInt8]>) -> [UInt8] {
        var kept: [UInt8] = []
        // What was admitted is an object; of anything else nothing is kept.
        try? JSONObject.forEachMember(of: object) { name, member, _ in
            if names.contains(name) { return }
            if !kept.isEmpty { kept.append(JSONBytes.comma) }
            object.extracting(member).withUnsafeBytes { kept.append(contentsOf: $0) }
        }
        return kept
    }
}
