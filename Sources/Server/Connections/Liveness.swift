internal import Base
internal import Reactor

/// What a look at a signed-in connection says: whether to ping it, give it up, or look again later.
enum Liveness: Equatable {
    case alive(lookAgainIn: UInt64)
    case ping
    case gone

    /// - Parameters:
    ///   - unheard: seconds since something last came in.
    ///   - quiet: seconds since something last went either way.
    init(unheard: UInt64, quiet: UInt64) {
        // Who only listens is pinged too, however much is sent, since nothing else tells that it is still there.
        let latestPing = Limits.heartbeatTimeoutSeconds - Limits.heartbeatSeconds
        if unheard >= Limits.heartbeatTimeoutSeconds {
            self = .gone
        } else if quiet >= Limits.heartbeatSeconds || unheard >= latestPing {
            self = .ping
        } else {
            self = .alive(lookAgainIn: min(Limits.heartbeatSeconds - quiet, latestPing - unheard))
        }
    }

    init(_ channel: Channel, now: UInt32) {
        // Who isn't listened to can't show that it is there.
        if channel.isPaused { self = .alive(lookAgainIn: Limits.heartbeatSeconds); return }
        self.init(
            unheard: UInt64(now &- channel.lastReceived),
            quiet: UInt64(now &- max(channel.lastReceived, channel.lastSent)))
    }
}
