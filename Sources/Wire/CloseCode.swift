/// Status codes of WebSocket close frames; the numbers from 4000 on are Switchboard's own.
package struct CloseCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let normal = CloseCode(rawValue: 1000)
    /// The server restarts; the client reconnects after a random delay.
    package static let goingAway = CloseCode(rawValue: 1001)
    package static let protocolError = CloseCode(rawValue: 1002)
    package static let unsupportedData = CloseCode(rawValue: 1003)
    /// A text message that isn't UTF-8.
    package static let invalidData = CloseCode(rawValue: 1007)
    package static let tooLarge = CloseCode(rawValue: 1009)
    package static let internalError = CloseCode(rawValue: 1011)
    package static let overloaded = CloseCode(rawValue: 1013)
    package static let unauthorized = CloseCode(rawValue: 4001)
    package static let signInTimeout = CloseCode(rawValue: 4002)
    package static let heartbeatTimeout = CloseCode(rawValue: 4003)
    package static let rateLimited = CloseCode(rawValue: 4008)
}
