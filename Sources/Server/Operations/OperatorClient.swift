internal import CCurl
internal import Glibc
internal import Wire
internal import Base

/// Calls of a running router from another process, by libcurl: for the commands of its operator. Blocks.
package struct OperatorClient: Sendable {
    private let url: String
    private let apiKey: String?

    private static let connectMilliseconds = 3_000
    private static let totalMilliseconds = 10_000
    private static let bytesMax = 64 << 20

    /// - Parameter url: where the router listens, such as `http://127.0.0.1:8080`.
    package init(url: String, apiKey: String?) {
        self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.apiKey = apiKey
    }

    /// What a router answered.
    package struct Answer: Sendable {
        package var status: Int
        package var body: String
    }

    /// Asks for a page or a call's answer.
    package func get(_ path: String) throws(ConfigurationError) -> Answer { try call(path, put: nil) }

    /// Sets what `GET /api/log-level` tells.
    package func setLogLevel(_ specification: String) throws(ConfigurationError) -> Answer {
        var body = OutputBuffer()
        body.append(#"{"level":"#)
        body.appendJSONString(specification)
        body.append("}")
        return try call("/api/log-level", put: Array(body.unsafeBytes))
    }

    private func call(_ path: String, put body: [UInt8]?) throws(ConfigurationError) -> Answer {
        var text: UnsafeMutablePointer<CChar>?
        var count = 0
        guard let handle = curl_easy_init(), let output = open_memstream(&text, &count) else {
            throw ConfigurationError("libcurl can't be used")
        }
        defer {
            curl_easy_cleanup(handle)
            free(text)
        }
        var headers = curl_slist_append(nil, "Content-Type: application/json")
        if let apiKey { headers = curl_slist_append(headers, "Authorization: Bearer \(apiKey)") }
        defer { curl_slist_free_all(headers) }
        _ = ccurl_set_text(handle, CURLOPT_URL, url + path)
        _ = ccurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = ccurl_set_number(handle, CURLOPT_NOSIGNAL, 1)
        _ = ccurl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, OperatorClient.connectMilliseconds)
        _ = ccurl_set_number(handle, CURLOPT_TIMEOUT_MS, OperatorClient.totalMilliseconds)
        _ = ccurl_set_number(handle, CURLOPT_MAXFILESIZE, OperatorClient.bytesMax)
        _ = ccurl_set_headers(handle, headers)
        _ = ccurl_set_output(handle, output)
        let bytes = body ?? []
        let code = bytes.withUnsafeBytes { bytes in
            if body != nil {
                _ = ccurl_set_body(handle, bytes.baseAddress, bytes.count)
                _ = ccurl_set_text(handle, CURLOPT_CUSTOMREQUEST, "PUT")
            }
            return curl_easy_perform(handle)
        }
        fclose(output)
        guard code == CURLE_OK else {
            throw ConfigurationError("\(url) can't be reached: \(String(cString: curl_easy_strerror(code)))")
        }
        let answer = text.map { String(decoding: UnsafeRawBufferPointer(start: $0, count: count), as: UTF8.self) }
        return Answer(status: ccurl_status(handle), body: answer ?? "")
    }
}
