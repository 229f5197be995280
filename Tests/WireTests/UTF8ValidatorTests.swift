import Base
import Testing
import Wire

/// RFC 3629, against the standard library as the oracle.
struct UTF8ValidatorTests {
    /// Whether some text begins with `bytes`: they are valid, or become so with the continuation bytes they lack.
    private func isPrefixOfText(_ bytes: [UInt8]) -> Bool {
        for filler: UInt8 in [0x80, 0xBF] {
            for missing in 0...3 {
                let whole = bytes + Array(repeating: filler, count: missing)
                if String(validating: whole, as: UTF8.self) != nil { return true }
            }
        }
        return false
    }

    private func check(_ bytes: [UInt8]) -> Bool {
        var validator = UTF8Validator()
        let isAccepted = validator.consume(bytes)
        let isValid = String(validating: bytes, as: UTF8.self) != nil
        return isAccepted == isPrefixOfText(bytes) && (isAccepted && validator.isComplete) == isValid
            && UTF8Validator.isValid(bytes) == isValid
    }

    @Test func agreesOnEverySequenceOfOneAndTwoBytes() {
        for first in UInt8.min...UInt8.max {
            #expect(check([first]), "\(first)")
            let wrong = (UInt8.min...UInt8.max).filter { !check([first, $0]) }
            #expect(wrong.isEmpty, "\(first), then \(wrong)")
        }
    }

    @Test func agreesOnSequencesOfThreeBytes() {
        let thirds: [UInt8] = [0x00, 0x41, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
        for first in UInt8(0xC0)...0xFF {
            for second in UInt8(0x7F)...0xC1 {
                let wrong = thirds.filter { !check([first, second, $0]) }
                #expect(wrong.isEmpty, "\(first), \(second), then \(wrong)")
            }
        }
    }

    @Test func agreesOnRandomSequences() {
        var random = SeededRandom(seed: 3629)
        let likely: [UInt8] = [0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5]
        for _ in 0..<50_000 {
            let count = Int.random(in: 4...7, using: &random)
            let bytes = (0..<count).map { _ in likely[Int.random(in: 0..<likely.count, using: &random)] }
            #expect(check(bytes), "\(bytes)")
        }
    }

    @Test func acceptsEveryScalarHoweverTheStreamIsCut() {
        var bytes: [UInt8] = []
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            bytes += UTF8.encode(scalar).map { Array($0) } ?? []
        }
        #expect(bytes.count == 0x80 + 2 * 0x780 + 3 * (0xF800 - 0x800) + 4 * 0x100000)
        let isValid = UTF8Validator.isValid(bytes)
        #expect(isValid)
        for size in [7, 64] {
            var validator = UTF8Validator()
            var offset = 0
            while offset < bytes.count {
                let end = min(bytes.count, offset + size)
                guard validator.consume(bytes.span.bytes.extracting(offset..<end)) else { break }
                offset = end
            }
            #expect(offset == bytes.count && validator.isComplete)
        }
    }

    @Test func refusesEverySurrogate() {
        for value in UInt32(0xD800)...0xDFFF {
            let bytes = [UInt8(0xE0 | value >> 12), UInt8(0x80 | value >> 6 & 0x3F), UInt8(0x80 | value & 0x3F)]
            #expect(!UTF8Validator.isValid(bytes), "\(value)")
        }
    }

    /// A bad byte is found at every place of the 32-byte, 8-byte and single-byte loops.
    @Test func findsABadByteAtEveryPlace() {
        for count in 1...100 {
            for place in 0..<count {
                var bytes = [UInt8](repeating: 0x61, count: count)
                bytes[place] = 0xFF
                #expect(!UTF8Validator.isValid(bytes), "\(count), \(place)")
            }
        }
    }

    @Test func staysFailed() {
        var validator = UTF8Validator()
        let bad: [UInt8] = [0xC0]
        let good: [UInt8] = [0x41]
        let takesBad = validator.consume(bad)
        let takesGood = validator.consume(good)
        #expect(!takesBad && !takesGood)
        #expect(!validator.isComplete)
    }
}
