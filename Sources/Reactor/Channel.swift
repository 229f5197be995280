package import Base
internal import Synchronization

/// What happens on a connected socket. *Thread:* the channel's loop.
package protocol ChannelDelegate: AnyObject {
    /// Bytes came in. They lie in the loop's shared buffer, may be changed in place, and are gone after the call.
    func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer)
    /// The channel's timer came up; returns in how many seconds to look again, nil for never.
    func channelTimer(_ channel: Channel) -> UInt64?
    /// All written bytes were taken by the kernel after they had to wait, or were more than may wait.
    func channelDrained(_ channel: Channel)
    /// The peer has ended its side; what it sent before has been received. True if it still gets answers: nothing
    /// more is read then, and the delegate ends the connection. False ends it now.
    func channelPeerEnded(_ channel: Channel) -> Bool
    /// The connection ended, by either side. The last call.
    func channelClosed(_ channel: Channel)
    /// The peer's connection is established; only for channels made by ``EventLoop/connect(to:from:delegate:)``.
    func channelConnected(_ channel: Channel)
    /// Bytes that came in and wait for what follows them.
    var bufferedBytes: Int { get }
}

extension ChannelDelegate {
    /// Nothing is owed to a peer that went.
    package func channelPeerEnded(_ channel: Channel) -> Bool { false }
    package func channelConnected(_ channel: Channel) {}
    /// Most delegates keep nothing.
    package var bufferedBytes: Int { 0 }
    package func channelDrained(_ channel: Channel) {}
}

/// A connected socket on its loop. Not Sendable: it belongs to its loop's thread.
package final class Channel: Outlet {
    enum State { case connecting, open, closing, closed }

    // The small ones first: they fill the gap behind the buffer.
    var state: State
    var waitsForRoom = false
    var isReading = true
    /// Whether reading rests until the peer has taken what was written.
    var isHeld = false
    /// Whether it speaks TLS; its stream is with the loop.
    var isSecure = false
    var descriptor: Int32
    /// What it counts as among the connections of its address.
    package var origin: ConnectionCounts.Place = 0
    /// The loop's second in which something last came in.
    package internal(set) var lastReceived: UInt32
    /// The loop's second in which something last went out.
    package internal(set) var lastSent: UInt32
    unowned let loop: EventLoop
    /// Slot and generation: what the kernel gives back with each event, so that a late event of an old connection
    /// isn't taken for one of the next that has the same descriptor.
    var token: UInt64 = 0
    package var delegate: any ChannelDelegate
    /// The loop's second in which it was to end, or in which its last byte was sent after that. What comes in then
    /// counts no more.
    var closingSince: UInt32 {
        get { lastReceived }
        set { lastReceived = newValue }
    }

    init(loop: EventLoop, descriptor: consuming Descriptor, state: State, delegate: any ChannelDelegate) {
        self.loop = loop
        self.descriptor = descriptor.release()
        self.state = state
        self.delegate = delegate
        lastReceived = loop.second
        lastSent = loop.second
        super.init()
    }

    override package func becameDirty() { loop.noteDirty(self) }

    override package func flushNow() {
        // A blocked one is flushed when the kernel says that there is room.
        if !waitsForRoom { loop.flush(self) }
    }

    override package func closeAfterFlush() {
        guard state == .open else { return }
        loop.beginClosing(self)
    }

    override package func abort() { loop.close(self, because: .aborted) }

    override package func setReading(_ reading: Bool) {
        guard reading != isReading else { return }
        isReading = reading
        // While we didn't listen, nobody could be heard.
        if reading { lastReceived = loop.second }
        loop.updateInterest(self)
    }

    /// The peer's numeric address, without its port; asks the kernel. Nil if it is gone already.
    package var peerAddress: String? { SystemCall.peerAddress(descriptor) }

    /// Whether we have stopped listening to the peer.
    package var isPaused: Bool { !isReading }

    /// Whether the peer doesn't take what is written.
    package var isBlocked: Bool { waitsForRoom }
}

/// A connection between two loops: the socket without a loop. It ends with this object unless a loop adopts it.
package final class DetachedChannel: Sendable {
    /// Where its descriptor is.
    enum Place {
        /// In the table of whoever adopts it.
        case table(Int32)
        /// In a passage to the loop that adopts it, with this ticket.
        case passage(ticket: UInt64)
        case adopted
    }

    private let place: Mutex<Place>
    /// Where it has a place reserved.
    private let table: DescriptorTable
    /// Bytes that were written and not yet sent.
    let unsent: [UInt8]
    /// What it has besides, if it speaks TLS.
    let stream: SecureStream?
    /// What it counts as among the connections of its address.
    let origin: ConnectionCounts.Place
    private let counts: ConnectionCounts?

    init(
        _ place: Place, table: DescriptorTable, unsent: [UInt8], stream: SecureStream? = nil,
        origin: ConnectionCounts.Place = 0, _ counts: ConnectionCounts? = nil
    ) {
        self.place = Mutex(place)
        self.table = table
        self.unsent = unsent
        self.stream = stream
        self.origin = origin
        self.counts = counts
    }

    deinit {
        if case .adopted = place.withLock({ $0 }) { return }
        counts?.giveBack(origin)
        switch place.withLock({ $0 }) {
        case .table(let rawValue):
            _ = Descriptor(rawValue)
            table.giveBack()
        // The descriptor itself goes with the passage.
        case .passage: table.giveBack()
        case .adopted: break
        }
    }

    /// Where the descriptor is, and with it the reserved place. Traps if it was adopted before.
    func take() -> Place {
        let place = place.withLock { place in
            defer { place = .adopted }
            return place
        }
        if case .adopted = place { preconditionFailure("a channel is adopted once") }
        return place
    }
}
