/// A file that the router serves to browsers.
package struct WebFile: Sendable {
    /// Where it is served, from `/` on.
    package let path: String
    package let contentType: String
    package let body: [UInt8]
    /// Changes with the content: the value of the ETag field, in its quotes.
    package let entityTag: String

    init(_ path: String, _ contentType: String, _ body: [UInt8]) {
        self.path = path
        self.contentType = contentType
        self.body = body
        // FNV-1a: tells versions of a file apart, and is the same in every process.
        let hash = body.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
        entityTag = "\"" + String(hash, radix: 16) + "\""
    }
}

/// The web chat: the files in `Resources`, which are what they look like and need no build step.
package enum WebChat {
    /// Everything that the page asks for, and the page itself.
    package static let files = [
        WebFile("/", "text/html; charset=utf-8", PackageResources.index_html),
        WebFile("/chat.css", "text/css; charset=utf-8", PackageResources.chat_css),
        WebFile("/icon.svg", "image/svg+xml", PackageResources.icon_svg),
        script("/switchboard.js", PackageResources.switchboard_js),
        script("/chat.js", PackageResources.chat_js),
        script("/conversations.js", PackageResources.conversations_js),
        script("/thread.js", PackageResources.thread_js),
    ]

    private static func script(_ path: String, _ body: [UInt8]) -> WebFile {
        WebFile(path, "text/javascript; charset=utf-8", body)
    }
}
