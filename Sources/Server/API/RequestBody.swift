internal import Base
internal import FoundationEssentials
internal import Wire

extension APIRequest {
    /// Decodes the JSON body; refuses with what is wrong where. What a frame may not have, such as a key twice, a
    /// body may not have either.
    func body<Body: Decodable>(_ type: Body.Type) throws(APIError) -> Body {
        let bytes = http.body.span.bytes
        guard UTF8Validator.isValid(bytes) else {
            throw APIError(.badRequest, "the body must be a JSON object in UTF-8")
        }
        do throws(EnvelopeError) {
            try Envelope().scanMembers(bytes)
        } catch {
            throw APIError(.badRequest, "the body must be a JSON object: \(error.reason)")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(http.body))
        } catch let error as DecodingError {
            throw APIError(.badRequest, error.explanation)
        } catch {
            throw APIError(.badRequest, "the body must be a JSON object")
        }
    }

    /// A number of the query, or a default; refuses anything else.
    func number(_ name: String, default value: UInt64) throws(APIError) -> UInt64 {
        guard let text = http.query(name), !text.isEmpty else { return value }
        guard let number = UInt64(text) else { throw APIError(.badRequest, "\(name) must be a number of at least 0") }
        return number
    }

    /// Entries of a page, at most `max`.
    func pageLimit(_ name: String, max most: Int = Limits.pageEntriesMax) throws(APIError) -> Int {
        let count = try number(name, default: UInt64(Limits.pageEntriesDefault))
        guard count > 0 else { throw APIError(.badRequest, "\(name) must be at least 1") }
        return Int(min(count, UInt64(most)))
    }

    /// An id that stands in the path.
    func identifier(_ index: Int) throws(APIError) -> Identifier {
        try .validated(parameters[index], "the id in the path")
    }
}

extension Identifier {
    static func validated(_ text: String, _ name: String) throws(APIError) -> Identifier {
        guard let identifier = Identifier(text) else {
            throw APIError(.badRequest, "\(name) must be 1-64 bytes without white space, controls, colon and slash")
        }
        return identifier
    }
}

/// An id in a JSON body: a string, or an integer that means its decimal digits. Not validated yet.
struct LooseID: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int64.self) {
            text = String(number)
        } else if let number = try? container.decode(UInt64.self) {
            text = String(number)
        } else {
            text = try container.decode(String.self)
        }
    }

    func validated(_ name: String) throws(APIError) -> Identifier { try .validated(text, name) }
}

extension DecodingError {
    /// What is wrong, for the author of the client.
    fileprivate var explanation: String {
        switch self {
        case .keyNotFound(let key, _): "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\(context.path) has the wrong type"
        case .dataCorrupted(let context):
            context.codingPath.isEmpty ? "the body must be a JSON object in UTF-8" : "\(context.path) is malformed"
        @unknown default: "the body must be a JSON object"
        }
    }
}

extension DecodingError.Context {
    fileprivate var path: String {
        codingPath.isEmpty ? "the body" : codingPath.map(\.stringValue).joined(separator: ".")
    }
}
