extension OutputBuffer {
    /// Makes room for `byteCount` bytes and appends what `fill` writes: it gets the room and answers how many bytes
    /// of it are written, from its start. What is in the room before isn't defined. If `fill` throws, nothing is
    /// appended.
    ///
    /// Traps if `fill` claims more than the room.
    @inlinable
    package mutating func append<Failure: Error>(
        upTo byteCount: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) {
        guard byteCount > 0 else { return }
        reserve(byteCount)
        let written = try fill(UnsafeMutableRawBufferPointer(start: base.unsafelyUnwrapped + end, count: byteCount))
        precondition(written >= 0 && written <= byteCount)
        end += written
    }
}
