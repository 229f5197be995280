import Base
import Testing
import Wire

struct LZ4BodyTests {
    private func compressed(_ raw: [UInt8]) -> [UInt8] {
        var output = OutputBuffer()
        LZ4Body.compress(raw.span.bytes, to: &output)
        return output.array
    }

    /// The raw bytes, or why not; what was in the output before stays there.
    private func decompressed(_ body: [UInt8]) -> Result<[UInt8], LZ4Body.Failure> {
        var output = OutputBuffer()
        output.append("before")
        do throws(LZ4Body.Failure) {
            try LZ4Body.decompress(body.span.bytes, to: &output)
            #expect(output.text.hasPrefix("before"))
            return .success(Array(output.array.dropFirst(6)))
        } catch {
            #expect(output.text == "before")
            return .failure(error)
        }
    }

    @Test(arguments: [0, 1, 4, 12, 13, 64, 1_000, 65_536, Limits.messageBytesMax])
    func whatWasCompressedComesBack(_ count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        let text = (0..<count).map { UInt8(truncatingIfNeeded: 97 + $0 % 7) }
        #expect(decompressed(compressed(noise)) == .success(noise))
        #expect(decompressed(compressed(text)) == .success(text))
    }

    @Test func theFormIsALengthAndABlock() {
        let body: [UInt8] = [5, 0, 0, 0, 0x50] + Array("hello".utf8)
        #expect(decompressed(body) == .success(Array("hello".utf8)))
        #expect(decompressed([0, 0, 0, 0, 0]) == .success([]))
    }

    @Test func theRawLengthMustBeExact() {
        let raw = Array("the quick brown fox the quick brown fox".utf8)
        let body = compressed(raw)
        for difference in [-39, -20, -1, 1, 2, 1_000] {
            var wrong = body
            let length = UInt32(raw.count + difference)
            for index in 0..<4 { wrong[index] = UInt8(truncatingIfNeeded: length >> UInt32(index * 8)) }
            #expect(decompressed(wrong) == .failure(.corrupt))
        }
    }

    @Test func theRawLengthHasALimit() {
        func header(_ length: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) } }
        #expect(decompressed(header(Limits.messageBytesMax) + [0]) == .failure(.corrupt))
        #expect(decompressed(header(Limits.messageBytesMax + 1) + [0]) == .failure(.tooLarge))
        #expect(decompressed(header(Int(UInt32.max)) + [0]) == .failure(.tooLarge))
    }

    @Test func whatIsCutOffIsRefused() {
        let body = compressed(Array("the quick brown fox the quick brown fox the quick brown fox".utf8))
        for count in 0..<body.count {
            #expect(decompressed(Array(body.prefix(count))) == .failure(count < 4 ? .cutOff : .corrupt))
        }
        #expect(decompressed(body + [0]) == .failure(.corrupt))
    }

    @Test func corruptBytesNeverTrap() {
        let raw = Array("the quick brown fox the quick brown fox the quick brown fox".utf8)
        let body = compressed(raw)
        for index in body.indices {
            for bit in 0..<8 {
                var corrupt = body
                corrupt[index] ^= 1 << UInt8(bit)
                if case .success(let bytes) = decompressed(corrupt) { #expect(bytes.count == raw.count) }
            }
        }
    }
}
