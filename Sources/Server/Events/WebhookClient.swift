internal import CCurl
internal import Synchronization

/// Posts to one address, by libcurl: one request after the other on a connection that is kept.
///
/// *Thread:* one at a time for ``post(_:signature:)``; any for ``stop()``.
final class WebhookClient: @unchecked Sendable {
    /// What became of a request.
    enum Outcome: Sendable {
        case taken
        case failed(String)
    }

    private let handle: UnsafeMutableRawPointer
    private let stopFlag: UnsafeMutablePointer<Int32>

    private static let connectMilliseconds = 10_000
    private static let totalMilliseconds = 30_000
    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init(_ settings: WebhookSettings) throws(ConfigurationError) {
        guard WebhookClient.isLibraryReady, let handle = curl_easy_init() else {
            throw ConfigurationError("libcurl can't be used")
        }
        self.handle = handle
        stopFlag = .allocate(capacity: 1)
        stopFlag.initialize(to: 0)
        let codes = [
            ccurl_set_text(handle, CURLOPT_URL, settings.url),
            ccurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https"),
            ccurl_set_text(handle, CURLOPT_USERAGENT, "Switchboard"),
            ccurl_set_number(handle, CURLOPT_POST, 1),
            ccurl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0),
            ccurl_set_number(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1),
            ccurl_set_number(handle, CURLOPT_SSL_VERIFYPEER, 1),
            ccurl_set_number(handle, CURLOPT_SSL_VERIFYHOST, 2),
            // Other threads must not get signals.
            ccurl_set_number(handle, CURLOPT_NOSIGNAL, 1),
            ccurl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, WebhookClient.connectMilliseconds),
            ccurl_set_number(handle, CURLOPT_TIMEOUT_MS, WebhookClient.totalMilliseconds),
            ccurl_ignore_answers(handle),
            ccurl_set_stop_flag(handle, stopFlag),
            settings.certificates.map { ccurl_set_text(handle, CURLOPT_CAINFO, $0) } ?? CURLE_OK,
        ]
        if let failure = codes.first(where: { $0 != CURLE_OK }) {
            throw ConfigurationError("the webhook can't be set up: \(WebhookClient.describe(failure))")
        }
    }

    deinit {
        curl_easy_cleanup(handle)
        stopFlag.deallocate()
    }

    /// Lets the request that runs, and all after it, fail soon. *Thread:* any.
    func stop() { ccurl_stop(stopFlag) }

    /// Sends one body and waits for the answer. Blocks.
    ///
    /// - Parameter signature: the header that proves where the body is from.
    func post(_ body: [UInt8], signature: String) -> Outcome {
        var headers: UnsafeMutablePointer<curl_slist>?
        // Without the last one a large body would wait for the receiver's leave.
        for line in ["Content-Type: application/json", "Switchboard-Signature: \(signature)", "Expect:"] {
            headers = curl_slist_append(headers, line)
        }
        defer { curl_slist_free_all(headers) }
        let code = body.withUnsafeBytes { bytes in
            _ = ccurl_set_headers(handle, headers)
            _ = ccurl_set_body(handle, bytes.baseAddress, bytes.count)
            return curl_easy_perform(handle)
        }
        guard code == CURLE_OK else { return .failed(WebhookClient.describe(code)) }
        let status = ccurl_status(handle)
        return (200..<300).contains(status) ? .taken : .failed("it answered \(status)")
    }

    private static func describe(_ code: CURLcode) -> String { String(cString: curl_easy_strerror(code)) }
}
