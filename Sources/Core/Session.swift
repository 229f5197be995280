package import Base

/// One signed-in connection, as the chat rules see it. *Thread:* the loop of its user.
package final class Session {
    /// How frames for this session are wrapped.
    package enum Form: UInt8, Sendable {
        /// JSON in WebSocket text frames.
        case json
        /// Section 4 of the contract in WebSocket binary frames.
        case binaryWebSocket
        /// The same over TCP.
        case binaryTCP
    }

    enum State {
        /// The store hasn't told the inbox's head yet.
        case attaching
        /// Entries from before the sign-in are on their way; live ones wait in the store.
        case catchingUp
        case live
        /// The socket takes too little: nothing is pushed until the client has fetched up.
        case behind
        case closed
    }

    package let outlet: Outlet
    let user: User
    let device: PackedIdentifier
    /// Slot and generation in the hub's session table.
    var handle: UInt64 = 0
    package let form: Form
    /// Whether compressed bodies may be delivered as they came.
    let readsLZ4: Bool
    var state = State.attaching
    /// ``awaitsPage`` and ``missesPush`` in one byte: there are very many sessions.
    private var flags: UInt8 = 0
    /// By which login this session was believed.
    package let login: LoginMark
    /// The last inbox entry that this session was given or that it caused. While it is being attached: the one that
    /// the client resumes behind.
    var sentThrough: UInt64
    /// Up to where this device has confirmed, as far as this loop knows.
    var confirmed: UInt64 = 0

    init(
        outlet: Outlet, user: User, device: PackedIdentifier, login: LoginMark = .none, resumingAfter: UInt64?,
        form: Form, readsLZ4: Bool
    ) {
        self.outlet = outlet
        self.user = user
        self.device = device
        self.login = login
        self.form = form
        self.readsLZ4 = readsLZ4
        sentThrough = resumingAfter ?? .max
    }

    package var userID: Identifier { user.id }

    /// Whether a page for catching up is being read.
    var awaitsPage: Bool {
        get { flags & 1 != 0 }
        set { flags = flags & ~1 | (newValue ? 1 : 0) }
    }

    /// Whether a message of a large group was left out, since the session wasn't live.
    var missesPush: Bool {
        get { flags & 2 != 0 }
        set { flags = flags & ~2 | (newValue ? 2 : 0) }
    }
}

/// The connection that a session belongs to; it hears of the sign-in's end. *Thread:* the loop's.
package protocol SessionOwner: AnyObject {
    /// The welcome was written: frames of the client may be given to the hub.
    func sessionIsReady(_ session: Session)
    /// The store couldn't attach the inbox: the connection must end, and may come back later.
    func sessionFailed(_ session: Session)
}

extension Session: Slotted {
    static var slotBits: Int { 32 }
    static var generationBits: Int { 32 }
}

/// An ack that waits for its turn while a session catches up.
struct DeferredAck {
    let seq: UInt64
    /// Whether it stands for its entry: this session sent the message. That of a resend comes behind the entry.
    let takesPlace: Bool
    let frame: [UInt8]
}
