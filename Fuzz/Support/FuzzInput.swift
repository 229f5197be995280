import Base

/// What libFuzzer made, taken apart: eight bytes that say how to cut the stream, then the stream.
struct FuzzInput {
    let stream: [UInt8]
    private(set) var random: SeededRandom

    /// Nil if there aren't even the eight bytes.
    init?(_ data: UnsafePointer<UInt8>?, _ count: Int) {
        guard let data, count >= 8 else { return nil }
        let bytes = UnsafeRawBufferPointer(start: data, count: count)
        random = SeededRandom(seed: bytes.loadUnaligned(as: UInt64.self).littleEndian)
        stream = Array(bytes[8...])
    }

    /// The stream in pieces: sometimes single bytes, sometimes a few, sometimes many.
    mutating func chunks() -> [[UInt8]] {
        let longest = [1, 3, 20, 500].randomElement(using: &random) ?? 1
        var chunks: [[UInt8]] = []
        var offset = 0
        while offset < stream.count {
            let end = min(stream.count, offset + Int.random(in: 1...longest, using: &random))
            chunks.append(Array(stream[offset..<end]))
            offset = end
        }
        return chunks
    }
}

/// Stops the run, and with it libFuzzer, if what must hold doesn't.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}
