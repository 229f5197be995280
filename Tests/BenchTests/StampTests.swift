import LoadGenerator
import Testing

@Suite struct StampTests {
    @Test(arguments: [0, 1, 15, 0xABCDEF, 0xFFFF_FFFF_FFFF] as [UInt64])
    func survivesItsText(_ stamp: UInt64) {
        var text = [UInt8](repeating: 0, count: Stamp.textBytes)
        text.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            Stamp.write(stamp, at: start)
        }
        #expect(text.withUnsafeBytes { Stamp.read($0, at: 0) } == stamp)
        #expect(text.withUnsafeBytes { Stamp.read($0, at: 1) } == nil)
    }

    @Test func readsNothingElse() {
        #expect(Array("0123456789ag".utf8).withUnsafeBytes { Stamp.read($0, at: 0) } == nil)
        #expect(Array("0123456789AB".utf8).withUnsafeBytes { Stamp.read($0, at: 0) } == nil)
    }

    @Test func growsAndIsNeverZero() {
        let first = Stamp.now
        let second = Stamp.now
        #expect(first > 0)
        #expect(second >= first)
    }
}
