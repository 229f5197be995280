import Base
import Testing
import Wire

/// RFC 6455, section 5.3, byte by byte as the oracle.
struct MaskingTests {
    @Test func masksEveryRangeAtEveryPhase() {
        var random = SeededRandom(seed: 53)
        let key: UInt32 = 0x3D21_FA37
        let keyBytes = (0..<4).map { UInt8(truncatingIfNeeded: key >> (8 * $0)) }
        let original = (0..<70).map { _ in UInt8.random(in: 0...255, using: &random) }
        for start in 0..<10 {
            for end in start...original.count {
                for phase in 0..<5 {
                    var masked = original
                    var span = masked.mutableSpan
                    var bytes = span.mutableBytes
                    Masking.apply(&bytes, start..<end, key: key, phase: phase)
                    let expected = original.indices.map { index in
                        index >= start && index < end
                            ? original[index] ^ keyBytes[(index - start + phase) % 4] : original[index]
                    }
                    #expect(masked == expected, "\(start)..<\(end), phase \(phase)")
                }
            }
        }
    }

    @Test func trapsOutsideOfTheBytes() async {
        await #expect(processExitsWith: .failure) {
            var array: [UInt8] = [1, 2, 3]
            var span = array.mutableSpan
            var bytes = span.mutableBytes
            Masking.apply(&bytes, 1..<4, key: 1, phase: 0)
        }
    }
}
