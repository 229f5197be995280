/// The masking of RFC 6455, section 5.3: payload byte `i` is exclusive-ored with key byte `i % 4`.
package enum Masking {
    /// Masks or unmasks `range` of `bytes` in place, 8 bytes at a time.
    ///
    /// `key` is the key's four bytes loaded little-endian; `phase` is the place of the range's first byte in the
    /// payload, so that a payload can be unmasked in pieces. Traps if the range lies outside of the bytes.
    package static func apply(_ bytes: inout MutableRawSpan, _ range: Range<Int>, key: UInt32, phase: Int) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.byteCount)
        let key64 = wideKey(key, phase: phase)
        if key64 == 0 { return }
        bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            var offset = range.lowerBound
            let end = range.upperBound
            while offset + 8 <= end {
                let word = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
                base.storeBytes(of: (word ^ key64).littleEndian, toByteOffset: offset, as: UInt64.self)
                offset += 8
            }
            var rest = key64
            while offset < end {
                let byte = base.load(fromByteOffset: offset, as: UInt8.self)
                base.storeBytes(of: byte ^ UInt8(truncatingIfNeeded: rest), toByteOffset: offset, as: UInt8.self)
                rest >>= 8
                offset += 1
            }
        }
    }

    /// The key twice, turned so that its lowest byte belongs to payload byte `phase`.
    static func wideKey(_ key: UInt32, phase: Int) -> UInt64 {
        let turn = UInt32(truncatingIfNeeded: phase & 3) * 8
        let turned = (key >> turn) | (key << ((32 - turn) & 31))
        return UInt64(turned) | UInt64(turned) << 32
    }
}
