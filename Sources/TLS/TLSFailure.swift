internal import COpenSSL

/// Why a TLS connection can't go on.
package enum TLSFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The peer speaks HTTP without TLS.
    case plainHTTP
    /// More came in than a handshake takes.
    case longHandshake
    /// The handshake wasn't done in its time.
    case late
    /// The peer went before the handshake was done.
    case gone
    /// What OpenSSL says, by its number.
    case library(code: UInt)

    package var description: String {
        switch self {
        case .plainHTTP: "the client speaks HTTP without TLS"
        case .longHandshake: "the handshake is too long"
        case .late: "the handshake took too long"
        case .gone: "the client went before the handshake was done"
        case .library(let code): LibraryError.text(code)
        }
    }

    /// What the calling thread's last call left, which failed.
    static func last() -> TLSFailure {
        let code = ERR_get_error()
        ERR_clear_error()
        let reason = ERR_GET_REASON(code)
        let isPlain = reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST
        return isPlain && ERR_GET_LIB(code) == ERR_LIB_SSL ? .plainHTTP : .library(code: code)
    }
}

/// Errors of OpenSSL in words.
enum LibraryError {
    static func text(_ code: UInt) -> String {
        guard code != 0 else { return "broken off" }
        var buffer = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(code, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // error:0A00010B:SSL routines::wrong version number
        return text.split(separator: ":").last.map(String.init) ?? text
    }
}
