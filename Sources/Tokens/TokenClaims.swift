package import Base
internal import Wire

/// What a token says (RFC 7519, section 4.1), as far as it is looked at. Times are seconds since the Unix epoch and may
/// have fractions.
package struct TokenClaims: Sendable, Equatable {
    package var subject: Identifier
    package var expires: Double?
    package var notBefore: Double?
    package var issued: Double?
    package var audience: [String]?
    package var issuer: String?
    /// What it may be revoked by.
    package var id: String?

    package init(subject: Identifier) { self.subject = subject }

    /// Bytes of a token's id.
    package static let idBytes = 1...1024
    /// The end of the year 9999. Later times, such as milliseconds taken for seconds, are mistakes.
    package static let timeMax: Double = 253_402_300_799

    /// Throws unless it is a JSON object that has a subject, and each of the others in its form if at all.
    init(_ payload: [UInt8]) throws(EnvelopeError) {
        let object = try JSONObject(payload)
        guard let subject = try object.string("sub").flatMap({ Identifier($0) }) else {
            throw EnvelopeError(.badRequest, "sub must be a user id")
        }
        self.subject = subject
        expires = try TokenClaims.time("exp", object)
        notBefore = try TokenClaims.time("nbf", object)
        issued = try TokenClaims.time("iat", object)
        audience = try object.strings("aud")
        issuer = try object.string("iss")
        id = try object.string("jti")
        if let id, !TokenClaims.idBytes.contains(id.utf8.count) {
            throw EnvelopeError(.badRequest, "jti must have 1 to 1024 bytes")
        }
    }

    private static func time(_ name: String, _ object: JSONObject) throws(EnvelopeError) -> Double? {
        guard let time = try object.number(name) else { return nil }
        guard (0...timeMax).contains(time) else {
            throw EnvelopeError(.badRequest, "a time must be seconds since 1970, before the year 10000")
        }
        return time
    }

    /// As JSON, for a token of our own.
    func write(to output: inout OutputBuffer) {
        output.append(#"{"sub":"#)
        output.appendJSONString(subject)
        for (name, time) in [("exp", expires), ("nbf", notBefore), ("iat", issued)] {
            guard let time else { continue }
            output.append(utf8: ",\"\(name)\":\(UInt64(time))")
        }
        if let audience {
            output.append(#","aud":["#)
            for (index, name) in audience.enumerated() {
                if index > 0 { output.append(",") }
                output.appendJSONString(name)
            }
            output.append("]")
        }
        for (name, text) in [("iss", issuer), ("jti", id)] {
            guard let text else { continue }
            output.append(utf8: ",\"\(name)\":")
            output.appendJSONString(text)
        }
        output.append("}")
    }
}
