internal import CEpoll
import Glibc

/// An error number of the kernel.
package struct Errno: Error, Equatable, Sendable, CustomStringConvertible {
    package let rawValue: Int32

    package var description: String { String(cString: strerror(rawValue)) }

    package static let wouldBlock = Errno(rawValue: EAGAIN)
    /// The descriptor table has no place left.
    package static let tableFull = Errno(rawValue: EMFILE)
    /// The peer doesn't keep to the protocol.
    static let protocolBroken = Errno(rawValue: EPROTO)
    /// What was to be there isn't.
    static let missing = Errno(rawValue: ENOENT)
}

/// One Swift function for each system call of this target: interrupted calls are repeated, a call that would block is
/// a value, a bad descriptor is our own mistake and traps, everything else is thrown.
enum SystemCall {
    @inline(__always)
    private static func retrying<Count: SignedInteger>(_ call: () -> Count) throws(Errno) -> Count {
        while true {
            let result = call()
            if result >= 0 { return result }
            let code = Int32(-result)
            if code == EINTR { continue }
            precondition(code != EBADF && code != EFAULT, "a stale descriptor or a bad buffer reached the kernel")
            throw Errno(rawValue: code)
        }
    }

    static func epollCreate() throws(Errno) -> Descriptor { Descriptor(try retrying { cep_epoll_create() }) }

    static func eventfd() throws(Errno) -> Descriptor { Descriptor(try retrying { cep_eventfd() }) }

    static func epollAdd(_ epoll: Int32, _ descriptor: Int32, _ events: UInt32, _ data: UInt64) throws(Errno) {
        _ = try retrying { cep_epoll_add(epoll, descriptor, events, data) }
    }

    static func epollModify(_ epoll: Int32, _ descriptor: Int32, _ events: UInt32, _ data: UInt64) throws(Errno) {
        _ = try retrying { cep_epoll_modify(epoll, descriptor, events, data) }
    }

    static func epollRemove(_ epoll: Int32, _ descriptor: Int32) throws(Errno) {
        _ = try retrying { cep_epoll_remove(epoll, descriptor) }
    }

    static func listen(_ address: SocketAddress, backlog: Int32, isExclusive: Bool) throws(Errno) -> Descriptor {
        Descriptor(try retrying { cep_listen(address.host, address.port, backlog, isExclusive ? 1 : 0) })
    }

    static func connect(_ address: SocketAddress, from source: String?) throws(Errno) -> Descriptor {
        Descriptor(try retrying { cep_connect(address.host, address.port, source) })
    }

    /// nil: nobody is waiting.
    static func accept(_ listener: Int32) throws(Errno) -> Int32? {
        do {
            return try retrying { cep_accept(listener) }
        } catch {
            // A peer that gave up while it waited is no error of ours (accept(2)).
            if error == .wouldBlock || error.rawValue == ECONNABORTED { return nil }
            throw error
        }
    }

    /// nil: nothing there now; 0: the peer has ended its side.
    static func receive(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
        do {
            return Int(try retrying { cep_receive(descriptor, buffer.baseAddress, buffer.count) })
        } catch {
            if error == .wouldBlock { return nil }
            throw error
        }
    }

    /// The peer's numeric address, without its port; nil if it is gone already.
    static func peerAddress(_ descriptor: Int32) -> String? {
        var text = [CChar](repeating: 0, count: 64)
        let count = cep_peer_address(descriptor, &text, text.count)
        guard count > 0 else { return nil }
        return String(decoding: text[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Bytes that were sent and that the peer's kernel hasn't acknowledged; 0 where that can't be told.
    static func untakenBytes(_ descriptor: Int32) -> Int { max(0, Int(cep_untaken_bytes(descriptor))) }

    /// The number of bytes that the kernel took; 0 if it is full.
    static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(Errno) -> Int {
        do {
            return Int(try retrying { cep_send(descriptor, bytes.baseAddress, bytes.count) })
        } catch {
            if error == .wouldBlock { return 0 }
            throw error
        }
    }

    static func ownDescriptorTable(keeping descriptors: Set<Int32>) throws(Errno) {
        let kept = descriptors.sorted()
        _ = try retrying { cep_own_descriptor_table(kept, Int32(kept.count)) }
    }

    static func socketPair() throws(Errno) -> (Int32, Int32) {
        var first: Int32 = -1, second: Int32 = -1
        _ = try retrying { cep_socket_pair(&first, &second) }
        return (first, second)
    }

    /// false: the pair is full, or the kernel has no memory or too many descriptors on their way.
    static func sendDescriptor(_ socket: Int32, ticket: UInt64, _ descriptor: Int32) throws(Errno) -> Bool {
        do {
            _ = try retrying { cep_send_descriptor(socket, ticket, descriptor) }
            return true
        } catch {
            if [EAGAIN, ETOOMANYREFS, ENOBUFS, ENOMEM].contains(error.rawValue) { return false }
            throw error
        }
    }

    /// The next descriptor that was sent, nil if the table had no place for it; nil in all if nothing is there.
    static func receiveDescriptor(_ socket: Int32) throws(Errno) -> (ticket: UInt64, descriptor: Int32?)? {
        var ticket: UInt64 = 0
        do {
            let descriptor = try retrying { cep_receive_descriptor(socket, &ticket) }
            return (ticket, descriptor)
        } catch {
            if error == .wouldBlock { return nil }
            if error.rawValue == EMFILE { return (ticket, nil) }
            throw error
        }
    }

    static func localPort(_ descriptor: Int32) throws(Errno) -> UInt16 {
        UInt16(try retrying { cep_local_port(descriptor) })
    }
}

/// Clocks, as the kernel gives them.
package enum Clock {
    /// Nanoseconds that only grow.
    package static var monotonicNanoseconds: UInt64 { cep_monotonic_nanoseconds() }
    /// Milliseconds since the Unix epoch, UTC.
    package static var realtimeMilliseconds: UInt64 { cep_realtime_milliseconds() }
}

/// What concerns the whole process.
package enum ProcessResources {
    /// Raises the soft limit of open descriptors to the hard one; returns what is then in force.
    package static func raiseDescriptorLimit() -> Int { Int(cep_raise_descriptor_limit()) }
    /// How many descriptors a table may hold.
    package static var descriptorLimit: Int { Int(cep_descriptor_limit()) }
    /// Cores that this process may use.
    package static var coreCount: Int { max(1, Int(cep_core_count())) }
    /// Lets the allocator keep this much of freed memory for what comes next; before other threads begin.
    package static func keepFreedMemory(bytes: Int) { _ = cep_keep_freed_memory(bytes) }
    /// Memory that the process has in pages; nil where that can't be told.
    package static var residentBytes: Int? {
        let bytes = Int(cep_resident_bytes())
        return bytes > 0 ? bytes : nil
    }
    /// Memory of the machine, or of the container; 0 where that can't be told.
    package static var memoryBytes: Int { max(0, Int(cep_memory_bytes())) }
    /// CPU time that the calling thread has taken.
    package static var threadNanoseconds: UInt64 { cep_thread_nanoseconds() }
    /// Gives the pages of freed memory back to the kernel. Takes milliseconds in which allocations may wait.
    package static func returnFreedMemory() { _ = cep_return_freed_memory() }
    /// Binds the calling thread to one core.
    package static func pinThread(core: Int) { _ = cep_pin_thread(Int32(core)) }
    /// Lets the calling thread's waits end when they are due, not up to 50 µs later as the kernel has it by default.
    package static func sharpenTimers() { _ = cep_sharpen_timers() }
}
