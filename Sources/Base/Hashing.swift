internal import Glibc

/// The process's secret for hash tables whose keys come from clients.
struct HashKey: Sendable {
    let first: UInt64
    let second: UInt64

    /// Fixed, as Swift's own tables then are, if `SWIFT_DETERMINISTIC_HASHING` is set: a simulation repeats itself.
    static let process =
        getenv("SWIFT_DETERMINISTIC_HASHING") == nil
        ? HashKey(first: UInt64.random(in: .min ... .max), second: UInt64.random(in: .min ... .max) | 1)
        : HashKey(first: 0x243F_6A88_85A3_08D3, second: 0x1319_8A2E_0370_7345)
}

/// Multiplies to 128 bits and folds the halves: one multiplication mixes every input bit into every output bit.
@inlinable @inline(__always)
package func foldedMultiply(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
}
