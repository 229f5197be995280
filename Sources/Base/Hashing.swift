/// The process's secret for hash tables whose keys come from clients.
struct HashKey: Sendable {
    let first: UInt64
    let second: UInt64

    static let process = HashKey(
        first: UInt64.random(in: .min ... .max), second: UInt64.random(in: .min ... .max) | 1)
}

/// Multiplies to 128 bits and folds the halves: one multiplication mixes every input bit into every output bit.
@inlinable @inline(__always)
package func foldedMultiply(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
}
