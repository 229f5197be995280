/// What clients know a store's history by: another one means that some of what they know may not be there.
enum Epoch {
    static func fresh() -> String { String(UInt64.random(in: 1 << 60 ... .max), radix: 16) }
}
