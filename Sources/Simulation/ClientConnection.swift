internal import Base
internal import Core
internal import Wire

/// What a client says.
enum ClientFrame {
    case json([UInt8])
    /// With its header.
    case binary([UInt8])
}

/// The way out of a simulated connection: what is written waits until the world lets it flow.
final class SimulatedOutlet: Outlet {
    var isClosing = false
    var isReading = true

    override func closeAfterFlush() { isClosing = true }
    override func abort() { isClosing = true }
    override func setReading(_ reading: Bool) { isReading = reading }

    /// The flush at the end of a tick has happened.
    func ticked() { isDirty = false }

    func take(_ count: Int) -> [UInt8] {
        let taken = Array(buffer.unsafeBytes.prefix(count))
        buffer.discardFirst(taken.count)
        return taken
    }
}

/// One connection of a device to a hub: both directions, and what the client knows of the session.
final class ClientConnection: SessionOwner {
    let number: Int
    let device: Device
    let hub: Int
    let form: Session.Form
    let outlet = SimulatedOutlet()
    var session: Session?
    private(set) var isReady = false
    /// Whether anybody still listens at the other end.
    var hasClient = true
    /// Frames on their way to the hub.
    var toServer: [ClientFrame] = []
    private var received: [UInt8] = []
    /// What the checker knows.
    var view: SessionView

    init(number: Int, device: Device, hub: Int, form: Session.Form, after: UInt64?) {
        self.number = number
        self.device = device
        self.hub = hub
        self.form = form
        view = SessionView(after: after)
    }

    func sessionIsReady(_ session: Session) { isReady = true }

    func sessionFailed(_ session: Session) { outlet.isClosing = true }

    var mayServe: Bool { isReady && outlet.isReading && !toServer.isEmpty }

    /// Takes bytes off the wire; gives the frames that are whole now, nil if they are none.
    func receive(_ bytes: [UInt8]) -> [ServerFrame]? {
        received += bytes
        var frames: [ServerFrame] = []
        var offset = 0
        while let (frame, next) = nextFrame(at: offset) {
            guard let frame else { return nil }
            frames.append(frame)
            offset = next
        }
        received.removeFirst(offset)
        return frames
    }

    /// The frame at `offset` and where the next one begins; nil if it isn't there whole. The frame is nil if it is bad.
    private func nextFrame(at offset: Int) -> (ServerFrame?, Int)? {
        received.withUnsafeBytes { all in
            let rest = UnsafeRawBufferPointer(rebasing: all[offset...])
            if form == .binaryTCP {
                guard rest.count >= BinaryHeader.byteCount else { return nil }
                let length = Int(rest.loadUnaligned(as: UInt32.self)) + BinaryHeader.byteCount
                guard rest.count >= length else { return nil }
                return (ServerFrame(binary: UnsafeRawBufferPointer(rebasing: rest[..<length])), offset + length)
            }
            guard rest.count >= 2 else { return nil }
            var start = 2
            var length = Int(rest[1])
            if length == 126 {
                guard rest.count >= 4 else { return nil }
                length = Int(rest[2]) << 8 | Int(rest[3])
                start = 4
            } else if length == 127 {
                guard rest.count >= 10 else { return nil }
                length = (2..<10).reduce(0) { $0 << 8 | Int(rest[$1]) }
                start = 10
            }
            guard rest.count >= start + length else { return nil }
            let payload = UnsafeRawBufferPointer(rebasing: rest[start..<start + length])
            let frame: ServerFrame? =
                switch rest[0] {
                case 0x81: ServerFrame(json: payload)
                case 0x82: ServerFrame(binary: payload)
                default: nil
                }
            return (frame, offset + start + length)
        }
    }

    /// Forgets what is on the wire: the connection is gone.
    func cut() {
        toServer = []
        received = []
    }
}

/// One device of a user, across all of its connections.
final class Device {
    let index: Int
    let user: Int
    let userID: Identifier
    let name: Identifier
    /// It has every inbox entry from its beginning up to here.
    var have: UInt64 = 0
    /// Entries that it has beyond a hole.
    var ahead: Set<UInt64> = []
    /// Whether a welcome ever reached it: until then, the store may not know it.
    var isKnown = false
    /// The largest place it has ever told to have, and the largest that the router has answered for.
    var confirmSent: UInt64 = 0
    var confirmAnswered: UInt64 = 0
    var connection: ClientConnection?
    /// Where it was last on each channel.
    var channels: [String: ChannelView] = [:]

    init(index: Int, user: Int, userID: Identifier, name: Identifier) {
        self.index = index
        self.user = user
        self.userID = userID
        self.name = name
    }
}
