/// Where clients upload media to: a bucket of a server that speaks S3. The router only signs addresses for it.
package struct MediaStorage: Sendable {
    /// Where the bucket stands in an address.
    package enum Style: String, Sendable, CaseIterable {
        /// `https://server/bucket/key`
        case path
        /// `https://bucket.server/key`
        case host
    }

    /// What an operator says about it, as it was written.
    package struct Settings: Sendable {
        package var endpoint: String?
        package var bucket: String?
        package var region = "us-east-1"
        package var accessKey: String?
        package var secretKey: String?
        package var style = Style.path
        package var publicURL: String?
        package var sizeMax = 100 << 20

        package init() {}
    }

    /// An upload that was agreed to.
    struct Upload {
        /// The client sends the file here: PUT, with the type and the length that were signed.
        var put: String
        /// Where it is to be found from then on.
        var url: String
    }

    static let expirySeconds = 600

    let sizeMax: Int
    private let signer: RequestSigner
    private let target: WebAddress
    private let publicBase: WebAddress

    /// nil if nothing is set; throws what is missing or wrong.
    package init?(_ settings: Settings) throws(ConfigurationError) {
        let needed: [(name: String, value: String?)] = [
            ("--media-endpoint", settings.endpoint), ("--media-bucket", settings.bucket),
            ("--media-access-key", settings.accessKey), ("--media-secret-key", settings.secretKey),
        ]
        let missing = needed.filter { ($0.value ?? "").isEmpty }
        if missing.count == needed.count, settings.publicURL == nil { return nil }
        guard missing.isEmpty, let endpoint = settings.endpoint, let bucket = settings.bucket,
            let accessKey = settings.accessKey, let secretKey = settings.secretKey
        else {
            let all = needed.map(\.name).joined(separator: ", ")
            let names = missing.map(\.name).joined(separator: ", ")
            throw ConfigurationError("media uploads need \(all): \(names) missing")
        }
        guard MediaStorage.isBucket(bucket) else {
            throw ConfigurationError("--media-bucket must be 3 to 63 lower-case letters, digits, dots and hyphens")
        }
        guard !settings.region.isEmpty, settings.region.utf8.allSatisfy(MediaStorage.isNameByte) else {
            throw ConfigurationError("--media-region must be a name like us-east-1")
        }
        guard settings.sizeMax > 0, settings.sizeMax <= 5 << 30 else {
            throw ConfigurationError("--media-max-size must be 1 byte to 5 GiB, the most that one PUT may bring")
        }
        let server = try WebAddress(endpoint, option: "--media-endpoint")
        target =
            switch settings.style {
            case .path: WebAddress(isTLS: server.isTLS, host: server.host, path: "\(server.path)/\(bucket)")
            case .host: WebAddress(isTLS: server.isTLS, host: "\(bucket).\(server.host)", path: server.path)
            }
        publicBase = try settings.publicURL.map { url throws(ConfigurationError) in
            try WebAddress(url, option: "--media-public-url")
        } ?? target
        sizeMax = settings.sizeMax
        signer = RequestSigner(accessKey: accessKey, secretKey: secretKey, region: settings.region)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private static func isBucket(_ name: String) -> Bool {
        (3...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: ".") }
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
    }

    /// The origins that a page must be allowed to upload to and to show media from.
    var origins: (upload: String, show: String) { (target.origin, publicBase.origin) }

    /// Agrees to one upload of just this type and length.
    func upload(key: String, type: String, size: Int, time: Int) -> Upload {
        let request = RequestSigner.Request(
            method: "PUT", isTLS: target.isTLS, host: target.host, path: "\(target.path)/\(key)",
            fields: [("content-length", "\(size)"), ("content-type", type)])
        let put = signer.address(of: request, expiresIn: MediaStorage.expirySeconds, time: time)
        let shown = RequestSigner.escaped("\(publicBase.path)/\(key)", keepsSlashes: true)
        return Upload(put: put, url: publicBase.origin + shown)
    }
}

/// The beginning of addresses: scheme, host with its port, and a path without a slash at its end.
struct WebAddress: Sendable {
    var isTLS: Bool
    var host: String
    /// Empty, or a slash and more; not escaped.
    var path: String

    init(isTLS: Bool, host: String, path: String) {
        self.isTLS = isTLS
        self.host = host
        self.path = path
    }

    /// Takes it apart; a port that the scheme has anyway is left out, as clients leave it out of `Host`.
    init(_ text: String, option: String) throws(ConfigurationError) {
        let example = "\(option) “\(text)” must be an address like https://s3.example.com or http://127.0.0.1:9000"
        guard let mark = text.firstRange(of: "://"), ["http", "https"].contains(text[..<mark.lowerBound]) else {
            throw ConfigurationError(example)
        }
        let isTLS = text[..<mark.lowerBound] == "https"
        let rest = text[mark.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var host = String(rest[..<slash])
        let standardPort = isTLS ? ":443" : ":80"
        if host.hasSuffix(standardPort) { host.removeLast(standardPort.count) }
        let segments = rest[slash...].split(separator: "/")
        guard !host.isEmpty, host.utf8.allSatisfy(WebAddress.isHostByte), segments.allSatisfy(WebAddress.isPlain) else {
            throw ConfigurationError(example)
        }
        self.init(isTLS: isTLS, host: host, path: segments.map { "/\($0)" }.joined())
    }

    /// What may stand in a name, a numeric address or a port; nothing that ends a source of a content policy.
    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"),
            UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    /// Whether a path's segment means itself: nothing that is escaped, or that clients would resolve.
    private static func isPlain(_ segment: Substring) -> Bool {
        segment != "." && segment != ".." && RequestSigner.escaped(String(segment)) == segment
    }

    var origin: String { "\(isTLS ? "https" : "http")://\(host)" }
}
