internal import Base
package import Reactor
internal import Wire

/// One connection of one user. Subclasses speak a protocol; the ``LoadLoop`` decides what is sent when.
///
/// *Thread:* its loop's.
package class LoadClient: ChannelDelegate {
    package enum State: UInt8 { case idle, connecting, opening, ready, ended }

    package let index: Int
    unowned let owner: LoadLoop
    package private(set) final var state = State.idle
    final var channel: Channel?
    final var template: MessageTemplate?
    /// What looks closer at what comes in; nil for clients that only count.
    final var role: ClientRole?
    /// Who sends to this client and waits for the arrival; on the same loop.
    unowned(unsafe) final var source: LoadClient?
    /// Messages without their answer.
    package final var outstanding = 0
    /// When the connection was begun.
    final var startedAt: UInt64 = 0
    private final var lastStamp: UInt64 = 0

    init(index: Int, owner: LoadLoop) {
        self.index = index
        self.owner = owner
    }

    /// Begins to connect. Throws if the kernel refuses at once, as when descriptors or ports run out.
    final func connect() throws {
        startedAt = Stamp.now
        state = .connecting
        let source = Target.source(index: index, of: owner.plan.connections, to: address)
        channel = try owner.loop.connect(
            to: address, from: source, security: owner.plan.target.security, delegate: self)
    }

    /// Makes a client whose connection ended ready to connect again.
    final func prepareAgain() {
        guard state == .ended else { return }
        state = .idle
        reset()
    }

    /// Sends the template with `stamp`, or the next later one: a stamp is the message's `cid` too, which is unique.
    @inline(__always)
    final func send(stamp: UInt64) {
        guard state == .ready, let channel else { return }
        let stamp = max(stamp, lastStamp &+ 1)
        lastStamp = stamp
        outstanding += 1
        owner.meter.sent += 1
        channel.prepareToWrite()
        writeMessage(stamp, to: channel)
    }

    /// Sends a role's message; a client that isn't signed in sends nothing.
    final func send(_ message: OutgoingMessage) { withReadyChannel { write(message, to: $0) } }

    /// Sends a JSON frame, in the binary protocol as a COMMAND.
    final func send(command json: String) { withReadyChannel { write(command: json, to: $0) } }

    /// Says that the client is there; the answer brings `stamp` back, if one is given.
    final func sendHeartbeat(_ stamp: UInt64? = nil) { withReadyChannel { writeHeartbeat(stamp, to: $0) } }

    private final func withReadyChannel(_ body: (Channel) -> Void) {
        guard state == .ready, let channel else { return }
        channel.prepareToWrite()
        body(channel)
    }

    /// Bytes that the peer hasn't taken yet.
    final var pendingBytes: Int { channel?.pendingBytes ?? 0 }

    /// Ends the connection; the owner isn't told.
    final func close() {
        guard state != .ended else { return }
        state = .ended
        channel?.abort()
        channel = nil
    }

    final func becameReady() {
        guard state == .opening else { return }
        state = .ready
        owner.clientReady(self)
    }

    final func fetch(after seq: UInt64) {
        withReadyChannel { writeFetch(after: seq, to: $0) }
    }

    /// Entries of one page.
    static let fetchLimit = 1_000

    /// Gives the connection up because of what came in.
    final func fail(_ reason: String) {
        owner.noteFailure(reason)
        channel?.abort()
    }

    // MARK: What a protocol does

    /// Where the protocol is spoken.
    var address: SocketAddress { owner.plan.target.tcp }

    /// Forgets what was left of the last connection.
    func reset() {}

    /// Writes what opens the conversation: a handshake or a sign-in.
    func writeOpening(to channel: Channel) throws {}
    /// Handles what came in.
    func receive(_ bytes: UnsafeMutableRawBufferPointer) {}
    /// Asks for what comes after an inbox entry, as a client does that was told it is behind.
    func writeFetch(after seq: UInt64, to channel: Channel) {}
    /// Writes what a role sends into the channel, which was prepared.
    func write(_ message: OutgoingMessage, to channel: Channel) {}
    /// Writes a JSON frame of section 3, which was prepared.
    func write(command json: String, to channel: Channel) {}
    /// Writes a heartbeat, which was prepared; its answer brings `stamp` back.
    func writeHeartbeat(_ stamp: UInt64?, to channel: Channel) {}
    /// Counts a JSON frame.
    func handle(json: UnsafeRawBufferPointer, _ now: UInt64) {}
    /// Counts a binary frame.
    func handle(_ header: BinaryHeader, _ payload: UnsafeRawBufferPointer, _ now: UInt64) {}
    /// Writes one message into the channel, which was prepared.
    func writeMessage(_ stamp: UInt64, to channel: Channel) {}

    // MARK: ChannelDelegate

    package final func channelConnected(_ channel: Channel) {
        state = .opening
        channel.prepareToWrite()
        do { try writeOpening(to: channel) } catch { fail("\(error)") }
    }

    package final func channel(_ channel: Channel, received bytes: UnsafeMutableRawBufferPointer) {
        owner.meter.bytesIn += bytes.count
        receive(bytes)
    }

    package final func channelTimer(_ channel: Channel) -> UInt64? { nil }

    package final func channelClosed(_ channel: Channel) {
        self.channel = nil
        guard state != .ended else { return }
        let wasReady = state == .ready
        state = .ended
        owner.clientLost(self, wasReady: wasReady)
    }
}
