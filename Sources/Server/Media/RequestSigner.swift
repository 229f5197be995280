internal import Tokens

/// Signs requests that someone else will make: AWS Signature Version 4 in the query of an address.
struct RequestSigner: Sendable {
    let accessKey: String
    let secretKey: String
    let region: String

    /// A request without its body, which stays unsigned.
    struct Request {
        var method: String
        var isTLS: Bool
        /// As the client will send it in `Host`.
        var host: String
        /// Not escaped, from its slash on.
        var path: String
        /// Fields that the client must send just so, names in lower case; `host` is added.
        var fields: [(name: String, value: String)] = []
    }

    /// The address with which the request may be made for `expiresIn` seconds after `time` (seconds since the epoch).
    func address(of request: Request, expiresIn: Int, time: Int) -> String {
        let stamp = RequestSigner.stamp(time)
        let scope = "\(stamp.prefix(8))/\(region)/s3/aws4_request"
        let fields = (request.fields + [("host", request.host)]).sorted { $0.name < $1.name }
        let names = fields.map(\.name).joined(separator: ";")
        // In the order of their names, which is part of what is signed.
        let query = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(accessKey)/\(scope)"),
            ("X-Amz-Date", stamp), ("X-Amz-Expires", "\(expiresIn)"), ("X-Amz-SignedHeaders", names),
        ].map { "\($0)=\(RequestSigner.escaped($1))" }.joined(separator: "&")
        let path = RequestSigner.escaped(request.path, keepsSlashes: true)
        let canonical = [
            request.method, path, query, fields.map { "\($0.name):\($0.value)\n" }.joined(), names, "UNSIGNED-PAYLOAD",
        ].joined(separator: "\n")
        let digest = Digests.hexadecimal(Digests.sha256(Array(canonical.utf8)))
        let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope)\n\(digest)"
        let key = key(day: String(stamp.prefix(8)))
        let signature = Digests.hexadecimal(Digests.hmacSHA256(key: key, Array(text.utf8)))
        let scheme = request.isTLS ? "https" : "http"
        return "\(scheme)://\(request.host)\(path)?\(query)&X-Amz-Signature=\(signature)"
    }

    /// The key of a day, region and service.
    private func key(day: String) -> [UInt8] {
        [day, region, "s3", "aws4_request"].reduce(Array("AWS4\(secretKey)".utf8)) { key, part in
            Digests.hmacSHA256(key: key, Array(part.utf8))
        }
    }

    /// `yyyymmddThhmmssZ`
    private static func stamp(_ time: Int) -> String {
        let (year, month, day) = UTCMinute.civil(days: time / 86_400)
        let inDay = time % 86_400
        let padded = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)\(padded(month))\(padded(day))T\(padded(inDay / 3_600))\(padded(inDay / 60 % 60))"
            + "\(padded(inDay % 60))Z"
    }

    /// Percent escapes for all but RFC 3986's unreserved characters.
    static func escaped(_ text: String, keepsSlashes: Bool = false) -> String {
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                escaped.append(byte)
            case UInt8(ascii: "/") where keepsSlashes: escaped.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                escaped += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}
