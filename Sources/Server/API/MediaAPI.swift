internal import Base
internal import Reactor
internal import Tokens
internal import Wire

/// Uploads of media (contract, section 5): the client gets an address to upload to; the file never comes here.
struct MediaAPI: Sendable {
    let context: RouterContext

    var routes: [APIRouter.Route] { [.init(.post, "/api/media", presign)] }

    private struct Body: Decodable {
        var name: String
        var type: String
        var size: Int64
    }

    private func presign(_ request: APIRequest) async throws(APIError) -> HTTPResponse {
        let user = try signedInUser(request, context)
        guard let storage = context.configuration.media else {
            throw APIError(
                .unsupported,
                "no media server is configured: the operator sets --media-endpoint, --media-bucket, "
                    + "--media-access-key and --media-secret-key")
        }
        let body = try request.body(Body.self)
        let name = try TextField.fileName.validated(body.name)
        guard MediaName.isMediaType(body.type) else {
            throw APIError(.badRequest, "type must be a media type like image/png")
        }
        guard body.size > 0 else { throw APIError(.badRequest, "size must be at least 1 byte") }
        guard body.size <= Int64(storage.sizeMax) else {
            throw APIError(.tooLarge, "a file may have at most \(storage.sizeMax) bytes")
        }
        let key = MediaName.key(of: user, random: MediaAPI.randomText(), name: name)
        let upload = storage.upload(
            key: key, type: body.type, size: Int(body.size), time: Int(Clock.realtimeMilliseconds / 1_000))
        var output = OutputBuffer()
        output.append(#"{"put":"#)
        output.appendJSONString(upload.put)
        output.append(#","url":"#)
        output.appendJSONString(upload.url)
        output.append("}")
        return .json(output)
    }

    /// 128 bits: who doesn't know the address can't guess it.
    private static func randomText() -> String {
        Digests.hexadecimal((0..<16).map { _ in UInt8.random(in: .min ... .max) })
    }
}
