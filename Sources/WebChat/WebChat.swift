/// A file that the router serves to browsers.
package struct WebFile: Sendable {
    /// Where it is served, from `/` on.
    package let path: String
    package let contentType: String
    package let body: [UInt8]
    /// Changes with the content: the value of the ETag field, in its quotes.
    package let entityTag: String

    package init(_ path: String, _ contentType: String, _ body: [UInt8]) {
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
        style("/chat.css", PackageResources.chat_css),
        style("/thread.css", PackageResources.thread_css),
        WebFile("/icon.svg", "image/svg+xml", PackageResources.icon_svg),
        script("/account.js", PackageResources.account_js),
        script("/api.js", PackageResources.api_js),
        script("/chat.js", PackageResources.chat_js),
        script("/composer.js", PackageResources.composer_js),
        script("/contacts.js", PackageResources.contacts_js),
        script("/conversation-list.js", PackageResources.conversation_list_js),
        script("/conversations.js", PackageResources.conversations_js),
        script("/dom.js", PackageResources.dom_js),
        script("/forward.js", PackageResources.forward_js),
        script("/groups.js", PackageResources.groups_js),
        script("/kept.js", PackageResources.kept_js),
        script("/media.js", PackageResources.media_js),
        script("/menu.js", PackageResources.menu_js),
        script("/message.js", PackageResources.message_js),
        script("/notifications.js", PackageResources.notifications_js),
        script("/people.js", PackageResources.people_js),
        script("/picker.js", PackageResources.picker_js),
        script("/switchboard.js", PackageResources.switchboard_js),
        script("/tabs.js", PackageResources.tabs_js),
        script("/thread.js", PackageResources.thread_js),
        script("/typing.js", PackageResources.typing_js),
    ]

    private static func script(_ path: String, _ body: [UInt8]) -> WebFile {
        WebFile(path, "text/javascript; charset=utf-8", body)
    }

    private static func style(_ path: String, _ body: [UInt8]) -> WebFile {
        WebFile(path, "text/css; charset=utf-8", body)
    }
}
