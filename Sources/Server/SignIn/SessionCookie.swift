/// The cookie that a browser is signed in by. No script of a page can read it.
enum SessionCookie {
    static let name = "switchboard_session"

    /// Sets it.
    ///
    /// - Parameter isSecure: whether it is for TLS only.
    static func set(_ token: String, seconds: UInt64, isSecure: Bool) -> String {
        "\(name)=\(token); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Lax" + (isSecure ? "; Secure" : "")
    }

    /// Takes it back.
    static func clear(isSecure: Bool) -> String { set("", seconds: 0, isSecure: isSecure) }
}
