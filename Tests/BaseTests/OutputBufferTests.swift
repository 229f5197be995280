import Base
import Testing

struct OutputBufferTests {
    @Test(arguments: [0, 9, 10, 99, 100, 12_345, UInt64(1) << 53, .max, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000])
    func writesDecimals(_ value: UInt64) {
        var buffer = OutputBuffer()
        buffer.append(decimal: value)
        #expect(String(decoding: buffer.unsafeBytes, as: UTF8.self) == String(value))
    }

    @Test func countsDigitsAroundEveryPowerOfTen() {
        var power: UInt64 = 1
        for _ in 0..<20 {
            for value in [power - 1, power, power + 1] { #expect(decimalDigits(value) == String(value).count) }
            power = power.multipliedReportingOverflow(by: 10).partialValue
        }
    }

    @Test func drainsInOrderWhileItGrows() {
        var buffer = OutputBuffer()
        var expected: [UInt8] = []
        var random = SeededRandom(seed: 7)
        for step in 0..<2_000 {
            let chunk = (0..<Int.random(in: 0...300, using: &random)).map { UInt8(truncatingIfNeeded: $0 &+ step) }
            chunk.withUnsafeBytes { buffer.append($0) }
            expected += chunk
            let drained = Int.random(in: 0...buffer.count, using: &random)
            #expect(Array(buffer.unsafeBytes.prefix(drained)) == Array(expected.prefix(drained)))
            buffer.discardFirst(drained)
            expected.removeFirst(drained)
        }
        #expect(Array(buffer.unsafeBytes) == expected)
    }
}
