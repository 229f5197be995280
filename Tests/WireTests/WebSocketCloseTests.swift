import Base
import Testing
import Wire

/// RFC 6455, sections 5.5.1 and 7.4.
struct WebSocketCloseTests {
    @Test func checksEveryCode() {
        let valid = Set([1000, 1001, 1002, 1003] + Array(1007...1014) + Array(3000...4999))
        for code in 0...5_000 {
            let expected: Received =
                valid.contains(code) ? .close(UInt16(code), []) : .failure(.invalidCloseCode)
            let stream = TestFrame.close(UInt16(code))
            #expect(receive([stream]) == [expected], "\(code)")
            #expect(receive(stream.map { [$0] }) == [expected], "\(code)")
        }
        #expect(receive([TestFrame.close(65_535)]) == [.failure(.invalidCloseCode)])
    }

    @Test func checksThePayload() {
        let reason = Array(String(repeating: "ü", count: 61).utf8) + [0x61]
        let cases: [([UInt8], Received)] = [
            (TestFrame.control(0x88, []), .close(nil, [])),
            (TestFrame.control(0x88, [0x03]), .failure(.malformedClose)),
            (TestFrame.close(1000, reason), .close(1000, reason)),
            (TestFrame.close(1000, [0xC3]), .failure(.invalidUTF8)),
            (TestFrame.close(1000, [0xFF, 0x61]), .failure(.invalidUTF8)),
            ([0x88, 0xFE, 0, 126], .failure(.controlTooLong)),
        ]
        for (stream, expected) in cases {
            for pieces in waysToCut(stream) { #expect(receive(pieces) == [expected], "\(pieces)") }
        }
    }

    @Test func ignoresWhatFollows() {
        let close = TestFrame.close(1001) + TestFrame.text("x") + TestFrame.close(1000)
        let failure = TestFrame.text("", first: 0x83) + TestFrame.text("x")
        for pieces in waysToCut(close) { #expect(receive(pieces) == [.close(1001, [])]) }
        for pieces in waysToCut(failure) { #expect(receive(pieces) == [.failure(.reservedOpcode)]) }
    }
}
