package import Base

/// A response: status, header fields and body, written as HTTP/1.1 (RFC 9112).
package struct HTTPResponse: Sendable, Equatable {
    package var status: HTTPStatus
    package var headers: HTTPHeaders
    package var body: [UInt8]

    package init(_ status: HTTPStatus, headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Appends the response to `output`.
    ///
    /// Content-Length is written here and must not be among the headers; a status without a body (1xx, 204, 304) gets
    /// neither. `date` is the value of the Date field (RFC 9110, section 5.6.7), nil for none: there is no clock here.
    /// `keepAlive` false adds `Connection: close`. `isHead` leaves the body out and its length in.
    package func write(to output: inout OutputBuffer, date: String? = nil, keepAlive: Bool, isHead: Bool = false) {
        output.append("HTTP/1.1 ")
        output.append(decimal: UInt64(status.rawValue))
        output.append(" ")
        output.append(status.phrase)
        output.append("\r\n")
        if let date {
            output.append("Date: ")
            output.append(utf8: date)
            output.append("\r\n")
        }
        output.append(headers)
        if !status.hasNoBody {
            output.append("Content-Length: ")
            output.append(decimal: UInt64(body.count))
            output.append("\r\n")
        }
        if !keepAlive { output.append("Connection: close\r\n") }
        output.append("\r\n")
        if !status.hasNoBody && !isHead { output.append(body.span.bytes) }
    }

    /// Appends `100 Continue`, the answer to `HTTPRequestEvent.expectContinue`.
    package static func writeContinue(to output: inout OutputBuffer) {
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
    }
}

extension OutputBuffer {
    /// Appends the fields, each with its CRLF.
    mutating func append(_ headers: HTTPHeaders) {
        for field in headers.fields {
            append(utf8: field.name)
            append(": ")
            append(utf8: field.value)
            append("\r\n")
        }
    }
}
