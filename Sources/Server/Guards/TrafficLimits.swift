internal import Base
internal import Core

/// What one address, and one user, may do. 0 stands for no limit.
package struct TrafficLimits: Sendable, Equatable {
    /// Connections of one address at a time.
    package var connections = 10_000
    /// New connections of one address in a second.
    package var connectionRate = 500
    /// Sign-ins of one address in a second.
    package var signIns = 250
    /// Requests of one user over HTTP in a second; nil: 200, but none in development.
    package var requests: Int?
    /// Frames of one user in a second.
    package var frames = 0
    /// Bytes of one user's frames and requests in a second.
    package var bytes = 0
    /// Whether addresses of this machine count like others.
    package var includesLoopback = false

    package init() {}

    /// What may come together beyond the rate, in seconds of it.
    static let burstSeconds = 10
    /// Bytes that may come together at least: two frames of the largest size.
    static let burstBytesMin = 2 * Limits.frameBytesMax
    static let requestsDefault = 200
    private static let rateMax = 1_000_000
    private static let bytesMax = 100_000_000
    private static let connectionsMax = 10_000_000

    /// Requests of one user in a second, as the options and the mode have it.
    func requests(dev: Bool) -> Int { requests ?? (dev ? 0 : TrafficLimits.requestsDefault) }

    /// Throws what is wrong, in words for the operator.
    func validate() throws(ConfigurationError) {
        let limits = [
            ("--address-connections", connections, TrafficLimits.connectionsMax),
            ("--address-connection-rate", connectionRate, TrafficLimits.rateMax),
            ("--address-sign-ins", signIns, TrafficLimits.rateMax),
            ("--user-requests", requests ?? 0, TrafficLimits.rateMax),
            ("--user-frames", frames, TrafficLimits.rateMax),
            ("--user-bytes", bytes, TrafficLimits.bytesMax),
        ]
        for (name, value, most) in limits where !(0...most).contains(value) {
            throw ConfigurationError("\(name) must be 0 (no limit) to \(most)")
        }
    }
}

extension FrameAllowance {
    init(_ limits: TrafficLimits) {
        self.init(
            frames: limits.frames, bytes: limits.bytes, frameBurst: limits.frames * TrafficLimits.burstSeconds,
            byteBurst: max(limits.bytes * TrafficLimits.burstSeconds, TrafficLimits.burstBytesMin))
    }
}
