/// Why a JSON frame, or the value of one of its members, is refused.
package struct EnvelopeError: Error, Sendable {
    /// What the client is told in `code`.
    package let code: ErrorCode
    /// What the client is told in `message`: ASCII without characters that JSON escapes.
    package let reason: StaticString

    package init(_ code: ErrorCode, _ reason: StaticString) {
        self.code = code
        self.reason = reason
    }

    static func badRequest(_ reason: StaticString) -> EnvelopeError { EnvelopeError(.badRequest, reason) }
}
