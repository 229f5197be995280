/// One connection's way out, as the layers above the sockets see it: a buffer to write frames into, and a note that
/// there is something to flush.
///
/// Whoever owns the socket (or plays it, in a simulation) subclasses it. *Thread:* the owning loop's only.
open class Outlet {
    @usableFromInline package final var buffer: OutputBuffer = OutputBuffer()
    /// Set from the first write of a tick until the flush.
    @usableFromInline package final var isDirty: Bool = false

    package init() {}

    /// To be called before writing into ``buffer``; asks for one flush at the end of the tick.
    @inlinable @inline(__always)
    package final func prepareToWrite() {
        if !isDirty {
            isDirty = true
            becameDirty()
        }
    }

    /// Called once for each tick in which something is written.
    open func becameDirty() {}

    /// Offers the socket what is written without waiting for the end of the tick, so that ``pendingBytes`` tells what
    /// the peer doesn't take. The connection may end by it.
    open func flushNow() {}

    /// Sends what is written and then ends the connection.
    open func closeAfterFlush() {}

    /// Ends the connection at once.
    open func abort() {}

    /// Stops or resumes reading from this connection.
    open func setReading(_ reading: Bool) {}

    /// Waiting bytes that the peer hasn't taken.
    package final var pendingBytes: Int { buffer.count }
}
