/// Cuts the byte stream of a TCP connection into binary frames.
///
/// A frame that lies whole in the fed bytes is given as a range of them. One that is split over reads is assembled in
/// memory that grows with the bytes that really came; between frames the decoder owns no memory.
///
///     var offset = 0
///     while true {
///         switch decoder.next(bytes, &offset) {
///         case .needMore: return                              // all bytes were taken
///         case .frame(let header, let payload): …              // payload is a range of `bytes`
///         case .assembled(let header): decoder.withAssembled { … }; decoder.releaseAssembled()
///         case .failure(let failure): …                        // final: every later call fails alike
///         }
///     }
package struct BinaryFrameDecoder: ~Copyable {
    /// What the bytes fed turned out to be.
    package enum Event: Equatable, Sendable {
        /// All bytes were taken and more are needed.
        case needMore
        /// A frame whose payload is this range of the fed bytes.
        case frame(BinaryHeader, Range<Int>)
        /// A frame whose payload the decoder holds until ``releaseAssembled()`` or the next call of ``next(_:_:)``.
        case assembled(BinaryHeader)
        case failure(Failure)
    }

    /// Why the stream can't be read any further.
    package enum Failure: UInt8, Error, Sendable {
        /// The frame's length is above the maximum.
        case tooLarge
        /// The last two bytes of the header aren't 0.
        case reserved
    }

    private enum State: UInt8 { case header, payload, assembled, tooLarge, reserved }

    private var memory: UnsafeMutableRawPointer?
    private var capacity: UInt32 = 0
    private var filled: UInt32 = 0
    /// The header, or as much of it as has come, little-endian.
    private var headerWord: UInt64 = 0
    private let lengthMax: UInt32
    private var headerFilled: UInt8 = 0
    private var state = State.header
    private var looks: UInt8 = 0

    /// Refuses frames with a payload above `lengthMax` bytes.
    package init(lengthMax: Int) { self.lengthMax = UInt32(lengthMax) }

    deinit { memory?.deallocate() }

    /// Whether no frame has begun; an idle decoder owns no memory.
    package var isIdle: Bool { state == .header && headerFilled == 0 }

    /// How often this was called since the frame in progress began; 0 if none has.
    package mutating func look() -> UInt8 {
        guard !isIdle else { return 0 }
        looks &+= 1
        return looks
    }

    /// Bytes of memory that the decoder owns.
    package var ownedByteCount: Int { Int(capacity) }

    /// Takes bytes from `offset` on, up to the end of one frame, and moves `offset` behind what was taken.
    package mutating func next(_ bytes: RawSpan, _ offset: inout Int) -> Event {
        switch state {
        case .assembled: releaseAssembled()
        case .tooLarge: return .failure(.tooLarge)
        case .reserved: return .failure(.reserved)
        case .header, .payload: break
        }
        if state == .header {
            guard takeHeader(bytes, &offset) else { return .needMore }
            guard let header = BinaryHeader(word: headerWord) else { return fail(.reserved) }
            guard header.length <= lengthMax else { return fail(.tooLarge) }
            let end = offset + Int(header.length)
            if end <= bytes.byteCount {
                let payload = offset..<end
                offset = end
                headerFilled = 0
                return .frame(header, payload)
            }
            headerFilled = 8
            state = .payload
        }
        return takePayload(bytes, &offset)
    }

    /// Calls `body` with the payload of the assembled frame. Traps if none is held.
    package func withAssembled<Result, Thrown: Error>(
        _ body: (RawSpan) throws(Thrown) -> Result
    ) throws(Thrown) -> Result {
        precondition(state == .assembled)
        return try body(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: memory, count: Int(filled))))
    }

    /// Gives back the memory of an assembled frame. Traps if none is held.
    package mutating func releaseAssembled() {
        precondition(state == .assembled)
        releaseMemory()
        headerFilled = 0
        state = .header
    }

    private mutating func takeHeader(_ bytes: RawSpan, _ offset: inout Int) -> Bool {
        if headerFilled == 0 { looks = 0 }
        if headerFilled == 0, offset + 8 <= bytes.byteCount {
            headerWord = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
            offset += 8
            return true
        }
        if headerFilled == 0 { headerWord = 0 }
        while headerFilled < 8, offset < bytes.byteCount {
            let byte = bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
            headerWord |= UInt64(byte) << UInt64(headerFilled * 8)
            headerFilled += 1
            offset += 1
        }
        return headerFilled == 8
    }

    private mutating func takePayload(_ bytes: RawSpan, _ offset: inout Int) -> Event {
        let header = BinaryHeader(word: headerWord).unsafelyUnwrapped
        let taken = min(bytes.byteCount - offset, Int(header.length - filled))
        if taken > 0 {
            grow(to: filled + UInt32(taken), of: header.length)
            bytes.extracting(offset..<(offset + taken)).withUnsafeBytes {
                (memory.unsafelyUnwrapped + Int(filled)).copyMemory(
                    from: $0.baseAddress.unsafelyUnwrapped, byteCount: taken)
            }
            offset += taken
            filled += UInt32(taken)
        }
        guard filled == header.length else { return .needMore }
        state = .assembled
        return .assembled(header)
    }

    /// Makes room for `needed` bytes of a payload of `length`: never more than twice of what came.
    private mutating func grow(to needed: UInt32, of length: UInt32) {
        guard needed > capacity else { return }
        let newCapacity = min(length, max(needed, max(64, capacity * 2)))
        let newMemory = UnsafeMutableRawPointer.allocate(byteCount: Int(newCapacity), alignment: 8)
        if let memory {
            newMemory.copyMemory(from: memory, byteCount: Int(filled))
            memory.deallocate()
        }
        memory = newMemory
        capacity = newCapacity
    }

    private mutating func fail(_ failure: Failure) -> Event {
        releaseMemory()
        state = failure == .tooLarge ? .tooLarge : .reserved
        return .failure(failure)
    }

    private mutating func releaseMemory() {
        memory?.deallocate()
        memory = nil
        capacity = 0
        filled = 0
    }
}
