package import Base

/// What the operator's own systems are told, in the order in which it happened.
package struct EventPage: Sendable {
    /// One event. Its number is one more than that of the event before it.
    package struct Event: Sendable {
        package var number: UInt64
        /// Milliseconds since the Unix epoch.
        package var time: UInt64
        package var content: Content

        package init(number: UInt64, time: UInt64, content: Content) {
            self.number = number
            self.time = time
            self.content = content
        }
    }

    /// What happened.
    package enum Content: Sendable {
        /// A message or a notice, an offset in ``EventPage/arena``: as it is now, not as it was then.
        case entry(UInt32)
        /// A user's first session has come.
        case connect(Identifier)
        /// A user's last session has ended.
        case disconnect(Identifier)
        /// The store was opened; nobody is connected.
        case start
    }

    package var arena: RecordArena
    package var events: [Event]
    /// Whether there is more behind the page.
    package var more: Bool
    /// The number of the newest event there is; 0 if there never was one.
    package var last: UInt64

    package init(arena: RecordArena, events: [Event], more: Bool, last: UInt64) {
        self.arena = arena
        self.events = events
        self.more = more
        self.last = last
    }
}

/// Which events are wanted.
package struct EventQuery: Sendable {
    /// Those behind this number; nil: behind what was delivered.
    package var after: UInt64?
    package var limit: Int

    package init(after: UInt64?, limit: Int) {
        self.after = after
        self.limit = limit
    }
}
