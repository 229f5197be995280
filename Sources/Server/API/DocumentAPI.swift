internal import WebChat
internal import Wire

/// The description of this API (OpenAPI 3.1), from the program itself: `openapi.json` beside this file. Open to all.
enum DocumentAPI {
    static let document = WebFile("/api/openapi.json", "application/json", PackageResources.openapi_json)

    static var routes: [APIRouter.Route] {
        [.init(.get, document.path) { request throws(APIError) in .file(document, to: request.http) }]
    }
}
