package import Base

/// What the stored bytes of a message's body are: its content type and whether they are compressed.
package struct BodyForm: RawRepresentable, Hashable, Sendable {
    /// As in the flags of a binary frame: bit 0 compressed, bits 4–7 content type.
    package let rawValue: UInt8

    /// Nil unless the content type is defined and all other bits are 0.
    package init?(rawValue: UInt8) {
        guard rawValue & 0x0E == 0, ContentType(rawValue: rawValue >> 4) != nil else { return nil }
        self.rawValue = rawValue
    }

    package init(_ contentType: ContentType, isCompressed: Bool = false) {
        rawValue = BinaryFlags(contentType, isCompressed: isCompressed).rawValue
    }

    /// Members of a JSON message as an object, not compressed: what a JSON frame is stored as.
    package static let members = BodyForm(.members)

    package var contentType: ContentType { ContentType(rawValue: rawValue >> 4).unsafelyUnwrapped }
    package var isCompressed: Bool { rawValue & 1 != 0 }
    /// The flags of a binary frame that carries the body as it is.
    package var flags: BinaryFlags { BinaryFlags(rawValue: rawValue) }
}

/// The body of a message in the form in which it is stored: a form and bytes that it borrows.
package struct MessageBody: ~Escapable {
    package let form: BodyForm
    package let bytes: RawSpan

    @_lifetime(copy bytes)
    package init(_ form: BodyForm, _ bytes: RawSpan) {
        self.form = form
        self.bytes = bytes
    }

    /// What became of a body that a client sent.
    package enum Admission: Equatable, Sendable {
        /// It is stored as it came.
        case unchanged
        /// Members that a sender can't set were dropped: the body to store was appended to `cleaned`, in the form
        /// `BodyForm.members`.
        case cleaned
    }

    /// Checks a body as a client sent it, so that whatever is stored can be given to every recipient.
    ///
    /// Text must be UTF-8, members must be a JSON object; compressed bytes must decompress to such, and are measured
    /// as what they decompress to. `scratch` is emptied and used for decompressed bytes.
    package func admit(
        envelope: Envelope, scratch: inout OutputBuffer, cleaned: inout OutputBuffer
    ) throws(EnvelopeError) -> Admission {
        // Members have limits of their own, so that a message is as large in a JSON frame.
        guard form == .members || bytes.byteCount <= Limits.messageBytesMax else {
            throw EnvelopeError(.tooLarge, "the body is too large")
        }
        guard form.isCompressed else { return try admit(bytes, envelope, &cleaned) }
        scratch.removeAll()
        do {
            try LZ4Body.decompress(bytes, to: &scratch)
        } catch {
            switch error {
            case .tooLarge: throw EnvelopeError(.tooLarge, "the body is too large")
            case .cutOff, .corrupt: throw .badRequest("the compressed body is broken")
            }
        }
        return try admit(RawSpan(_unsafeBytes: scratch.unsafeBytes), envelope, &cleaned)
    }

    private func admit(
        _ raw: RawSpan, _ envelope: Envelope, _ cleaned: inout OutputBuffer
    ) throws(EnvelopeError) -> Admission {
        if form.contentType == .opaque { return .unchanged }
        guard UTF8Validator.isValid(raw) else {
            throw .badRequest("the body must be UTF-8")
        }
        if form.contentType == .text { return .unchanged }
        try envelope.scanMembers(raw)
        let byteCount = envelope.dropsMembers ? envelope.membersByteCount : raw.byteCount
        try envelope.checkSize(membersByteCount: byteCount, in: raw)
        guard envelope.dropsMembers else { return .unchanged }
        envelope.appendMembers(of: raw, to: &cleaned)
        return .cleaned
    }

    /// Appends the body as members of a JSON frame, each with a comma before it; nothing for a body without members.
    ///
    /// Text becomes `content`; opaque bytes become `content` in base64 with `"encoding":"base64"`. `scratch` is
    /// emptied and used for decompressed bytes. Throws, and appends nothing, only if a compressed body is broken:
    /// never for one that was admitted.
    package func appendJSONMembers(
        to output: inout OutputBuffer, scratch: inout OutputBuffer
    ) throws(LZ4Body.Failure) {
        guard form.isCompressed else { return appendJSONMembers(bytes, to: &output) }
        scratch.removeAll()
        try LZ4Body.decompress(bytes, to: &scratch)
        appendJSONMembers(RawSpan(_unsafeBytes: scratch.unsafeBytes), to: &output)
    }

    private func appendJSONMembers(_ raw: RawSpan, to output: inout OutputBuffer) {
        switch form.contentType {
        case .members:
            let inside = MessageBody.inside(raw)
            if inside.isEmpty { return }
            output.append(JSONBytes.comma)
            output.append(raw.extracting(inside))
        case .text:
            output.append(",\"content\":")
            output.appendJSONString(raw)
        case .opaque:
            output.append(",\"content\":\"")
            Base64.standard.encode(raw, to: &output)
            output.append("\",\"encoding\":\"base64\"")
        }
    }

    /// What lies between the braces of an object, without the white space at its ends.
    private static func inside(_ object: RawSpan) -> Range<Int> {
        var scanner = JSONScanner(object)
        scanner.skipWhitespace()
        scanner.offset += 1
        scanner.skipWhitespace()
        let start = scanner.offset
        var end = object.byteCount
        while end > start, scanner.byte(at: end - 1) != JSONBytes.closeBrace { end -= 1 }
        end -= 1
        while end > start, JSONBytes.isWhitespace(scanner.byte(at: end - 1)) { end -= 1 }
        return start..<max(start, end)
    }
}
