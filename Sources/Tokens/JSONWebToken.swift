internal import Base
internal import Wire

/// A token in the compact form of RFC 7515 taken apart: nothing in it is believed yet.
struct JSONWebToken {
    let algorithm: SigningAlgorithm
    /// The key that it says it is signed with.
    let keyID: String?
    /// What is signed.
    let signed: [UInt8]
    let payload: [UInt8]
    let signature: [UInt8]

    static let bytesMax = Limits.credentialBytesMax

    /// nil unless it has three parts in base64url, the first of them a JSON object with an algorithm that is spoken
    /// here and without extensions that must be understood.
    init?(_ token: String) {
        let text = Array(token.utf8)
        guard text.count <= JSONWebToken.bytesMax else { return nil }
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let head = JSONWebToken.decode(parts[0]), let payload = JSONWebToken.decode(parts[1]),
            let signature = JSONWebToken.decode(parts[2]), let header = try? JSONObject(head),
            let name = try? header.string("alg"), let algorithm = SigningAlgorithm(rawValue: name),
            let keyID = try? header.string("kid") as String??, !header.has("crit")
        else { return nil }
        self.algorithm = algorithm
        self.keyID = keyID
        self.payload = payload
        self.signature = signature
        signed = Array(text[..<parts[1].endIndex])
    }

    private static func decode(_ part: ArraySlice<UInt8>) -> [UInt8]? {
        let bytes = Array(part)
        return Base64.url.decode(bytes.span.bytes)
    }
}
