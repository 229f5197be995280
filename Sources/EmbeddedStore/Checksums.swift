internal import Base

/// Hashes that go to disk: the same in every process, unlike those of hash tables.
enum StableHash {
    private static let keys: [4 of UInt64] = [
        0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB, 0x8EBC_6AF0_9C88_C6E3, 0x5899_65CC_7537_4CC3,
    ]

    /// The hash of a sender's own message id.
    ///
    /// It stands for the id when resends are recognised: a false match among 256 has a chance of 2^-56, and a client
    /// that builds one only harms messages of its own.
    static func cid(_ bytes: UnsafeRawBufferPointer) -> UInt64 { hash(bytes, seed: 1) }

    /// The checksum of a journal row.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 { hash(bytes, seed: 2) }

    /// Four lanes side by side, since one multiplication takes longer than reading the next eight bytes.
    private static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var lanes = (keys[0] ^ seed, keys[1] ^ seed, keys[2] ^ seed, keys[3] ^ seed)
        var offset = 0
        while offset + 32 <= bytes.count {
            lanes.0 = foldedMultiply(lanes.0 ^ load(bytes, offset), keys[1])
            lanes.1 = foldedMultiply(lanes.1 ^ load(bytes, offset + 8), keys[2])
            lanes.2 = foldedMultiply(lanes.2 ^ load(bytes, offset + 16), keys[3])
            lanes.3 = foldedMultiply(lanes.3 ^ load(bytes, offset + 24), keys[0])
            offset += 32
        }
        var rest = lanes.0 ^ foldedMultiply(lanes.1, keys[3]) ^ lanes.2 ^ foldedMultiply(lanes.3, keys[1])
        while offset + 8 <= bytes.count {
            rest = foldedMultiply(rest ^ load(bytes, offset), keys[2])
            offset += 8
        }
        var tail = UInt64(bytes.count) << 56
        var shift: UInt64 = 0
        while offset < bytes.count {
            tail |= UInt64(bytes[offset]) << shift
            shift += 8
            offset += 1
        }
        return foldedMultiply(rest ^ tail ^ keys[0], foldedMultiply(UInt64(bytes.count) ^ keys[1], keys[2]) | 1)
    }

    @inline(__always)
    private static func load(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
    }
}
