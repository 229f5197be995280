internal import Base
internal import CEpoll
package import TLS

private let acceptsPerEvent = 64

// How sockets come to a loop from outside.
extension EventLoop {
    /// Opens a listener; several loops may listen on one port, the kernel spreads connections over them.
    ///
    /// - Parameters:
    ///   - isExclusive: fail if anyone listens there already; for the first of several loops.
    ///   - security: what makes its connections speak TLS. The time limit of their handshake is kept by the timer
    ///     that the delegate starts.
    ///   - accepted: makes the delegate of a new channel, which then gets the channel.
    /// - Returns: the port, which the kernel chose if 0 was asked for.
    package func listen(
        on address: SocketAddress, backlog: Int32 = 4096, isExclusive: Bool = true,
        security: ListenerSecurity? = nil, accepted: @escaping () -> any AcceptingDelegate
    ) throws(Errno) -> UInt16 {
        let descriptor = try SystemCall.listen(address, backlog: backlog, isExclusive: isExclusive)
        let port = try SystemCall.localPort(descriptor.rawValue)
        let data = EventLoop.listenerBit | UInt64(listeners.count)
        try SystemCall.epollAdd(epoll, descriptor.rawValue, CEP_IN, data)
        listeners.append(Listener(descriptor: descriptor, data: data, security: security, makeDelegate: accepted))
        return port
    }

    /// Closes all listeners; connections that wait in their queues are refused by the kernel.
    package func stopListening() {
        for listener in listeners { listener.close() }
    }

    func accept(_ listener: Listener) {
        guard let descriptor = listener.descriptor else { return }
        for _ in 0..<acceptsPerEvent {
            do {
                guard let accepted = try acceptOne(descriptor) else { return }
                let delegate = listener.makeDelegate()
                let channel = Channel(loop: self, descriptor: Descriptor(accepted), state: .open, delegate: delegate)
                try register(channel, events: CEP_IN)
                counters.accepted &+= 1
                if let security = listener.security {
                    secure(channel, SecureStream(accepting: security, since: second))
                }
                delegate.channelAccepted(channel)
            } catch {
                pause(listener, because: error)
                return
            }
        }
    }

    private func acceptOne(_ listener: Int32) throws(Errno) -> Int32? {
        guard table.reserveForArrival() else { throw .tableFull }
        do {
            if let accepted = try SystemCall.accept(listener) { return accepted }
        } catch {
            table.giveBack()
            throw error
        }
        table.giveBack()
        return nil
    }

    /// Out of descriptors or memory: trying again at once would only burn the core.
    private func pause(_ listener: Listener, because error: Errno) {
        guard let descriptor = listener.descriptor else { return }
        try? SystemCall.epollRemove(epoll, descriptor)
        listener.isPaused = true
        lacksPlace = !table.hasPlace
        guard acceptFailedSecond != second else { return }
        acceptFailedSecond = second
        counters.acceptFailures &+= 1
        acceptFailed?(error)
    }

    /// Tries to accept again, where that failed.
    func resumeListeners() {
        lacksPlace = false
        for listener in listeners where listener.isPaused { resume(listener) }
    }

    private func resume(_ listener: Listener) {
        listener.isPaused = false
        guard let descriptor = listener.descriptor else { return }
        try? SystemCall.epollAdd(epoll, descriptor, CEP_IN, listener.data)
    }

    /// Starts to connect, over TLS if `security` is given; the delegate hears of success or of the end. What is
    /// written before the handshake is done goes out then.
    package func connect(
        to address: SocketAddress, from source: String? = nil, security: ClientTLS? = nil,
        delegate: any ChannelDelegate
    ) throws(Errno) -> Channel {
        guard table.reserveForArrival() else { throw .tableFull }
        let descriptor: Descriptor
        do {
            descriptor = try SystemCall.connect(address, from: source)
        } catch {
            table.giveBack()
            throw error
        }
        let channel = Channel(loop: self, descriptor: descriptor, state: .connecting, delegate: delegate)
        try register(channel, events: CEP_OUT)
        if let security { secure(channel, SecureStream(connecting: security, since: second)) }
        return channel
    }

    func finishConnecting(_ channel: Channel) {
        guard cep_socket_error(channel.descriptor) == 0 else { return close(channel, because: .error) }
        channel.state = .open
        updateInterest(channel)
        if channel.isSecure { beginHandshake(channel) }
        channel.delegate.channelConnected(channel)
        if !channel.buffer.isEmpty { channel.prepareToWrite() }
    }
}

/// A delegate that hears of its channel when a listener made it.
package protocol AcceptingDelegate: ChannelDelegate {
    func channelAccepted(_ channel: Channel)
}

/// A listening socket of one loop.
final class Listener {
    private(set) var descriptor: Int32?
    let data: UInt64
    let security: ListenerSecurity?
    let makeDelegate: () -> any AcceptingDelegate
    var isPaused = false

    init(
        descriptor: consuming Descriptor, data: UInt64, security: ListenerSecurity?,
        makeDelegate: @escaping () -> any AcceptingDelegate
    ) {
        self.descriptor = descriptor.release()
        self.data = data
        self.security = security
        self.makeDelegate = makeDelegate
    }

    func close() {
        if let descriptor { _ = cep_close(descriptor) }
        descriptor = nil
    }

    deinit { close() }
}
