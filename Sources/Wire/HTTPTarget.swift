/// The target of a request, taken apart and decoded (RFC 9112, section 3.2; RFC 3986, section 2.1).
package struct HTTPTarget: Sendable, Equatable {
    /// One `name=value` of the query, decoded.
    package struct QueryItem: Sendable, Equatable {
        package let name: String
        package let value: String
    }

    /// As it was sent.
    package let raw: String
    /// The decoded segments of the path; empty for `/` and for `*`.
    package let path: [String]
    /// The decoded items of the query, in their order.
    package let query: [QueryItem]

    /// Takes the origin form (`/path?query`), the absolute form (`http://host/path?query`) or, for OPTIONS, `*`.
    ///
    /// Percent escapes are decoded after the path was split, so an escaped slash is part of its segment. `+` is a space
    /// in the query and itself in the path. Errors: 400 for a form that isn't one of these, a character that must be
    /// escaped, an escape that isn't two hexadecimal digits, or decoded text that has a NUL or isn't UTF-8.
    package init(_ raw: String, method: HTTPMethod) throws(HTTPFailure) {
        let bytes = Array(raw.utf8)
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw HTTPFailure(.badRequest, "invalid character in target")
        }
        self.raw = raw
        if bytes == [UInt8(ascii: "*")], method == .options {
            path = []
            query = []
            return
        }
        let local = try HTTPTarget.withoutAuthority(bytes[...])
        let questionMark = local.firstIndex(of: UInt8(ascii: "?")) ?? local.endIndex
        path = try HTTPTarget.decodePath(local[..<questionMark])
        query = try HTTPTarget.decodeQuery(local[questionMark...].dropFirst())
    }

    /// The path and query of the absolute form; the others as they are.
    private static func withoutAuthority(_ bytes: ArraySlice<UInt8>) throws(HTTPFailure) -> ArraySlice<UInt8> {
        if bytes.first == UInt8(ascii: "/") { return bytes }
        let text = String(decoding: bytes.prefix(8), as: UTF8.self).lowercased()
        let schemeBytes = text.hasPrefix("http://") ? 7 : text == "https://" ? 8 : 0
        let rest = bytes.dropFirst(schemeBytes)
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        guard schemeBytes > 0, end > rest.startIndex, !rest[..<end].contains(UInt8(ascii: "@")) else {
            throw HTTPFailure(.badRequest, "invalid target")
        }
        return rest[end...]
    }

    private static func decodePath(_ bytes: ArraySlice<UInt8>) throws(HTTPFailure) -> [String] {
        let segments = bytes.dropFirst()
        if segments.isEmpty { return [] }
        var decoded: [String] = []
        for segment in segments.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            decoded.append(try decode(segment, plusIsSpace: false))
        }
        return decoded
    }

    private static func decodeQuery(_ bytes: ArraySlice<UInt8>) throws(HTTPFailure) -> [QueryItem] {
        var items: [QueryItem] = []
        for item in bytes.split(separator: UInt8(ascii: "&")) {
            let equals = item.firstIndex(of: UInt8(ascii: "=")) ?? item.endIndex
            items.append(
                QueryItem(
                    name: try decode(item[..<equals], plusIsSpace: true),
                    value: try decode(item[equals...].dropFirst(), plusIsSpace: true)))
        }
        return items
    }

    private static func decode(_ bytes: ArraySlice<UInt8>, plusIsSpace: Bool) throws(HTTPFailure) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(HTTPGrammar.hexValue),
                    let low = rest.popFirst().flatMap(HTTPGrammar.hexValue)
                else { throw HTTPFailure(.badRequest, "invalid percent escape in target") }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: decoded.append(0x20)
            default: decoded.append(byte)
            }
        }
        guard !decoded.contains(0), let text = String(validating: decoded, as: UTF8.self) else {
            throw HTTPFailure(.badRequest, "target isn't UTF-8 text")
        }
        return text
    }
}
