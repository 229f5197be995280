internal import Base
internal import CEpoll
package import TLS

/// One thread's world: an epoll set, listeners, channels, a timer wheel and a mailbox.
///
/// A tick has fixed phases: wait → read all → mail → hand over → flush → timers → free. Everything that the phases
/// before have written to one socket goes out in one call, and what was handed over in one batch.
/// Not Sendable: all but ``mailbox`` and ``executor`` belongs to the loop's thread.
package final class EventLoop {
    package let mailbox: Mailbox
    package let executor: LoopExecutor
    /// Called when a tick begins: time has gone on.
    package var tickBegan: (() -> Void)?
    /// Called after all input of a tick was handled and before the flush: where batches are handed over.
    package var beforeFlush: (() -> Void)?
    /// Called when all that a tick wrote was offered to the sockets, with ``Clock/monotonicNanoseconds`` as of then.
    package var afterFlush: ((UInt64) -> Void)?
    /// Whole seconds of the monotonic clock; steps once a second.
    package private(set) var second: UInt32
    /// Milliseconds since the Unix epoch, as of this tick's beginning.
    package private(set) var milliseconds: UInt64
    /// ``Clock/monotonicNanoseconds`` as of this tick's beginning.
    package private(set) var instant: UInt64
    package internal(set) var counters = LoopCounters()
    /// Open channels.
    package private(set) var channelCount = 0
    /// An instant of ``Clock/monotonicNanoseconds`` at which a tick shall run even if nothing happens; finer than the
    /// timers, for whoever sends on a schedule. It stays until it is changed.
    package var wakeAt: UInt64?
    /// Called when descriptors run out while accepting, at most once a second.
    package var acceptFailed: ((Errno) -> Void)?
    /// Called when a client doesn't come as far as speaking TLS.
    package var handshakeFailed: ((TLSFailure) -> Void)?

    /// Who counts the connections of each address, if somebody does.
    package var counts: ConnectionCounts?
    /// Where the connections of this loop have their descriptors.
    package let table: DescriptorTable
    let epoll: Int32
    /// What makes milliseconds since the epoch of the monotonic clock; looked up once a second, so that a tick reads
    /// one clock when it begins.
    private var epochOffset: UInt64
    private var events: [cep_event]
    private let readBuffer: UnsafeMutableRawBufferPointer
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    var listeners: [Listener] = []
    private var dirty: [Channel] = []
    private var flushing: [Channel] = []
    private var closed: [UInt32] = []
    var blocks = BlockPool()
    /// Of the channels that speak TLS, by slot; empty where none does.
    var streams: [SecureStream?] = []
    /// Where records are opened; made for the first.
    var plainBuffer: UnsafeMutableRawBufferPointer?
    /// Steps of handshakes that were taken in this tick.
    var handshakeSteps = 0
    private var wheel: TimerWheel
    private var due: [UInt64] = []
    private var mails: [Mailbox.Mail] = []
    var received: Received
    /// Connections that wait for their way into another loop's table, the oldest first.
    var departures: [Departure] = []
    /// Whether a listener waits for a place in the table.
    var lacksPlace = false
    /// The loop's second in which it was last told that descriptors have run out.
    var acceptFailedSecond: UInt32?
    /// Bytes that the peers of closing channels hadn't taken when last looked at, by token.
    private var untaken: [UInt64: (bytes: Int, looks: Int)] = [:]
    private var isRunning = true
    private var hasEnded = false

    private struct Slot {
        var channel: Channel?
        var generation: UInt32
    }

    private static let mailboxData = UInt64.max
    static let listenerBit = UInt64(1) << 63
    static let readBufferBytes = 64 << 10
    private static let eventsPerWait = 512
    /// How long a peer may take to end its side after we ended ours.
    private static let lingerSeconds: UInt64 = 2
    /// How long it may take none of what is still on its way to it.
    private static let stallSeconds: UInt64 = 10
    /// Looks, two seconds apart, after which it is closed however slowly it still takes.
    private static let lingerLooksMax = 150

    /// - Parameters:
    ///   - mailbox: made before the loop, so that others can post before its thread runs.
    ///   - table: the one that the loop's thread has, which it may share with others.
    ///   - entrance: how connections come into a table of the loop's own.
    package init(
        mailbox: Mailbox, table: DescriptorTable = DescriptorTable(), entrance: DescriptorPassage? = nil
    ) throws(Errno) {
        let epoll = try SystemCall.epollCreate()
        try SystemCall.epollAdd(epoll.rawValue, mailbox.descriptor, CEP_IN, EventLoop.mailboxData)
        self.epoll = epoll.release()
        self.mailbox = mailbox
        self.table = table
        received = Received(entrance)
        executor = LoopExecutor(mailbox: mailbox)
        events = Array(repeating: cep_event(), count: EventLoop.eventsPerWait)
        readBuffer = .allocate(byteCount: EventLoop.readBufferBytes, alignment: 64)
        instant = Clock.monotonicNanoseconds
        let now = instant / 1_000_000_000
        second = UInt32(truncatingIfNeeded: now)
        wheel = TimerWheel(tick: now)
        milliseconds = Clock.realtimeMilliseconds
        epochOffset = milliseconds &* 1_000_000 &- instant
    }

    deinit {
        readBuffer.deallocate()
        plainBuffer?.deallocate()
        end()
    }

    /// Runs ticks on the calling thread until ``stop()``.
    package func run() {
        while isRunning { runOnce() }
        for slot in slots { if let channel = slot.channel { close(channel, because: .stopped) } }
        freeClosed()
        end()
    }

    /// Gives its descriptors back: of a loop that isn't going to run, too. On the thread whose table they are in, as
    /// this object may go on another. *Thread:* the loop's.
    package func end() {
        guard !hasEnded else { return }
        hasEnded = true
        dropDepartures()
        received.closeAll()
        stopListening()
        _ = cep_close(epoll)
    }

    /// Lets ``run()`` return after this tick. *Thread:* the loop's; from elsewhere, post it.
    package func stop() { isRunning = false }

    /// Runs one tick; sleeps before it if there is nothing to do.
    package func runOnce() {
        let count = waitForEvents()
        instant = Clock.monotonicNanoseconds
        milliseconds = (instant &+ epochOffset) / 1_000_000
        handshakeSteps = 0
        tickBegan?()
        for index in 0..<count { handle(events[index]) }
        runMail()
        beforeFlush?()
        if !departures.isEmpty { sendDepartures() }
        flushDirty()
        let now = Clock.monotonicNanoseconds
        afterFlush?(now)
        counters.countTick(now &- instant)
        advanceTimers(to: now / 1_000_000_000)
        freeClosed()
        if lacksPlace, table.hasPlace { resumeListeners() }
    }

    // MARK: Waiting

    /// Profilers filter on this name: time in it is idle.
    @inline(never)
    private func waitForEvents() -> Int {
        let nanoseconds = Clock.monotonicNanoseconds
        let nextSecond = (UInt64(wheel.tick) + 1) * 1_000_000_000
        var timeout = nextSecond > nanoseconds ? Int32((nextSecond - nanoseconds) / 1_000_000 + 1) : 0
        // Nothing tells when a passage has room again; that takes its loop no longer than a tick.
        if !departures.isEmpty { timeout = min(timeout, 1) }
        if !mailbox.prepareToSleep() { timeout = 0 }
        let count = events.withUnsafeMutableBufferPointer { events in
            guard timeout > 0, let wakeAt, wakeAt < nextSecond else {
                return cep_epoll_wait(epoll, events.baseAddress, Int32(events.count), timeout)
            }
            let delay = wakeAt > nanoseconds ? wakeAt - nanoseconds : 0
            return cep_epoll_wait_nanoseconds(epoll, events.baseAddress, Int32(events.count), delay)
        }
        mailbox.wokeUp()
        return max(0, Int(count))
    }

    private func handle(_ event: cep_event) {
        let data = event.data
        if data == EventLoop.mailboxData { return mailbox.drainWakeUp() }
        if data & EventLoop.listenerBit != 0 { return accept(listeners[Int(data & 0xFFFF)]) }
        // Closed in this tick: its descriptor may be another's by now.
        guard let channel = channel(of: data), channel.state != .closed else { return }
        if channel.state == .connecting { return finishConnecting(channel) }
        if event.events & CEP_OUT != 0 { channel.prepareToWrite() }
        if event.events & (CEP_IN | CEP_HUP | CEP_ERR) != 0 {
            receive(channel, isGone: event.events & (CEP_HUP | CEP_ERR) != 0)
        }
    }

    private func channel(of token: UInt64) -> Channel? {
        let slot = Int(token & 0xFFFF_FFFF)
        guard slot < slots.count, slots[slot].generation == UInt32(token >> 32) else { return nil }
        return slots[slot].channel
    }

    private func receive(_ channel: Channel, isGone: Bool) {
        guard channel.isReading && !channel.isHeld || channel.state == .closing else {
            // The kernel tells of a peer that is gone until it is heard, whether we want to read or not.
            if isGone { close(channel, because: .peer) }
            return
        }
        if channel.isSecure, channel.state == .open, !mayOpen(channel) { return }
        do {
            guard let count = try SystemCall.receive(channel.descriptor, readBuffer) else { return }
            guard count > 0 else { return peerEnded(channel) }
            counters.bytesReceived &+= UInt64(count)
            counters.receives &+= 1
            // What comes in after we said goodbye is only read so that it doesn't reset the goodbye.
            guard channel.state == .open else { return }
            channel.lastReceived = second
            let bytes = UnsafeMutableRawBufferPointer(rebasing: readBuffer[..<count])
            if channel.isSecure { return receiveSealed(UnsafeRawBufferPointer(bytes), channel) }
            channel.delegate.channel(channel, received: bytes)
        } catch {
            close(channel, because: .error)
        }
    }

    func peerEnded(_ channel: Channel) {
        guard channel.state == .open else { return close(channel, because: .peer) }
        guard isEstablished(channel) else {
            handshakeFailed?(.gone)
            return close(channel, because: .peer)
        }
        guard channel.delegate.channelPeerEnded(channel) else { return close(channel, because: .peer) }
        // The kernel would tell of the end with every wait.
        if channel.state == .open { channel.setReading(false) }
    }

    // MARK: Mail and timers

    private func runMail() {
        mailbox.takeAll(into: &mails)
        for mail in mails {
            switch mail {
            case .work(let work): work()
            case .job(let job): job.runSynchronously(on: executor.asUnownedTaskExecutor())
            }
        }
        mails.removeAll(keepingCapacity: true)
    }

    private func advanceTimers(to now: UInt64) {
        guard wheel.tick < now else { return }
        epochOffset = Clock.realtimeMilliseconds &* 1_000_000 &- Clock.monotonicNanoseconds
        while wheel.tick < now {
            wheel.advance(into: &due)
            second = UInt32(truncatingIfNeeded: wheel.tick)
            for token in due {
                guard let channel = channel(of: token), channel.state != .closed else { continue }
                if channel.state == .closing {
                    linger(channel)
                    continue
                }
                let next = channel.isSecure ? secureTimer(channel) : channel.delegate.channelTimer(channel)
                if let seconds = next { wheel.schedule(token, in: seconds) }
            }
            resumeListeners()
            // What timers wrote goes out together: one tick's pings in one flush.
            flushDirty()
        }
    }

    /// Gives back what is kept to be used again. *Thread:* the loop's.
    package func releaseSpareMemory() {
        blocks.releaseAll()
        wheel.releaseSpareMemory()
        due = []
    }

    // MARK: Writing

    func noteDirty(_ channel: Channel) {
        blocks.lend(to: &channel.buffer)
        dirty.append(channel)
    }

    private func flushDirty() {
        while !dirty.isEmpty {
            swap(&dirty, &flushing)
            for channel in flushing { flush(channel) }
            flushing.removeAll(keepingCapacity: true)
        }
    }

    func flush(_ channel: Channel) {
        channel.isDirty = false
        guard channel.state == .open || channel.state == .closing else { return }
        let wasMuch = channel.buffer.count > Limits.sessionOutputBytesMax
        do {
            if channel.isSecure {
                try sendSealed(channel)
            } else if !channel.buffer.isEmpty {
                let sent = try SystemCall.send(channel.descriptor, channel.buffer.unsafeBytes)
                channel.buffer.discardFirst(sent)
                noteSent(channel, sent)
            }
        } catch {
            return close(channel, because: .error)
        }
        guard channel.buffer.count <= Limits.outputBytesMax else { return close(channel, because: .overfull) }
        let backlog = backlog(channel)
        hold(channel, backlog > (channel.isHeld ? 0 : Limits.unreadAnswersMax))
        let mustWait = backlog > 0
        if mustWait != channel.waitsForRoom {
            channel.waitsForRoom = mustWait
            updateInterest(channel)
            if !mustWait { channel.delegate.channelDrained(channel) }
        } else if wasMuch, !mustWait {
            // The kernel took at once what had kept somebody from writing more.
            channel.delegate.channelDrained(channel)
        }
        // Empty, unless it waits for a handshake.
        guard !mustWait, channel.buffer.isEmpty else { return }
        blocks.takeBack(from: &channel.buffer)
        if channel.state == .closing { finishClosing(channel) }
    }

    func noteSent(_ channel: Channel, _ count: Int) {
        counters.bytesSent &+= UInt64(count)
        counters.sends &+= 1
        guard count > 0 else { return }
        channel.lastSent = second
        // Whoever takes answers lives, though nothing is read from it meanwhile.
        if channel.isHeld { channel.lastReceived = second }
    }

    /// Reads nothing more from who doesn't take its answers, until it has taken all.
    private func hold(_ channel: Channel, _ isHeld: Bool) {
        guard isHeld != channel.isHeld else { return }
        channel.isHeld = isHeld
        updateInterest(channel)
    }

    /// Ends our side; the descriptor goes when the peer ends its own, or when the timer gives up on it.
    private func finishClosing(_ channel: Channel) {
        _ = cep_shutdown_write(channel.descriptor)
        channel.closingSince = second
        if !channel.isReading {
            channel.isReading = true
            updateInterest(channel)
        }
    }

    /// Sends what is still written, and gives the peer time to take it.
    func beginClosing(_ channel: Channel) {
        channel.state = .closing
        channel.closingSince = second
        wheel.schedule(channel.token, in: EventLoop.lingerSeconds)
        channel.prepareToWrite()
    }

    /// A timer of a closing channel: ends it once nothing has moved for the time that a peer gets. What moves is told
    /// by the kernel's queue: it asks for more only when a good part of that is free.
    private func linger(_ channel: Channel) {
        let left = channel.buffer.count + SystemCall.untakenBytes(channel.descriptor)
        let before = untaken[channel.token] ?? (0, 0)
        untaken[channel.token] = (left, before.looks + 1)
        if before.bytes != left { channel.closingSince = second }
        let patience = left > 0 ? EventLoop.stallSeconds : EventLoop.lingerSeconds
        guard UInt64(second &- channel.closingSince) < patience, before.looks < EventLoop.lingerLooksMax else {
            return close(channel, because: left > 0 ? .stalled : .ended)
        }
        wheel.schedule(channel.token, in: EventLoop.lingerSeconds)
    }

    func updateInterest(_ channel: Channel) {
        guard channel.state == .open || channel.state == .closing else { return }
        let events = (channel.isReading && !channel.isHeld ? CEP_IN : 0) | (channel.waitsForRoom ? CEP_OUT : 0)
        try? SystemCall.epollModify(epoll, channel.descriptor, events, channel.token)
    }

    // MARK: Channels

    /// Makes a socket part of this loop.
    func register(_ channel: Channel, events: UInt32) throws(Errno) {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(slots.count)
            slots.append(Slot(channel: nil, generation: 0))
        }
        channel.token = UInt64(slots[Int(slot)].generation) << 32 | UInt64(slot)
        slots[Int(slot)].channel = channel
        channelCount += 1
        do {
            try SystemCall.epollAdd(epoll, channel.descriptor, events, channel.token)
        } catch {
            close(channel, because: .error)
            throw error
        }
    }

    func close(_ channel: Channel, because reason: CloseReason) {
        guard channel.state != .closed else { return }
        // A peer that ends its side after we ended ours only agrees.
        let isAgreement = channel.state == .closing && reason == .peer
        counters.countClosed(isAgreement ? CloseReason.ended : reason)
        channel.state = .closed
        _ = cep_close(channel.descriptor)
        table.giveBack()
        counts?.giveBack(channel.origin)
        channel.buffer.release()
        forget(channel)
        channel.delegate.channelClosed(channel)
    }

    func forget(_ channel: Channel) {
        closed.append(UInt32(channel.token & 0xFFFF_FFFF))
        _ = takeStream(of: channel)
        if !untaken.isEmpty { untaken[channel.token] = nil }
        channelCount -= 1
    }

    /// Slots are re-used only after the tick, so that a token never means two channels within one.
    private func freeClosed() {
        for slot in closed {
            slots[Int(slot)].channel = nil
            slots[Int(slot)].generation = (slots[Int(slot)].generation &+ 1) & 0x7FFF_FFFF
            freeSlots.append(slot)
        }
        closed.removeAll(keepingCapacity: true)
    }

    /// Looks at `channel` in `seconds`; at most one timer a channel may run.
    package func startTimer(_ channel: Channel, seconds: UInt64) { wheel.schedule(channel.token, in: seconds) }

    /// Calls `body` with every open channel; it may close them.
    package func forEachChannel(_ body: (Channel) -> Void) {
        for slot in slots {
            if let channel = slot.channel, channel.state == .open { body(channel) }
        }
    }

    /// Calls `body` with open channels from a slot on, of which it looks at `most`.
    ///
    /// - Returns: the slot to go on with, from the first one again after the last.
    package func forSomeChannels(from start: Int, most: Int, _ body: (Channel) -> Void) -> Int {
        guard !slots.isEmpty else { return 0 }
        var slot = start < slots.count ? start : 0
        for _ in 0..<min(most, slots.count) {
            if let channel = slots[slot].channel, channel.state == .open { body(channel) }
            slot = slot + 1 < slots.count ? slot + 1 : 0
        }
        return slot
    }
}
