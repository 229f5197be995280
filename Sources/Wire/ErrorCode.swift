/// Why something was refused: the codes of JSON and binary error frames and of HTTP error bodies.
package enum ErrorCode: String, Sendable, CaseIterable {
    case badRequest = "bad_request"
    case unauthorized
    case forbidden
    case notFound = "not_found"
    case notMember = "not_member"
    case silenced
    case blocked
    case tooLarge = "too_large"
    case rateLimited = "rate_limited"
    case overloaded
    case conflict
    case unsupported
    case `internal`
}
