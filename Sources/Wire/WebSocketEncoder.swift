package import Base

/// Frames on their way out (RFC 6455, section 5). A server's frames carry no mask, a client's must.
extension OutputBuffer {
    /// Appends the header of an unmasked frame of exactly `payloadBytes` bytes, which the caller appends next.
    ///
    /// The length takes its shortest form: 2 header bytes up to 125, 4 up to 65,535, else 10.
    package mutating func appendFrameHeader(_ opcode: WebSocketOpcode, payloadBytes: Int, isFinal: Bool = true) {
        appendFrameHeader(opcode, payloadBytes: payloadBytes, isFinal: isFinal, maskBit: 0)
    }

    /// Appends a whole unmasked frame.
    package mutating func appendFrame(_ opcode: WebSocketOpcode, _ payload: RawSpan, isFinal: Bool = true) {
        reserve(WebSocketFrameHeader.bytesMax + payload.byteCount)
        appendFrameHeader(opcode, payloadBytes: payload.byteCount, isFinal: isFinal, maskBit: 0)
        append(payload)
    }

    /// Appends a whole masked frame, as a client must send. `key` is the masking key, which RFC 6455, section 5.3,
    /// wants unpredictable: the caller draws it anew for each frame.
    package mutating func appendMaskedFrame(
        _ opcode: WebSocketOpcode, _ payload: RawSpan, key: UInt32, isFinal: Bool = true
    ) {
        reserve(WebSocketFrameHeader.bytesMax + payload.byteCount)
        appendFrameHeader(opcode, payloadBytes: payload.byteCount, isFinal: isFinal, maskBit: 0x80)
        append(littleEndian: key)
        var key64 = Masking.wideKey(key, phase: 0)
        var offset = 0
        while offset + 8 <= payload.byteCount {
            let word = payload.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
            append(littleEndian: word.littleEndian ^ key64)
            offset += 8
        }
        while offset < payload.byteCount {
            append(payload.unsafeLoad(fromByteOffset: offset, as: UInt8.self) ^ UInt8(truncatingIfNeeded: key64))
            key64 >>= 8
            offset += 1
        }
    }

    /// Appends an unmasked close frame; `reason` is UTF-8 of at most 123 bytes. Traps on a longer one and on a code
    /// that a close frame may not carry.
    ///
    /// - Parameter retry: milliseconds after which the client may come again; they stand at the end of the reason.
    package mutating func appendCloseFrame(_ code: UInt16, reason: StaticString = "", retry: UInt64? = nil) {
        let suffix = retry.map { ": retry in \($0) ms" } ?? ""
        let count = reason.utf8CodeUnitCount + suffix.utf8.count
        precondition(WebSocketCloseCode.isAllowedOnWire(code) && count <= 123)
        appendFrameHeader(.close, payloadBytes: 2 + count)
        append(bigEndian: code)
        append(reason)
        append(utf8: suffix)
    }

    /// Appends a masked close frame without a reason, as a client sends it. Traps on a code that a close frame may not
    /// carry.
    package mutating func appendMaskedCloseFrame(_ code: UInt16, key: UInt32) {
        precondition(WebSocketCloseCode.isAllowedOnWire(code))
        let payload: [2 of UInt8] = [UInt8(code >> 8), UInt8(code & 0xFF)]
        appendMaskedFrame(.close, payload.span.bytes, key: key)
    }

    private mutating func appendFrameHeader(
        _ opcode: WebSocketOpcode, payloadBytes: Int, isFinal: Bool, maskBit: UInt8
    ) {
        precondition(payloadBytes >= 0 && (!opcode.isControl || payloadBytes <= 125 && isFinal))
        append(opcode.rawValue | (isFinal ? 0x80 : 0))
        if payloadBytes <= 125 {
            append(UInt8(payloadBytes) | maskBit)
        } else if payloadBytes <= 0xFFFF {
            append(126 | maskBit)
            append(bigEndian: UInt16(payloadBytes))
        } else {
            append(127 | maskBit)
            append(bigEndian: UInt64(payloadBytes))
        }
    }
}
